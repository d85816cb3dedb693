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

// A recipient who is named twice is one, as on a command line.
func TestSMTPOnStandardInputNamedTwice(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Run(dialogue("EHLO x", "MAIL FROM:<me@example.org>", "RCPT TO:<friend@example.net>", "RCPT TO:<friend@EXAMPLE.net>",
		"RCPT TO:<Friend@example.net>", "RCPT TO:<friend@example.net>", "DATA", "Subject: one", "", "text", ".",
		"MAIL FROM:<me@example.org>", "RCPT TO:<friend@example.net>", "DATA", "Subject: two", "", "text", ".", "QUIT"), "sendmail", "-bs")
	me.Deliver()
	mails := host.Received()
	if len(mails) != 2 || strings.Join(mails[0].To, " ") != "friend@example.net Friend@example.net" || len(mails[1].To) != 1 {
		t.Errorf("arrived: %+v", mails)
	}
}

// What fetchmail takes for a reason to write to the sender is not said for anything but an address.
func TestSMTPOnStandardInputReplies(t *testing.T) {
	me := stage.NewPerson(t, stage.Identity(stage.NewSmartHost(t))...)
	for command, want := range map[string]string{
		"LHLO x": "500 5.5.1 This is SMTP, not LMTP: say EHLO",
		"MAIL FROM:<a@example.net> SIZE=99999999999":                          "", // 99 GB, for which there is room or not
		"MAIL FROM:<a@example.net> SIZE=9999999999999999999999 BODY=8BITMIME": "452 4.3.1",
		"MAIL FROM:<a@example.net> BODY=8BITMIME size=9223372036854775807":    "452 4.3.1",
		"MAIL FROM:<a@example.net> SIZE=00000000000000000000000000001":        "250 ",
		"MAIL FROM:<a@example.net> SIZE=4294967295":                           "", // 4 GB
		"MAIL FROM:<a@example.net> SIZE=x":                                    "501 5.5.4",
		"MAIL FROM:<a@example.net> SIZE=99999999999x":                         "501 5.5.4",
		"MAIL whatever":    "501 5.5.2",
		"RCPT TO:<a,b@x>":  "553 5.1.3",
		"RCPT TO: <a b@x>": "553 5.1.3",
		"RCPT whatever":    "501 5.5.2",
	} {
		lines := []string{"EHLO x", "MAIL FROM:<me@example.org>", command, "NOOP", "QUIT"}
		replies := strings.Split(me.Run(dialogue(lines...), "sendmail", "-bs"), "\r\n")
		n := len(replies) - 4 // 250 to NOOP, 221, and what follows the last line end
		got := replies[n]
		if !strings.HasPrefix(got, want) || want == "" && !strings.HasPrefix(got, "250 ") && !strings.HasPrefix(got, "452 4.3.1") {
			t.Errorf("%s: %s, want %s", command, got, want)
		}
	}
}
