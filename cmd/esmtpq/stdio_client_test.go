package main_test

import (
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

// dialogue is what a client says, a command or line of text a line.
func dialogue(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }

// A program that speaks SMTP to sendmail -bs: nmh undoes a first round with RSET; names without a
// domain are local; what is quoted stays quoted.
func TestSMTPOnStandardInput(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	out := me.run(dialogue("EHLO localhost",
		"MAIL FROM:<wrong@example.org>", "RCPT TO:<nobody@example.net>", "RSET",
		"MAIL FROM:<me@example.org> BODY=8BITMIME", `RCPT TO:<"a@b c"@example.net>`,
		"MAIL FROM:<me@example.org>", `RCPT TO:<"d@e f"@example.net>`, "RCPT TO:<friend@example.net>",
		"DATA", "From: me@example.org", "Bcc: secret@example.net", "Subject: hello", "", "MAIL FROM:<text@example.org>", "..", ".",
		"QUIT"), "sendmail", "-bs", "-odb", "-oem")
	if !strings.Contains(out, "354 ") || !strings.Contains(out, "OK: queued") || strings.Contains(out, "invalid") {
		t.Errorf("the dialogue:\n%s", out)
	}
	me.deliver()
	mail := host.one(t)
	mail.is(t, "me@example.org", `d@e f@example.net`, "friend@example.net") // go-smtp takes the quotes off
	if !strings.HasSuffix(mail.content, "\r\n\r\nMAIL FROM:<text@example.org>\r\n.\r\n") || strings.Contains(mail.content, "secret") {
		t.Errorf("arrived:\n%s", mail.content)
	}
}

// A session that ends in the middle of a message leaves nothing behind.
func TestSMTPOnStandardInputCutShort(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	for _, cut := range []string{
		dialogue("EHLO x", "MAIL FROM:<me@example.org>", "RCPT TO:<friend@example.net>", "BDAT 1000 LAST", "twelve"),
		dialogue("EHLO x", "MAIL FROM:<me@example.org>", "RCPT TO:<friend@example.net>", "DATA", "Subject: half"),
		dialogue("EHLO x", "MAIL FROM:<me@example.org>", "RCPT TO:<friend@example.net>", "DATA") + "x\n.\n",
	} {
		if r := me.try(cut, "sendmail", "-bs"); strings.Contains(r.stdout, "queued") {
			t.Errorf("after %q:\n%s", cut, r.stdout)
		}
	}
	if out := me.run("", "mailq"); out != "Mail queue is empty\n" {
		t.Errorf("left behind: %s", out)
	}
}

// Long lines are patches, not attacks; a recipient that can never be reached is refused at once.
func TestSMTPOnStandardInputOddities(t *testing.T) {
	host := newSmartHost(t, func(s *smtp.Server) { s.MaxLineLength = 1 << 20 })
	me := newPerson(t, identity(host)...)
	long := strings.Repeat("x", 5000)
	out := me.run(dialogue("HELO x", "RCPT TO:<early@example.net>", "MAIL FROM:<me@example.org>", "RCPT TO:<local>",
		"RCPT TO:<friend@example.net>", "DATA", "Subject: long", "", long, ".", "QUIT"), "sendmail", "-bs")
	if !strings.Contains(out, "451 4.3.5") || !strings.Contains(out, "no domain") {
		t.Errorf("a recipient without a domain, and no MDA:\n%s", out)
	}
	me.deliver()
	mail := host.one(t)
	mail.is(t, "me@example.org", "friend@example.net")
	if !strings.Contains(mail.content, "\r\n"+long+"\r\n") {
		t.Error("the long line was changed")
	}
}
