package hosts

import (
	"regexp"
	"strings"
	"testing"
)

// With a wrong password the mail waits, in one attempt; with the right one it goes.
func checkPassword(t *testing.T, h *host) {
	if h.secure == "" {
		t.Skip("this host takes no logins")
	}
	me := newSecurePerson(t, h, "wrong-horse")
	mails := h.newMails(20)
	me.send(mails...)
	me.run()
	if n := len(me.waiting()); n != len(mails) {
		t.Errorf("with a wrong password %d of %d mails wait", n, len(mails))
	}
	me.connects(1 + h.spare)
	for _, q := range me.queue() {
		if strings.Contains(q.message+q.reason, "wrong-horse") {
			t.Errorf("the password is shown: %s", q)
		}
	}
	me.signIn(h.password)
	me.once(mails)
	me.connects(2 + h.spare)

	later := h.newMails(1)
	me.send(later...)
	me.once(later)
	if sent, _ := me.tap.said(); strings.Contains(string(sent), later[0].id) {
		t.Error("mail was sent in clear")
	}
}

// A probe logs in as a delivery does, says how, and sends nothing.
func checkProbe(t *testing.T, h *host) {
	if h.secure == "" {
		t.Skip("this host takes no logins")
	}
	me := newSecurePerson(t, h, "wrong-horse")
	me.send(h.newMails(1)...)
	code, words := 77, "refused: "
	if h.unsure {
		code, words = 75, "answered 4"
	}
	if r := me.Try("", "esmtpq", "probe"); r.Code != code || !strings.Contains(r.Stdout, words) || strings.Contains(r.Stdout, "wrong-horse") {
		t.Errorf("with a wrong password: exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	me.signIn(h.password)
	r := me.Try("", "esmtpq", "probe")
	if r.Code != 0 || !strings.Contains(r.Stdout, "logged in as ") || !strings.Contains(r.Stdout, "certificate ") || strings.Contains(r.Stdout, h.password+"\n") {
		t.Errorf("exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if n := len(me.tap.order()); n > 0 {
		t.Errorf("%d mails were sent", n)
	}
}

// A user name forgotten in the configuration: the mail waits, whatever the host's code says, and
// goes once it is there.
func checkNoUserName(t *testing.T, h *host) {
	if h.secure == "" {
		t.Skip("this host takes no logins")
	}
	me := newSecurePerson(t, h, "")
	me.configure("starttls = required")
	mails := h.newMails(3)
	for i := range mails {
		if h.abroad != "" {
			mails[i].to[0] = "friend@" + h.abroad
		}
	}
	me.send(mails...)
	me.run()
	waiting := me.waiting()
	if len(waiting) != len(mails) {
		t.Fatalf("without a user name %d of %d mails wait; failed: %v", len(waiting), len(mails), me.failed())
	}
	for _, q := range waiting {
		if !aboutLogin.MatchString(q.message + q.reason) {
			t.Errorf("the reason does not speak of a login: %s", q)
		}
	}
	me.signIn(h.password)
	me.once(mails)
}

var aboutLogin = regexp.MustCompile("(?i)login|user name|auth")
