package clients

import (
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Filters pass on mail that other programs have handled before.

const forwarded = `Return-Path: <author@example.net>
Received: from a.test by b.test; Sat, 21 Nov 2026 20:00:00 +0000
From: Author <author@example.net>
To: me@example.org
Subject: forward this
Date: Sat, 21 Nov 2026 20:00:00 +0000
Message-ID: <1@example.net>
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

`

func TestProcmailForward(t *testing.T) {
	stage.Needs(t, "procmail")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	// procmail takes HOME from the password file
	me.Write(".procmailrc", "HOME="+me.Home+"\nSENDMAIL="+me.Path("bin/sendmail")+"\n"+
		"LOGFILE="+me.Path("procmail.log")+"\n:0 w\n! first@example.net second@example.net\n")
	me.Run(forwarded+stage.Awkward, "procmail", "-m", me.Path(".procmailrc"))
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "me@example.org", "first@example.net", "second@example.net")
	// procmail adds a blank line at the end of the mail
	mail.SameAs(t, without(forwarded, "Return-Path")+stage.Awkward+"\n")
}

// formail -s splits a mailbox and gives each mail, including its From_ line, to a sendmail of its
// own.
func TestFormailSplit(t *testing.T) {
	stage.Needs(t, "formail")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	const header = "From: me@example.org\nTo: %@example.net\nBcc: hidden@example.net\nSubject: %\n" +
		"Date: Sat, 21 Nov 2026 20:00:00 +0000\nMessage-ID: <%@example.org>\n\n"
	const body = "text of %\n.\n..\n>From here\n"
	var mailbox strings.Builder
	people := []string{"first", "second", "third"}
	for _, name := range people {
		mailbox.WriteString("From me@example.org Sat Nov 21 20:00:00 2026\n" + strings.ReplaceAll(header+body, "%", name) + "\n")
	}
	me.Run(mailbox.String(), "formail", "-s", "sendmail", "-oi", "-t")
	me.Deliver()
	mails := host.Received()
	if len(mails) != len(people) {
		t.Fatalf("%d mails arrived, want %d", len(mails), len(people))
	}
	for i, name := range people {
		mails[i].Is(t, "me@example.org", name+"@example.net", "hidden@example.net")
		meant := without(strings.ReplaceAll(header, "%", name), "Bcc") + strings.ReplaceAll(body, "%", name)
		mails[i].SameAs(t, meant+"\n")
	}
}

// getmail as an MDA command, with the From_ line in front.
func TestGetmailCommandLine(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	cmd := me.Command("sendmail", "-i", "-f", "author@example.net", "--", "friend@example.net")
	me.Succeeds(cmd, "From author@example.net Sat Nov 21 20:00:00 2026\n"+forwarded+stage.Awkward)
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "author@example.net", "friend@example.net")
	mail.SameAs(t, without(forwarded, "Return-Path")+stage.Awkward)
}

// getmail's MDA class, called without fetching from POP or IMAP. It takes any word on stderr for
// a failure.
func TestGetmailMDA(t *testing.T) {
	stage.Needs(t, "getmail_mbox")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	const driver = `
import sys
from getmailcore.destinations import MDA_external
from getmailcore.message import Message
mda = MDA_external(path=sys.argv[1], arguments="('-i', '-f', '%(sender)', '--', 'friend@example.net')", unixfrom="True", allow_root_commands="True")
mda.retriever = type("Retriever", (), {"mailbox_selected": None})
mda.initialize()
message = Message(fromstring=sys.stdin.buffer.read())
message.sender, message.recipient = "author@example.net", "me@example.org"
mda.deliver_message(message, False, False)
`
	me.Run(forwarded+stage.Awkward, "/usr/bin/python3", "-c", driver, me.Path("bin/sendmail"))
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "author@example.net", "friend@example.net")
	if got, want := mail.Text(t), stage.Awkward; got != want {
		t.Errorf("text arrived as %q, want %q", got, want)
	}
}

// without removes the field of that name from a header.
func without(header, name string) string {
	var kept strings.Builder
	for line := range strings.Lines(header) {
		if !strings.HasPrefix(line, name+":") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
