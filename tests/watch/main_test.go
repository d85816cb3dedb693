// Package watch tests the watcher, deliver --watch: the built program, with links that go up and down,
// clocks that are set, and the supervisors of real systems.
package watch

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"esmtpq/tests/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }

const mail = "From: Me <me@example.org>\nTo: friend@example.net\nSubject: hello\n\ntext\n"

// A watcher is the process of a person.
type watcher struct {
	p   *stage.Person
	cmd *exec.Cmd
	log string
}

// watches starts a watcher, and waits until it can be poked.
func watches(p *stage.Person) *watcher {
	p.T.Helper()
	w := &watcher{p: p, cmd: p.Command("deliver", "--watch"), log: p.Path("watch.log")}
	w.start()
	return w
}

func (w *watcher) start() {
	w.p.T.Helper()
	w.begin()
	stage.Await(w.p.T, "a socket", func() bool { return listens(w.p) })
}

// begin starts the process.
func (w *watcher) begin() {
	t := w.p.T
	t.Helper()
	log, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	w.cmd.Stdout, w.cmd.Stderr = log, log
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.end()
		// What a killed one had begun goes on without it.
		stage.Await(t, "the end of all processes", func() bool { return len(processes(w.p)) == 0 })
		if t.Failed() {
			t.Logf("the watcher said:\n%s", w.said())
		}
	})
}

// listens reports whether a watcher takes pokes.
func listens(p *stage.Person) bool {
	path := p.Path(".esmtp_queue/.wake")
	if len(path) > 100 {
		return exists(path)
	}
	c, err := net.Dial("unixgram", path) // refused if it is stale
	if err == nil {
		c.Close()
	}
	return err == nil
}

// signal sends a signal to the watcher.
func (w *watcher) signal(s syscall.Signal) { w.cmd.Process.Signal(s) }

// end ends the watcher as a supervisor does, and returns its exit status.
func (w *watcher) end() int {
	if w.cmd.ProcessState == nil {
		w.signal(syscall.SIGTERM)
		w.cmd.Wait()
	}
	return w.cmd.ProcessState.ExitCode()
}

// kill kills the watcher.
func (w *watcher) kill() {
	w.cmd.Process.Kill()
	w.cmd.Wait()
}

func (w *watcher) said() string {
	b, _ := os.ReadFile(w.log)
	return string(b)
}

// newPerson returns a person with a runtime directory, whose mail goes out at once.
func newPerson(t *testing.T, host *stage.SmartHost) *stage.Person {
	t.Helper()
	p := stage.NewPerson(t, stage.Identity(host)...)
	if err := os.Mkdir(p.Path("run"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.Setenv("XDG_RUNTIME_DIR=" + p.Path("run"))
	p.Setenv("ESMTPQ_DELAY=0s")
	return p
}

// sends has the person send a message, and checks that nothing is started for that.
func sends(p *stage.Person, to string) {
	p.T.Helper()
	p.Run(strings.Replace(mail, "friend", to, 1), "sendmail", to+"@example.net")
	if _, err := os.Stat(p.Path(".esmtp_queue/.wakeup")); err == nil {
		p.T.Error("sendmail has started a process of its own")
	}
}

// empty waits until nothing is in the queue.
func empty(p *stage.Person) {
	p.T.Helper()
	stage.Await(p.T, "an empty queue", func() bool { return p.Run("", "mailq", "--count") == "0\n" })
}

// atRest waits until no queue run is going on, which would take new mail along.
func atRest(p *stage.Person) {
	p.T.Helper()
	empty(p)
	lock, err := os.Open(p.Path(".esmtp_queue/.lock"))
	if err != nil {
		p.T.Fatal(err)
	}
	defer lock.Close()
	stage.Await(p.T, "the end of the run", func() bool {
		return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
	})
}
