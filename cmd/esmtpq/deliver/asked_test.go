package deliver_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// only returns the queue ID of the one entry.
func (p *person) only() string {
	p.t.Helper()
	ids, _ := filepath.Glob(p.home + "/.esmtp_queue/[0-9A-F]*")
	if len(ids) != 1 {
		p.t.Fatalf("the queue has %q", ids)
	}
	return filepath.Base(ids[0])
}

// What a person asks for by name and does not get is answered: what is held, what has failed, what
// is not there.
func TestAskedForInVain(t *testing.T) {
	h := newHost(t, true)
	h.refuses = true
	me := newPerson(t, h.addr)
	const none = "deliver: there is no such message in the queue: see mailq\n"
	for _, args := range [][]string{{"last"}, {"--sender", "me"}, {"-qRfriend"}, {"-v", "--recipient=friend"}} {
		if out := me.run(69, "", "deliver", args...); out != none {
			t.Errorf("no queue, deliver %q: %s", args, out)
		}
	}
	me.run(0, "", "deliver")
	me.run(0, "", "sendmail", "-q", "-qRfriend")

	me.run(0, mail, "sendmail", "friend@example.net")
	id := me.only()
	for _, args := range [][]string{{"--sender", "nobody"}, {"--recipient=nobody"}, {"-qRnobody"}, {"--older", "1h"}} {
		if out := me.run(69, "", "deliver", args...); out != none {
			t.Errorf("deliver %q: %s", args, out)
		}
	}
	me.run(0, "", "sendmail", "-qRnobody")

	me.run(0, "", "esmtpq", "hold", id)
	held := fmt.Sprintf("%s is held: esmtpq release %s lets it go\n", id, id)
	if out := me.run(75, "", "deliver", id); out != "deliver: "+held {
		t.Errorf("deliver says: %s", out)
	}
	if out := me.run(75, "", "deliver", "last"); out != "deliver: "+held {
		t.Errorf("deliver last says: %s", out)
	}
	if out := me.run(75, "", "esmtpq", "retry", id); out != "esmtpq retry: "+held {
		t.Errorf("retry says: %s", out)
	}
	me.run(0, "", "deliver")
	me.run(0, "", "deliver", "--sender", "me")

	me.run(0, "", "esmtpq", "release", id)
	cure := fmt.Sprintf("esmtpq retry %s tries again, esmtpq rm %s drops it\n", id, id)
	if out := me.run(0, "", "deliver", id); !strings.Contains(out, "no such user\n") || !strings.HasSuffix(out, "\ndeliver: "+cure) {
		t.Errorf("refused: %s", out)
	}
	if out := me.run(75, "", "deliver", id); out != fmt.Sprintf("deliver: %s has failed and is not tried: %s", id, cure) {
		t.Errorf("refused before: %s", out)
	}
	me.run(0, "", "deliver")
}

// A configuration that is named and cannot be used is the caller's mistake, now.
func TestNamedConfigurationThatIsUnusable(t *testing.T) {
	me := newPerson(t, "127.0.0.1:1")
	me.run(0, mail, "sendmail", "friend@example.net")
	if err := os.WriteFile(me.home+"/bad", []byte("what is this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{me.home + "/missing", me.home + "/bad", me.home} {
		if out := me.run(78, "", "deliver", "-C", file); !strings.Contains(out, file) {
			t.Errorf("-C %s: %s", file, out)
		}
	}
	me.run(78, "", "sendmail", "-q", "-C", me.home+"/missing")
}

// Whoever waits for a run that somebody has stopped is told, at a terminal or not; and so is mailq.
func TestStoppedRun(t *testing.T) {
	if _, err := os.Stat("/proc/locks"); err != nil {
		t.Skip("no /proc/locks")
	}
	s := newSilent(t)
	me := newPerson(t, s.addr)
	me.run(0, mail, "sendmail", "friend@example.net")
	busy := me.command("", "deliver")
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	defer busy.Wait()
	defer busy.Process.Kill()
	s.connects(t)
	busy.Process.Signal(syscall.SIGSTOP)
	want := fmt.Sprintf("has been stopped: type fg where it was started, or kill -CONT %d", busy.Process.Pid)
	for end := time.Now().Add(hangs); ; time.Sleep(10 * time.Millisecond) {
		if out := me.run(0, "", "mailq"); strings.Contains(out, want+"\n") {
			break
		} else if time.Now().After(end) {
			t.Fatalf("mailq: %s", out)
		}
	}
	if out := me.run(75, "", "deliver"); !strings.Contains(out, want+"\n") {
		t.Errorf("deliver: %s", out)
	}
	if out := me.run(124, "", "sh", "-c", "timeout 3 deliver last"); !strings.Contains(out, want+"; waiting for its end\n") {
		t.Errorf("deliver last: %s", out)
	}
}

// A crash between the two steps of taking over an entry of esmtp-wrapper leaves both; the old one
// goes, whatever has become of it since, and the mail goes out once.
func TestTakenOverAndLeft(t *testing.T) {
	h := newHost(t, true)
	close(h.answer)
	me := newPerson(t, h.addr)
	dir := me.home + "/.esmtp_queue"
	q, err := spool.OpenOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	arrival := time.Now().Add(-time.Hour).Truncate(time.Second)
	w, err := q.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(mail))
	env := &spool.Envelope{From: "me@example.org", Recipients: []spool.Recipient{{Address: "friend@example.net"}}, Arrival: arrival, Legacy: "abcdefgh"}
	if _, err := w.Commit(env); err != nil {
		t.Fatal(err)
	}
	old := dir + "/abcdefgh"
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old+"/mail", []byte(mail), 0o600); err != nil { // and no cmd
		t.Fatal(err)
	}
	os.Chtimes(old, arrival, arrival)
	me.run(0, "", "deliver")
	if out := me.run(0, "", "mailq"); out != "Mail queue is empty\n" || h.arrived() != 1 {
		t.Errorf("%d arrived; mailq: %s", h.arrived(), out)
	}
}
