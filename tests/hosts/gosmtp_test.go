package hosts

import (
	"esmtpq/tests/stage"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Servers written in Go use go-smtp: it reads BDAT, and closes at a line that is too long for it.
func TestGoSMTPChecks(t *testing.T) { startGoSMTP(t).checks(t) }

// A line of more than 2,000 octets makes go-smtp answer 500 and close, whatever else had been
// sent. That is no verdict on the mails before and after it.
func TestGoSMTPLongLine(t *testing.T) {
	h := startGoSMTP(t)
	for _, way := range []string{"tapped", "direct", "secure"} { // a reset leaves different parts to be read
		me := newPerson(t, h)
		switch way {
		case "direct":
			me.port = portOf(h.addr)
			me.configure("starttls = disabled")
		case "secure":
			me = newSecurePerson(t, h, h.password)
		}
		for range 3 {
			for _, odd := range []int{3, 0, 9, 5} {
				mails := h.newMails(10)
				mails[odd].content += strings.Repeat("long ", 500) + "\n"
				me.send(mails...)
				me.run()
				me.settled(1)
				h.check(t, slices.Delete(slices.Clone(mails), odd, odd+1), 0)
				me.fate(mails[odd], either)
				for _, q := range me.failed() {
					if q.subject != mails[odd].id && slices.Contains(ids(mails), q.subject) {
						t.Errorf("failed, though there is nothing wrong with it: %s", q)
					}
				}
			}
		}
	}
}

// go-smtp takes the end of a connection within the last chunk for the end of that chunk, and
// passes on what it has. Wherever deliver is killed, every mail that arrives is complete.
func TestGoSMTPCutShort(t *testing.T) {
	h := startGoSMTP(t)
	me := newPerson(t, h)
	me.send(h.newMails(4)...)
	me.run()
	for at := 40; at < 2500; at += stage.Pick(131, 7) {
		mails := h.newMails(4)
		me.send(mails...)
		me.killAfter(at)
		me.run()
		me.settled(1)
		h.check(t, mails, len(mails))
		if t.Failed() {
			t.Fatalf("killed after %d octets", at)
		}
	}
}

func startGoSMTP(t *testing.T) *host {
	t.Helper()
	program := program(t, "go-smtp")
	h := newHost(t, "go-smtp")
	h.refuse, h.line, h.utf8 = "No such user here", either, false
	h.awaitReady(t, start(t, exec.Command(program, h.addr, h.secure, h.cert.CertFile, h.cert.KeyFile, h.sink.addr)))
	return h
}
