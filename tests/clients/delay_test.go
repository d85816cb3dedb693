package clients

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"esmtpq/queue/spool"
	"esmtpq/tests/stage"
)

// aged puts a mail into the queue that was submitted some time ago.
func aged(p *stage.Person, age time.Duration, to string) {
	p.T.Helper()
	q, err := spool.OpenOrCreate(p.Path(".esmtp_queue"))
	if err != nil {
		p.T.Fatal(err)
	}
	defer q.Close()
	w, err := q.NewWriter()
	if err != nil {
		p.T.Fatal(err)
	}
	if _, err := w.Write([]byte(unlucky)); err != nil {
		p.T.Fatal(err)
	}
	env := &spool.Envelope{From: "me@example.org", Arrival: time.Now().Add(-age), Recipients: []spool.Recipient{{Address: to}}}
	if _, err := w.Commit(env); err != nil {
		p.T.Fatal(err)
	}
}

func TestDelayNotice(t *testing.T) {
	me := stage.NewPerson(t, withMailbox(newPickyHost(t, refusing("busy", 451, "come back later")))...)
	aged(me, 5*time.Hour, "busy@example.net")
	for range 2 {
		me.Try("", "deliver")
	}
	b := readBounce(t, onlyBounce(me))
	b.isReport(t)
	if b.Status[1]["Action"] != "delayed" || b.Status[1]["Will-Retry-Until"] == "" || !strings.Contains(b.Text, "waiting for 5 hours") {
		t.Errorf("%v", b)
	}
}

// A mail is refused for now for too long: there is a notice of the delay, then of the failure.
func TestDelayAndEnd(t *testing.T) {
	me, host := stage.NewPerson(t), newPickyHost(t, refusing("busy", 451, "come back later"))
	me.Write(".config/esmtpq/config.yaml", fmt.Sprintf(`mda: "{ echo '>>> ' %%T from '<'%%F'>'; cat; } >> $HOME/mailbox"
expire_after: 2s
identities:
  - {name: me@example.org, host: 127.0.0.1, port: %s, tls: off}
`, host.Port))
	aged(me, 6*24*time.Hour, "busy@example.net")
	if r := me.Try("", "deliver"); r.Code != 75 {
		t.Errorf("deliver: %+v", r)
	}
	b := readBounce(t, onlyBounce(me))
	b.isReport(t)
	if b.Status[1]["Action"] != "delayed" || b.Status[1]["Status"] != "4.1.1" || b.Status[1]["Will-Retry-Until"] == "" || b.Header["Subject"] != "Delayed mail" {
		t.Errorf("%v", b)
	}
	time.Sleep(2 * time.Second) // its time counts from the first attempt, not from its arrival
	for range 2 {
		me.Try("", "deliver")
	}
	mails := mailbox(me)
	if len(mails) != 2 {
		t.Fatalf("%d mails, want 2: %q", len(mails), mails)
	}
	b = readBounce(t, mails[1])
	b.isReport(t)
	if b.Status[1]["Action"] != "failed" || b.Status[1]["Status"] != "4.1.1" || !strings.Contains(b.Text, "given up, last attempt: host 127.0.0.1 said: 451") {
		t.Errorf("%v", b)
	}
}
