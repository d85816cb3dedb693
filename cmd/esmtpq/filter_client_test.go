package main_test

import (
	"strings"
	"testing"
)

// Filters pass on mail that has been through other hands.

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
	needs(t, "procmail")
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	// procmail takes HOME from the password file
	me.write(".procmailrc", "HOME="+me.home+"\nSENDMAIL="+me.path("bin/sendmail")+"\n"+
		"LOGFILE="+me.path("procmail.log")+"\n:0 w\n! first@example.net second@example.net\n")
	me.run(forwarded+awkward, "procmail", "-m", me.path(".procmailrc"))
	me.deliver()
	mail := host.one(t)
	mail.is(t, "me@example.org", "first@example.net", "second@example.net")
	// procmail ends the mail with a blank line of its own
	mail.sameAs(t, without(forwarded, "Return-Path")+awkward+"\n")
}

// formail -s takes a mailbox apart and gives every mail, From_ line included, to a
// sendmail of its own.
func TestFormailSplit(t *testing.T) {
	needs(t, "formail")
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	const header = "From: me@example.org\nTo: %@example.net\nBcc: hidden@example.net\nSubject: %\n" +
		"Date: Sat, 21 Nov 2026 20:00:00 +0000\nMessage-ID: <%@example.org>\n\n"
	const body = "text of %\n.\n..\n>From here\n"
	var mailbox strings.Builder
	people := []string{"first", "second", "third"}
	for _, name := range people {
		mailbox.WriteString("From me@example.org Sat Nov 21 20:00:00 2026\n" + strings.ReplaceAll(header+body, "%", name) + "\n")
	}
	me.run(mailbox.String(), "formail", "-s", "sendmail", "-oi", "-t")
	me.deliver()
	mails := host.received()
	if len(mails) != len(people) {
		t.Fatalf("%d mails arrived, want %d", len(mails), len(people))
	}
	for i, name := range people {
		mails[i].is(t, "me@example.org", name+"@example.net", "hidden@example.net")
		meant := without(strings.ReplaceAll(header, "%", name), "Bcc") + strings.ReplaceAll(body, "%", name)
		mails[i].sameAs(t, meant+"\n")
	}
}

// getmail as an MDA command, with the From_ line in front.
func TestGetmailCommandLine(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	cmd := me.command("sendmail", "-i", "-f", "author@example.net", "--", "friend@example.net")
	me.succeeds(cmd, "From author@example.net Sat Nov 21 20:00:00 2026\n"+forwarded+awkward)
	me.deliver()
	mail := host.one(t)
	mail.is(t, "author@example.net", "friend@example.net")
	mail.sameAs(t, without(forwarded, "Return-Path")+awkward)
}

// getmail's MDA class, driven without the POP and IMAP that it fetches from. It takes any
// word on stderr for a failure.
func TestGetmailMDA(t *testing.T) {
	needs(t, "getmail_mbox")
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
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
	me.run(forwarded+awkward, "/usr/bin/python3", "-c", driver, me.path("bin/sendmail"))
	me.deliver()
	mail := host.one(t)
	mail.is(t, "author@example.net", "friend@example.net")
	if got, want := mail.text(t), awkward; got != want {
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
