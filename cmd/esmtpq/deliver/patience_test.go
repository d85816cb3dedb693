package deliver_test

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A silent host takes connections and says nothing.
type silent struct {
	addr      string
	connected chan struct{}
}

func newSilent(t *testing.T) *silent {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &silent{l.Addr().String(), make(chan struct{}, 100)}
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
			s.connected <- struct{}{}
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for _, c := range conns {
			c.Close()
		}
	})
	return s
}

// connects waits for a connection.
func (s *silent) connects(t *testing.T) {
	t.Helper()
	select {
	case <-s.connected:
	case <-time.After(hangs):
		t.Fatal("nobody has connected")
	}
}

// While another run is busy with a slow host, sendmail -v says that it waits, and does not wait
// for long, since the mail is in the queue.
func TestSendmailWaitsForAnotherRun(t *testing.T) {
	s := newSilent(t)
	me := newPerson(t, s.addr)
	me.run(0, mail, "sendmail", "friend@example.net")
	busy := me.command("", "deliver")
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	s.connects(t)
	me.env = append(me.env, "ESMTPQ_TIMEOUT=2s")
	for _, flags := range [][]string{{"-v"}, {"-X", "dialogue"}} {
		out := me.run(0, mail, "sendmail", append(flags, "other@example.net")...)
		if flags[0] == "-X" {
			out = me.run(0, "", "sh", "-c", "grep -v ^# dialogue")
		}
		want := regexp.MustCompile(fmt.Sprintf(`^sendmail: another queue run \(process %d, since 2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d\) is going on: waiting for its end, up to 2s
sendmail: it still goes on; the mail is in the queue, and goes out after it
$`, busy.Process.Pid))
		if !want.MatchString(out) {
			t.Errorf("sendmail %s says\n%s", flags[0], out)
		}
	}
	if out := me.run(0, "", "mailq", "--count"); strings.TrimSpace(out) != "3" {
		t.Errorf("%s messages are in the queue", out)
	}
	busy.Process.Kill()
	busy.Wait()
}
