package clients

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// submitTo submits a mail and returns its queue ID.
func submitTo(me *stage.Person, subject string, recipients ...string) string {
	me.T.Helper()
	me.Run("Subject: "+subject+"\n\ntext\n", "sendmail", append([]string{"-i"}, recipients...)...)
	id, err := os.ReadFile(me.Path(".esmtp_queue/.last"))
	if err != nil {
		me.T.Fatal(err)
	}
	return strings.TrimSpace(string(id))
}

// wants runs a command, which must end with an exit code and say something; "" is for silence.
func wants(me *stage.Person, code int, text, name string, args ...string) {
	me.T.Helper()
	r := me.Try("", name, args...)
	said := r.Stdout + r.Stderr
	if r.Code != code || !strings.Contains(said, text) || text == "" && said != "" {
		me.T.Errorf("%s %q: exit %d, want %d\n%s", name, args, r.Code, code, said)
	}
}

// "last" is the mail that was submitted last, or none: never an older one.
func TestLastIsNeverOlder(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	older := submitTo(me, "older", "friend@example.net")
	last := submitTo(me, "last", "friend@example.net")
	me.Run("", "deliver", last)
	for _, verb := range []string{"rm", "hold", "release", "retry", "show"} {
		wants(me, 75, "no longer in the queue", "esmtpq", verb, "last")
	}
	wants(me, 75, "no longer in the queue", "deliver", "last")
	if left := me.Run("", "mailq", "--count"); left != "1\n" {
		t.Fatalf("%s mails are left", left)
	}

	// It may not be the one that the command asks for.
	last = submitTo(me, "last", "other@example.com")
	wants(me, 69, "no such message", "esmtpq", "rm", "last", "--recipient", "friend")
	wants(me, 0, "", "esmtpq", "hold", "last", "--recipient", "other")

	// A notice, or an older note, does not make an older mail the last one.
	me.Write(".esmtp_queue/.last", older+"\n")
	wants(me, 69, older+" and "+last+" may each be the last one", "esmtpq", "rm", "last")
	os.Remove(me.Path(".esmtp_queue/.last"))
	wants(me, 69, "not known", "esmtpq", "rm", "last")
	if left := me.Run("", "mailq", "--count"); left != "2\n" {
		t.Errorf("%s mails are left", left)
	}
}

// "rm last" asks nobody, at a terminal or elsewhere, and says there what it has removed.
func TestRemoveLastAsksNothing(t *testing.T) {
	me := stage.NewPerson(t, stage.Identity(stage.NewSmartHost(t))...)
	submitTo(me, "older", "friend@example.net")
	submitTo(me, "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "friend@example.net")
	code, screen := stage.AtTerminal(t, me.Command("esmtpq", "rm", "last")).End()
	if code != 0 || !strings.Contains(screen, "removed: ") || !strings.Contains(screen, "-> friend@example.net  Grüße\n") {
		t.Errorf("exit %d\n%s", code, screen)
	}
	code, screen = stage.AtTerminal(t, me.Command("esmtpq", "rm", "last")).End()
	if code != 75 || !strings.Contains(screen, "no longer in the queue") {
		t.Errorf("exit %d\n%s", code, screen)
	}
	submitTo(me, "last", "friend@example.net")
	wants(me, 0, "", "esmtpq", "rm", "last")
	if left := me.Run("", "mailq", "--count"); left != "1\n" {
		t.Errorf("%s mails are left", left)
	}
}

// A mail that is sent while a person is asked is not called removed.
func TestRemoveKnowsWhatWasSent(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	id := submitTo(me, "hello", "friend@example.net")
	term := stage.AtTerminal(t, me.Command("esmtpq", "rm", id))
	term.Await(t, "Remove 1 message? [y/N] ")
	me.Deliver()
	term.Type("y")
	if code, screen := term.End(); code != 75 || !strings.Contains(screen, " is no longer in the queue") || !strings.Contains(screen, "  hello\n") {
		t.Errorf("exit %d\n%s", code, screen)
	}
	host.One(t)

	id = submitTo(me, "hello", "friend@example.net")
	term = stage.AtTerminal(t, me.Command("esmtpq", "rm", id))
	term.Await(t, "[y/N] ")
	term.Type("n")
	if code, screen := term.End(); code != 75 || !strings.Contains(screen, "nothing removed") {
		t.Errorf("exit %d\n%s", code, screen)
	}
}

// What a command describes and what is not there is said; all, or mail of an age, may be none.
func TestNothingMatches(t *testing.T) {
	me := stage.NewPerson(t, stage.Identity(stage.NewSmartHost(t))...)
	for range 2 { // without a queue, and with an empty one
		for _, verb := range []string{"hold", "release", "retry", "rm", "show"} {
			wants(me, 69, "queue", "esmtpq", verb, "--sender", "nobody")
			wants(me, 69, "queue", "esmtpq", verb, "all", "--recipient", "nobody")
			wants(me, 69, "queue", "esmtpq", verb, "last")
			wants(me, 0, "", "esmtpq", verb, "all")
			wants(me, 0, "", "esmtpq", verb, "--older", "3d")
		}
		submitTo(me, "hello", "friend@example.net")
		me.Deliver()
		os.Remove(me.Path(".esmtp_queue/.last"))
	}
}

// Held mail is not tried by retry, which says so; other mail is.
func TestRetryHeld(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	submitTo(me, "free", "friend@example.net")
	held := submitTo(me, "held", "friend@example.net")
	me.Run("", "esmtpq", "hold", held)
	wants(me, 75, held+" is held: esmtpq release "+held+" lets it go", "esmtpq", "retry", "all")
	if mail := host.One(t); !strings.Contains(mail.Content, "Subject: free") {
		t.Errorf("arrived: %s", mail.Content)
	}
}

// A recipient that is refused once more is not success.
func TestRetryRefused(t *testing.T) {
	host := newPickyHost(t, refusing("nobody", 550, "no such user"))
	me := stage.NewPerson(t, stage.Identity(host)...)
	id := submitTo(me, "hello", "nobody@example.net", "friend@example.net")
	me.Try("", "deliver")
	wants(me, 69, "failed: host 127.0.0.1 said: 550", "esmtpq", "retry", id)
}

// The right address takes the place of the wrong one; header and other recipients stay.
func TestRetryTo(t *testing.T) {
	host := newPickyHost(t, refusing("nobody", 550, "no such user"))
	me := stage.NewPerson(t, stage.Identity(host)...)
	id := submitTo(me, "hello\nTo: nobody@example.net", "friend@example.net", "nobody@example.net", "nobody@example.com")
	me.Try("", "deliver")
	host.One(t)
	for _, test := range []struct {
		code int
		text string
		args []string
	}{
		{64, "--to needs an address", []string{id, "--to"}},
		{64, "--to needs one address", []string{id, "--to", "a@example.org, b@example.org"}},
		{64, "--to: ", []string{id, "--to=a@b@c"}},
		{64, "which messages?", []string{"--to", "somebody@example.net"}},
		{64, "which recipient? Add --recipient with a part of its address: nobody@example.net, nobody@example.com",
			[]string{id, "--to", "somebody@example.net"}},
		{64, "friend@example.net is a recipient of it already", []string{id, "--to", "friend@example.net", "--recipient", ".net"}},
		{69, "no such recipient of it is left", []string{id, "--to", "somebody@example.net", "--recipient", "friend"}},
		{78, "there is no local delivery agent", []string{id, "--to", "somebody", "--recipient", ".net"}},
		{69, "said: 550", []string{id, "--to", "nobody@example.org", "--recipient", ".net"}},
		{0, "", []string{id, "--to", "somebody@example.net", "--recipient", ".org"}},
	} {
		wants(me, test.code, test.text, "esmtpq", append([]string{"retry"}, test.args...)...)
	}
	mails := host.Received()
	if len(mails) != 2 || fmt.Sprint(mails[1].To) != "[somebody@example.net]" || !strings.Contains(mails[1].Content, "To: nobody@example.net\r\n") {
		t.Fatalf("arrived: %+v", mails)
	}
	if list := me.Run("", "mailq"); !strings.Contains(list, "nobody@example.com") || strings.Contains(list, "somebody") {
		t.Errorf("%s", list)
	}
	// The one that is left needs no --recipient.
	wants(me, 0, "", "esmtpq", "retry", "--to=else@example.com", id)
	if out := me.Run("", "mailq"); out != "Mail queue is empty\n" {
		t.Errorf("%s", out)
	}
}
