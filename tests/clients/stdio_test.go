package clients

import (
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"esmtpq/tests/stage"
)

// dialogue is what a client says, with one command or line of text on each line.
func dialogue(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }

// A program that speaks SMTP to sendmail -bs: nmh undoes a first round with RSET; names without a
// domain are local; quoted local parts stay quoted.
func TestSMTPOnStandardInput(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	out := me.Run(dialogue("EHLO localhost",
		"MAIL FROM:<wrong@example.org>", "RCPT TO:<nobody@example.net>", "RSET",
		"MAIL FROM:<me@example.org> BODY=8BITMIME", `RCPT TO:<"a@b c"@example.net>`,
		"MAIL FROM:<me@example.org>", `RCPT TO:<"d@e f"@example.net>`, "RCPT TO:<friend@example.net>",
		"DATA", "From: me@example.org", "Bcc: secret@example.net", "Subject: hello", "", "MAIL FROM:<text@example.org>", "..", ".",
		"QUIT"), "sendmail", "-bs", "-odb", "-oem")
	if !strings.Contains(out, "354 ") || !strings.Contains(out, "OK: queued") || strings.Contains(out, "invalid") {
		t.Errorf("the dialogue:\n%s", out)
	}
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "me@example.org", `d@e f@example.net`, "friend@example.net") // go-smtp takes the quotes off
	if !strings.HasSuffix(mail.Content, "\r\n\r\nMAIL FROM:<text@example.org>\r\n.\r\n") || strings.Contains(mail.Content, "secret") {
		t.Errorf("arrived:\n%s", mail.Content)
	}
}

// A session that ends in the middle of a message leaves nothing behind.
func TestSMTPOnStandardInputCutShort(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	for _, cut := range []string{
		dialogue("EHLO x", "MAIL FROM:<me@example.org>", "RCPT TO:<friend@example.net>", "BDAT 1000 LAST", "twelve"),
		dialogue("EHLO x", "MAIL FROM:<me@example.org>", "RCPT TO:<friend@example.net>", "DATA", "Subject: half"),
		dialogue("EHLO x", "MAIL FROM:<me@example.org>", "RCPT TO:<friend@example.net>", "DATA") + "x\n.\n",
	} {
		if r := me.Try(cut, "sendmail", "-bs"); strings.Contains(r.Stdout, "queued") {
			t.Errorf("after %q:\n%s", cut, r.Stdout)
		}
	}
	if out := me.Run("", "mailq"); out != "Mail queue is empty\n" {
		t.Errorf("left behind: %s", out)
	}
}

// Long lines are accepted, since patches have them; a recipient that can never be reached is
// refused at once.
func TestSMTPOnStandardInputOddities(t *testing.T) {
	host := stage.NewSmartHost(t, func(s *smtp.Server) { s.MaxLineLength = 1 << 20 })
	me := stage.NewPerson(t, stage.Identity(host)...)
	long := strings.Repeat("x", 5000)
	out := me.Run(dialogue("HELO x", "RCPT TO:<early@example.net>", "MAIL FROM:<me@example.org>", "RCPT TO:<local>",
		"RCPT TO:<friend@example.net>", "DATA", "Subject: long", "", long, ".", "QUIT"), "sendmail", "-bs")
	if !strings.Contains(out, "451 4.3.5") || !strings.Contains(out, "no domain") {
		t.Errorf("a recipient without a domain, and no MDA:\n%s", out)
	}
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "me@example.org", "friend@example.net")
	if !strings.Contains(mail.Content, "\r\n"+long+"\r\n") {
		t.Error("the long line was changed")
	}
}
