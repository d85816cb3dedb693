package watch

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/sys/unix"

	"esmtpq/tests/stage"
)

// A patient host answers the end of a message when it is told to.
type patient struct {
	*stage.Session
	ending, answer chan struct{}
}

func (s patient) Data(r io.Reader) error {
	if err := s.Session.Data(r); err != nil {
		return err
	}
	s.ending <- struct{}{}
	<-s.answer
	return nil
}

// Asked to end, the watcher finishes the transaction that goes on, and leaves nobody behind.
func TestEnd(t *testing.T) {
	ending, answer := make(chan struct{}, 1), make(chan struct{})
	host := stage.NewSmartHost(t, func(s *smtp.Server) {
		inner := s.Backend
		s.Backend = smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
			session, err := inner.NewSession(c)
			if err != nil {
				return nil, err
			}
			return patient{session.(*stage.Session), ending, answer}, nil
		})
	})
	p := newPerson(t, host)
	w := watches(p)
	sends(p, "friend")
	<-ending
	w.signal(syscall.SIGTERM)
	time.Sleep(200 * time.Millisecond)
	close(answer)
	if code := w.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if out := p.Run("", "mailq"); out != "Mail queue is empty\n" {
		t.Errorf("mailq: %s", out)
	}
	if left := processes(p); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Asked to end during the delay, the watcher has delivered what it has waited with.
func TestEndInDelay(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	p.Setenv("ESMTPQ_DELAY=1h")
	w := watches(p)
	sends(p, "friend")
	stage.Await(t, "somebody who waits", func() bool { return len(processes(p)) == 2 })
	time.Sleep(300 * time.Millisecond)
	w.end()
	host.Next(t)
	if left := processes(p); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// processes returns the command lines of all processes of a person.
func processes(p *stage.Person) (all []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		env, _ := os.ReadFile(dir + "/environ")
		if bytes.Contains(env, []byte("HOME="+p.Home+"\x00")) {
			args, _ := os.ReadFile(dir + "/cmdline")
			all = append(all, string(args))
		}
	}
	return all
}

// When the clock is set, the watcher looks what is due.
func TestClockSet(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can set the clock")
	}
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	p.Run(mail, "sendmail", "-odq", "friend@example.net")
	putOff(t, p, time.Hour)
	watches(p)
	pid := processOf(t, p)
	stage.Await(t, "at rest", func() bool { return len(processes(p)) == 1 })
	putOff(t, p, 0) // behind its back
	if tx := (unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO, Time: unix.Timeval{Usec: 1000}}); true {
		if _, err := unix.Adjtimex(&tx); err != nil {
			t.Skipf("the clock cannot be set here: %v", err)
		}
	}
	host.Next(t)
	if again := processOf(t, p); again != pid {
		t.Errorf("process %d is now %d", pid, again)
	}
}
