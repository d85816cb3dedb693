package watch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// begins begins to send a message, and returns a function that waits for sendmail's end.
func begins(p *stage.Person, to string) (wait func()) {
	p.T.Helper()
	cmd := p.Command("sendmail", to+"@example.net")
	cmd.Stdin = strings.NewReader(strings.Replace(mail, "friend", to, 1))
	if err := cmd.Start(); err != nil {
		p.T.Fatal(err)
	}
	return func() {
		p.T.Helper()
		if err := cmd.Wait(); err != nil {
			p.T.Fatal(err)
		}
	}
}

// Whatever the watcher is about when a message comes, somebody sends the message, once: a run is at its
// end, the watcher begins, or it has just been asked to end or is killed and another one follows. Nothing
// else wakes anybody up.
func TestNoWakeUpIsLost(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	p.Run("", "mailq")
	os.Remove(p.Path(".esmtprc"))
	p.Write(".config/esmtpq/config.yaml", "identities:\n  - name: me\n    host: "+host.Addr+"\n    keep_session: 20ms\n")
	var w *watcher
	some := func() { time.Sleep(rand.N(60 * time.Millisecond)) }
	phases := []struct {
		name string
		do   func(send func())
	}{
		{"the end of a run", func(send func()) { some(); send() }},
		{"its end", func(send func()) {
			some()
			send()
			some()
			w.end()
			w = nil
		}},
		{"a kill", func(send func()) {
			send()
			some()
			w.kill()
			w = watches(p)
		}},
	}
	now := ""
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last time it was %s; there are %q", now, processes(p))
		}
	})
	for i := range stage.Pick(60, 1000) {
		phase := phases[i%len(phases)]
		began := w == nil
		if began {
			w = &watcher{p: p, cmd: p.Command("deliver", "--watch"), log: p.Path("watch.log")}
			w.begin()
		}
		to := "r" + strconv.Itoa(i)
		var wait func()
		phase.do(func() { wait = begins(p, to) })
		wait()
		now = phase.name
		if got := host.Next(t); got.To[0] != to+"@example.net" {
			t.Fatalf("%s (the watcher has just begun: %t): %+v, want %s", phase.name, began, got, to)
		}
	}
	empty(p)
	if w != nil {
		w.end()
	}
	seen := map[string]int{}
	for _, m := range host.Received() {
		if seen[m.To[0]]++; seen[m.To[0]] > 1 {
			t.Errorf("%s got it twice", m.To[0])
		}
	}
}

// A watcher that cannot take it yet is told of a message, and then asked to end: it has heard both.
func TestToldBeforeTheEnd(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	for i := range 8 {
		w := watches(p)
		stage.Await(t, "at rest", func() bool { return len(processes(p)) == 1 })
		w.signal(syscall.SIGSTOP)
		to := fmt.Sprintf("r%d", i)
		sends(p, to)
		w.signal(syscall.SIGTERM)
		w.signal(syscall.SIGCONT)
		if code := w.end(); code != 0 {
			t.Errorf("exit %d", code)
		}
		if got := host.Received(); len(got) != i+1 || got[i].To[0] != to+"@example.net" {
			t.Fatalf("after the end of watcher %d, %d have arrived", i, len(got))
		}
	}
}

// Another run has left mail that waits for the network: the watcher, which knew of none, learns of it.
func TestNetworkComesAfterAnotherRun(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	k := newLink(t)
	host := stage.ServeSmartHost(t, k.l)
	k.set("down")
	p := newPerson(t, host)
	standsBy(t, p)
	p.Run(mail, "sendmail", "-odq", "friend@example.net")
	if r := p.Try("", "deliver"); r.Code != 75 {
		t.Fatalf("%+v", r)
	}
	pid := processOf(t, p)
	stage.Await(t, "at rest again", func() bool { return len(processes(p)) == 1 && armed(pid) < time.Hour })
	due := backoff(t, p).Next
	k.set("up")
	host.Next(t)
	if now := time.Now(); now.After(due) {
		t.Errorf("it has gone out at %v, and was due at %v", now, due)
	}
}

// standsBy starts a watcher, and waits until it has made its first run and waits for nothing but a message
// that is held.
func standsBy(t *testing.T, p *stage.Person) *watcher {
	t.Helper()
	p.Run(mail, "sendmail", "-odq", "held@example.net")
	p.Run("", "esmtpq", "hold", "all")
	w := watches(p)
	stage.Await(t, "at rest", func() bool { return len(processes(p)) == 1 && armed(w.cmd.Process.Pid) > time.Hour })
	return w
}

// armed returns for how long the timer of a watcher still waits; 0 if it does not.
func armed(pid int) time.Duration {
	all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	for _, path := range all {
		b, _ := os.ReadFile(path)
		if _, value, ok := strings.Cut(string(b), "it_value: ("); ok {
			seconds := 0
			fmt.Sscan(strings.SplitN(value, ",", 2)[0], &seconds)
			return time.Duration(seconds) * time.Second
		}
	}
	return 0
}

// Mail that is released goes out at once.
func TestReleased(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	standsBy(t, p)
	p.Run("", "esmtpq", "release", "all")
	host.Next(t)
}

// If somebody has removed the socket, or the directory that it is in, the watcher makes it anew when it
// wakes up the next time.
func TestSocketRemoved(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	w := standsBy(t, p)
	if err := os.RemoveAll(p.Path("run/esmtpq")); err != nil {
		t.Fatal(err)
	}
	p.Run(mail, "sendmail", "friend@example.net") // starts a process
	host.Next(t)
	stage.Await(t, "its end", func() bool { return len(processes(p)) == 1 })
	os.Remove(p.Path(".esmtp_queue/.wakeup"))
	w.signal(syscall.SIGHUP)
	stage.Await(t, "a socket", func() bool { return listens(p) })
	sends(p, "other")
	host.Next(t)
}
