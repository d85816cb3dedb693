package watch

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/process"
	"esmtpq/cmd/esmtpq/watched"
	"esmtpq/helper/inherit"
)

// A runner has the queue run by a process of its own.
type runner struct {
	home    string
	log     *os.File
	replies chan *watched.Reply // nil: the process has ended

	child   *exec.Cmd // nil while there is none
	control *os.File
	asked   []*watched.Request // given to the process, and not acknowledged
	more    []*watched.Request // to be given once those are
	fruit   bool               // the process has acknowledged something
	failed  int                // processes in a row that have not
	again   timer              // running while the next one has to wait
}

func newRunner(home string, log *os.File) *runner {
	return &runner{home: home, log: log, replies: make(chan *watched.Reply)}
}

// busy reports whether there is a process, or is to be one.
func (r *runner) busy() bool { return r.child != nil || r.again.running() }

// ask asks for something. What has been asked for and is not taken on yet need not be asked for twice
// in a row: but as it may be taken on at this moment, it is asked for once more after that.
func (r *runner) ask(kind watched.Kind, delay time.Duration) {
	req := &watched.Request{Kind: kind, Delay: delay}
	same := func(o *watched.Request) bool { return o.Kind == kind && o.Delay <= delay }
	switch {
	case !slices.ContainsFunc(r.asked, same):
		r.asked = append(r.asked, req)
		r.give(req)
	case !slices.ContainsFunc(r.more, same):
		r.more = append(r.more, req)
	}
}

// ready starts the process, to be there when there is something to do.
func (r *runner) ready() {
	if r.child == nil && !r.again.running() {
		r.start()
	}
}

// give gives a request to the process. If that has just ended, the next one gets it.
func (r *runner) give(req *watched.Request) {
	switch {
	case r.child != nil:
		req.Write(r.control)
	case !r.again.running():
		r.start()
	}
}

// start starts a process, and gives it all that is asked for.
func (r *runner) start() {
	if err := r.spawn(); err != nil {
		fmt.Fprintf(r.log, "deliver: cannot start a queue run: %v; trying again\n", err)
		r.failed++
		r.wait()
		return
	}
	r.fruit = false
	r.tell()
}

// tell gives the process all that is asked for.
func (r *runner) tell() {
	(&watched.Request{Kind: watched.Ready}).Write(r.control)
	for _, req := range r.asked {
		req.Write(r.control)
	}
}

func (r *runner) spawn() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ours, theirs, err := inherit.Sockets("control")
	if err != nil {
		return err
	}
	defer theirs.Close()
	inherit.Nothing()
	r.control = ours
	// A group of its own, so that Ctrl-C is for this process alone, which ends the other one in its time.
	child := &exec.Cmd{
		Path: self, Args: []string{"deliver", watched.Flag}, Dir: "/", Env: childEnv(r.home), Stderr: r.log,
		ExtraFiles: []*os.File{theirs}, SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	if err := child.Start(); err != nil {
		r.control.Close()
		return err
	}
	r.child = child
	go r.read(child, r.control)
	return nil
}

// childEnv returns our environment, without what our supervisor says to us alone.
func childEnv(home string) []string {
	env := process.Setenv(os.Environ(), "HOME", home)
	for _, name := range [...]string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		env = process.Unsetenv(env, name)
	}
	return env
}

// read hands on what a process says, and its end.
func (r *runner) read(child *exec.Cmd, control *os.File) {
	in := bufio.NewScanner(control)
	for {
		reply, err := watched.ReadReply(in)
		if err != nil {
			break
		}
		r.replies <- reply
	}
	child.Wait()
	r.replies <- nil
}

// reply takes a reply of the process, or its end. It returns false for the latter.
func (r *runner) reply(reply *watched.Reply) bool {
	if reply == nil {
		r.ended()
		return false
	}
	if n := min(reply.Taken, len(r.asked)); n > 0 {
		r.asked, r.fruit, r.failed = r.asked[n:], true, 0
		for _, req := range r.more {
			r.asked = append(r.asked, req)
			r.give(req)
		}
		r.more = nil
	}
	return true
}

// ended takes note of the end of the process.
func (r *runner) ended() {
	clean := r.child.ProcessState.Success()
	r.control.Close()
	r.child = nil
	r.asked, r.more = append(r.asked, r.more...), nil
	if !r.fruit && !clean {
		r.failed++
	}
	switch {
	case len(r.asked) == 0 && clean:
	case len(r.asked) == 0: // in the middle of a run
		r.asked = append(r.asked, &watched.Request{Kind: watched.Due})
		r.failed++
		fallthrough
	case r.failed > 0:
		r.wait()
	default:
		r.start()
	}
}

const (
	firstWait   = time.Second
	longestWait = time.Minute
)

// wait waits with the next process, the longer the more have failed.
func (r *runner) wait() {
	r.again.start(min(firstWait<<min(r.failed-1, 10), longestWait))
}

// retry starts the process that had to wait.
func (r *runner) retry() {
	r.again.stop()
	r.start()
}

// How long a process has that is asked to end: for what was asked for before, for the transaction that
// goes on, and until it is killed.
const (
	politeTime = 10 * time.Second
	endTime    = 20 * time.Second
)

// stop asks the process to end, and waits for that. If it was about to end by itself, and has not seen what
// it was asked for last, one more does.
func (r *runner) stop() {
	if r.child == nil {
		return
	}
	r.end()
	end := time.NewTimer(politeTime)
	defer end.Stop()
	for asked, more := false, true; ; {
		select {
		case reply := <-r.replies:
			if reply != nil {
				r.asked = r.asked[min(reply.Taken, len(r.asked)):]
				continue
			}
			if more = more && !asked && len(r.asked) > 0 && r.child.ProcessState.Success(); !more {
				return
			}
			if more = false; r.spawn() != nil {
				return
			}
			r.tell()
			r.end()
		case <-end.C:
			if asked {
				syscall.Kill(-r.child.Process.Pid, syscall.SIGKILL)
				return
			}
			asked = true
			r.child.Process.Signal(syscall.SIGTERM)
			end.Reset(endTime)
		}
	}
}

// end tells the process to end, behind all that it has been asked for: a signal would overtake that, or come
// before the process can take one.
func (r *runner) end() {
	for _, req := range append(r.more, &watched.Request{Kind: watched.End}) {
		req.Write(r.control)
	}
	r.asked, r.more = append(r.asked, r.more...), nil
}
