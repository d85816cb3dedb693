// Package helper runs the command lines that belong to the person: the local delivery agent, a
// tunnel, what goes before and behind a session, the password command, the notifier.
//
// They are all run in one way:
//
//   - in a session, and so a process group, of its own, without our terminal: nothing can stop to
//     ask there, and an interrupt typed for us does not reach it;
//   - in the home directory, as a delivery in the background is somewhere else than one that is typed;
//   - with our environment, completed where it lacks what programs count on (see [Environ]);
//   - with no descriptor of ours beyond the first three;
//   - with its output in a file, since a program that goes into the background keeps a pipe open;
//   - within a limit of time.
//
// # What belongs to a command
//
// When a command is ended (its time is over, or its context) all that it started is ended with it:
// SIGTERM, two seconds, SIGKILL. A process group is not enough for that: maildrop and timeout(1) make
// one of their own and would live on. What belongs to it is
//
//   - every process of its session;
//   - every descendant of one that belongs to it, in whatever session;
//   - every process with its [Command.Mark] in the environment that it was started with.
//
// All three are read from /proc, again and again until nothing new is found, with all that was found
// stopped (SIGSTOP) meanwhile, so that nothing forks away from under the reading. Without /proc
// it is the process group alone.
//
// A daemon, which has a session of its own and whose parent is gone, so belongs to the command only
// by the mark. That is meant: gpg-agent left by a password command or the master of a shared
// ssh connection serve others too, and these commands have no mark. A local delivery agent has
// one, since what is left of it could deliver a second copy.
//
// A subreaper (PR_SET_CHILD_SUBREAPER) would bring all orphans to us instead. It is not used: it is
// a property of the whole process, that would have to collect every daemon's zombie as long as it
// runs and that changes what getppid tells them; and an orphan that has been adopted does not say
// which of several commands it came from. The session, the ancestry and the mark do.
//
// A command that exits with status 0 may leave something behind, which is let alone: an ssh -f carries
// the connection. After any other end, what is left of it is ended.
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

// grace is how long what was told to end has before it is killed.
const grace = 2 * time.Second

// A Command is a command to be run. It can be run more than once.
type Command struct {
	Argv []string // the program and its arguments
	Dir  string   // "" is the home directory
	Env  []string // added to the environment

	// Stdin is what the command reads; nil is /dev/null. A file is handed over as it is. Anything else
	// is written to a pipe, whose end the command sees only after Stdin has said io.EOF: where
	// Stdin fails with another error, the command is killed first, and never takes a part
	// for the whole.
	Stdin io.Reader
	// Stdout is where its standard output goes; nil is the output that [Exit] has the end of. A file is
	// handed over as it is. Standard error always goes to the output.
	Stdout io.Writer

	// Limit is how long it may take; 0 is for as long as the context allows.
	Limit time.Duration
	// Mark, unless empty, is a name that all it starts is known by, daemons too.
	Mark string
	// Alone says that nothing may be left of it, after exit status 0 either.
	Alone bool
}

// Shell returns the command that runs a line by /bin/sh, with positional parameters.
func Shell(line string, params ...string) *Command {
	return &Command{Argv: append([]string{"/bin/sh", "-c", line, "sh"}, params...)}
}

// Run runs the command and returns how it ended. The error is for one that could not be started.
func (c *Command) Run(ctx context.Context) (*Exit, error) {
	p, err := c.Start(ctx)
	if err != nil {
		return nil, err
	}
	<-p.Done()
	return p.Exit(), nil
}

// Start starts the command. It is ended when ctx is.
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

// lookPath finds a program as os/exec does, but in a PATH that is always there.
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
