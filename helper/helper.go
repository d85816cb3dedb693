// Package helper runs the command lines that belong to the person: the local delivery agent, a
// tunnel, the lines before and after a session, the password command, the notifier.
//
// All are run in the same way:
//
//   - in a session of its own, and so in a process group of its own, without our terminal: no
//     command can stop to ask something there, and an interrupt typed for us does not reach it;
//   - in the home directory, since a background delivery runs in another directory than a typed
//     one;
//   - with our environment, completed if it lacks what programs rely on (see [Environ]);
//   - with no descriptor of ours beyond the first three;
//   - with its output in a file, since a program that goes into the background keeps a pipe open;
//   - within a time limit.
//
// # What belongs to a command
//
// When a command is ended, because its time or its context is over, everything that it started is
// ended with it: SIGTERM, two seconds, SIGKILL. The process group is not enough for that:
// maildrop and timeout(1) make one of their own and would live on. These processes belong to a
// command:
//
//   - every process of its session;
//   - every descendant of one that belongs to it, in whatever session;
//   - every process with its [Command.Mark] in the environment that it was started with, but for
//     shared daemons where [Command.Shared] says so.
//
// All three are read from /proc, again and again until nothing new is found. The processes found
// are stopped (SIGSTOP) meanwhile, so that none can fork away unseen. Without /proc only the
// process group belongs to a command.
//
// A daemon has a session of its own, and its parent is gone, so it belongs to the command only by
// the mark. This is intended: a gpg-agent left behind by a password command and the master of a
// shared ssh connection serve others, too, and these commands have no mark. A local delivery
// agent has one, since a process left over from it could deliver a second copy; so has a preconnect
// line, whose `ssh -f` is ended with the session, but for what is shared.
//
// A subreaper (PR_SET_CHILD_SUBREAPER) would make all orphans our children instead. It is not
// used because it is a property of the whole process: it would have to reap every daemon's zombie
// as long as it runs, and it changes what getppid says to them. Besides, an adopted orphan does
// not show which of several commands it came from. The session, the ancestry and the mark do.
//
// A command that exits with status 0 may leave processes behind, and they stay: an ssh -f carries
// the connection. After any other end, everything that is left is ended.
package helper

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"esmtpq/helper/inherit"
)

// grace is how long a process has to end by itself, once told to, before it is killed.
const grace = 2 * time.Second

// A Command is a command to be run. It can be run more than once.
type Command struct {
	Argv []string // the program and its arguments
	Dir  string   // "" is the home directory
	Env  []string // added to the environment

	// Stdin is what the command reads; nil is /dev/null. A file is handed over as it is. Anything
	// else is written to a pipe, whose end the command sees only after Stdin has returned io.EOF.
	// If Stdin fails with another error, the command is killed first, so that it never takes a
	// part for the whole.
	Stdin io.Reader
	// Stdout is where its standard output goes; nil means to the output, whose end is in [Exit].
	// A file is handed over as it is. Standard error always goes to the output.
	Stdout io.Writer

	// MustRead says that exit status 0 is worth nothing if not one octet of Stdin was read. What is
	// left of the command is ended then.
	MustRead bool

	// KeepOutput says that what the command has left in the background may say something later, which
	// [Process.Said] then returns; [Process.Release] is to be called.
	KeepOutput bool

	// Limit is how long it may take; 0 means as long as the context allows.
	Limit time.Duration
	// Mark, unless empty, is a name by which everything that it starts is known, including
	// daemons.
	Mark string
	// Shared says that a daemon which listens at a local socket belongs to nobody, mark or not, since
	// others use it as well: the agents of ssh and gpg, and the master of a shared ssh connection.
	Shared bool
	// Alone says that nothing of it may be left, even after exit status 0.
	Alone bool
}

// Shell returns the command that runs a line with /bin/sh and positional parameters.
func Shell(line string, params ...string) *Command {
	return &Command{Argv: append([]string{"/bin/sh", "-c", line, "sh"}, params...)}
}

// Run runs the command and returns how it ended. The error says that it could not be started.
func (c *Command) Run(ctx context.Context) (*Exit, error) {
	p, err := c.Start(ctx)
	if err != nil {
		return nil, err
	}
	<-p.Done()
	return p.Exit(), nil
}

// Start starts the command. When ctx ends, the command is ended.
func (c *Command) Start(ctx context.Context) (*Process, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	output, err := openOutput()
	if err != nil {
		return nil, err
	}
	p := &Process{c: c, cmd: c.exec(), output: output, exited: make(chan struct{}), done: make(chan struct{})}
	p.cmd.Stderr = output
	if c.Stdout == nil {
		p.cmd.Stdout = output
	}
	stop := func() {}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	if c.Limit > 0 {
		p.ctx, stop = context.WithTimeout(p.ctx, c.Limit)
	}
	if err := p.start(); err != nil {
		stop()
		p.cancel(nil)
		output.Close()
		return nil, err
	}
	go func() {
		defer stop()
		defer p.cancel(nil)
		p.supervise()
	}()
	return p, nil
}

// exec returns the command for os/exec.
func (c *Command) exec() *exec.Cmd {
	env := Environ()
	if c.Mark != "" {
		env = append(env, inherit.MarkName+"="+c.Mark)
	}
	cmd := exec.Command(lookPath(c.Argv[0]), c.Argv[1:]...)
	cmd.Args[0] = c.Argv[0]
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = home(env)
	}
	cmd.Env = append(append(env, "PWD="+cmd.Dir), c.Env...)
	cmd.Stdout = c.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = linger
	inherit.Nothing()
	return cmd
}

// lookPath finds a program as os/exec does, but with a default where there is no PATH.
func lookPath(name string) string {
	if strings.Contains(name, "/") || os.Getenv("PATH") != "" {
		return name
	}
	for _, dir := range filepath.SplitList(defaultPath) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return name
}
