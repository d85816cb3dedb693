package watch

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/queue"
	"esmtpq/queue/spool"
	"esmtpq/tests/stage"
)

// New mail goes out at once, and what follows over the same session.
func TestNewMail(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	w := watches(p)
	if to, err := os.Readlink(p.Path(".esmtp_queue/.wake")); err != nil || !strings.HasPrefix(to, p.Path("run/esmtpq/")) {
		t.Errorf("the socket is %q, %v", to, err)
	}
	for _, to := range []string{"friend", "other", "third"} {
		sends(p, to)
		if got := host.Next(t); got.To[0] != to+"@example.net" || got.Session != 1 {
			t.Errorf("got %+v", got)
		}
	}
	empty(p)
	if code := w.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if said := w.said(); said != "" {
		t.Errorf("said %q", said)
	}
	for _, name := range []string{".wake"} {
		if _, err := os.Lstat(p.Path(".esmtp_queue/" + name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
}

// A session is not kept where that is not wanted, and a configuration that changes is read.
func TestSessionNotKept(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	watches(p)
	sends(p, "friend")
	host.Next(t)
	atRest(p)
	os.Remove(p.Path(".esmtprc"))
	p.Write(".config/esmtpq/config.yaml", "identities:\n  - name: me\n    host: "+host.Addr+"\n    keep_session: never\n")
	for n, to := range []string{"other", "third"} {
		sends(p, to)
		if got := host.Next(t); got.Session != n+2 {
			t.Errorf("session %d", got.Session)
		}
		atRest(p)
	}
}

// A second watcher says so and leaves; the first one is not disturbed.
func TestSecondWatcher(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	w := watches(p)
	r := p.Try("", "deliver", "--watch")
	if want := fmt.Sprintf("deliver: process %d watches %s already", w.cmd.Process.Pid, p.Path(".esmtp_queue")); r.Code != 75 || !strings.HasPrefix(r.Stderr, want) {
		t.Errorf("exit %d: %s", r.Code, r.Stderr)
	}
	if r := p.Try("", "deliver", "--watch", "-v"); r.Code != 64 {
		t.Errorf("-v: exit %d: %s", r.Code, r.Stderr)
	}
	sends(p, "friend")
	host.Next(t)
}

// A watcher that was killed leaves a socket that nobody listens to: mail goes out as without one, and
// the next one takes its place.
func TestStaleSocket(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	watches(p).kill()
	p.Run(mail, "sendmail", "friend@example.net")
	host.Next(t)
	if _, err := os.Stat(p.Path(".esmtp_queue/.wakeup")); err != nil {
		t.Errorf("who has sent it? %v", err)
	}
	os.Remove(p.Path(".esmtp_queue/.wakeup"))
	watches(p)
	sends(p, "other")
	host.Next(t)
}

// Without a runtime directory, or with one that others can write to, the socket is in the queue
// directory, however long its path is.
func TestNoRuntimeDirectory(t *testing.T) {
	for _, mode := range []os.FileMode{0, 0o777} {
		host := stage.NewSmartHost(t)
		p := newPerson(t, host)
		if os.Chmod(p.Path("run"), mode); mode == 0 {
			os.Remove(p.Path("run"))
		}
		// What the machine has for this user is not the test's.
		if dir := fmt.Sprintf("/run/user/%d", os.Geteuid()); exists(dir) {
			t.Skipf("%s is there", dir)
		}
		home := p.Path(strings.Repeat("long/", 20))
		if err := os.MkdirAll(home, 0o700); err != nil {
			t.Fatal(err)
		}
		os.Rename(p.Path(".esmtprc"), home+"/.esmtprc")
		p.Setenv("HOME=" + home)
		p.Home = home
		w := watches(p)
		if st, err := os.Lstat(home + "/.esmtp_queue/.wake"); err != nil || st.Mode().Type() != os.ModeSocket || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%v, %v", st, err)
		}
		sends(p, "friend")
		host.Next(t)
		w.end()
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// A flood of pokes, sensible or not, disturbs nothing.
func TestFlood(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	w := watches(p)
	c, err := net.Dial("unixgram", p.Path(".esmtp_queue/.wake"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 3000 {
		words := []string{"0s", "", "\x00\xff", "-5h", "1e99h", strings.Repeat("9", 5000)}[i%6]
		stage.Await(t, "room in the socket", func() bool {
			_, err := c.Write([]byte(words))
			return !errors.Is(err, syscall.EAGAIN)
		})
	}
	sends(p, "friend")
	host.Next(t)
	empty(p)
	if code := w.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// The queue directory can be removed under the watcher.
func TestQueueRemoved(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	w := watches(p)
	sends(p, "friend")
	host.Next(t)
	empty(p)
	os.RemoveAll(p.Path(".esmtp_queue"))
	p.Run(mail, "sendmail", "friend@example.net") // makes the directory anew, and starts a process
	host.Next(t)
	os.Remove(p.Path(".esmtp_queue/.wakeup"))
	w.signal(syscall.SIGHUP)
	stage.Await(t, "a socket", func() bool { return exists(p.Path(".esmtp_queue/.wake")) })
	sends(p, "other")
	host.Next(t)
}

// Mail that is due later is tried when it is.
func TestDueLater(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	p.Run(mail, "sendmail", "-odq", "friend@example.net")
	putOff(t, p, 2*time.Second)
	began := time.Now()
	watches(p)
	host.Next(t)
	if took := time.Since(began); took < time.Second {
		t.Errorf("tried after %v", took)
	}
}

// putOff makes the one message of the queue due later, as after a temporary refusal.
func putOff(t *testing.T, p *stage.Person, d time.Duration) {
	t.Helper()
	q, err := spool.Open(p.Path(".esmtp_queue"))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	l, err := q.List()
	if err != nil || len(l.IDs) != 1 {
		t.Fatalf("%v, %v", l, err)
	}
	e, err := q.OpenEntry(l.IDs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	now := time.Now()
	late := queue.Report{Action: queue.Delayed, Scope: queue.ScopeMessage, Code: 451, Status: "4.7.1", Text: "come again"}
	a := spool.Attempt{Entry: e, Recipients: []int{0}, Reports: []queue.Report{late}, Next: now.Add(d)}
	if err := q.RecordAll([]spool.Attempt{a}, now)[0]; err != nil {
		t.Fatal(err)
	}
}

// SIGUSR1 and SIGALRM try everything, SIGHUP what is due.
func TestSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGALRM} {
		host := stage.NewSmartHost(t)
		p := newPerson(t, host)
		p.Run(mail, "sendmail", "-odq", "friend@example.net")
		putOff(t, p, time.Hour)
		w := watches(p)
		w.signal(syscall.SIGHUP)
		sends(p, "other")
		if got := host.Next(t); got.To[0] != "other@example.net" {
			t.Errorf("%v: %+v", s, got)
		}
		w.signal(s)
		if got := host.Next(t); got.To[0] != "friend@example.net" {
			t.Errorf("%v: %+v", s, got)
		}
		w.end()
	}
}
