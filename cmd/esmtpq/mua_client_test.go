package main_test

import (
	"strings"
	"testing"
)

// Mail readers that take some persuading to work without a person.

// Emacs takes any output at all, on either stream, for an error.
func TestEmacsMessageMode(t *testing.T) {
	needs(t, "emacs")
	for _, test := range []struct{ name, interactive string }{
		{"interactive", "t"},
		{"in the background", "nil"},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := newSmartHost(t)
			me := newPerson(t, identity(host)...)
			me.write("text", awkward)
			me.write("mail.el", `
(require 'message)
(setq user-mail-address "me@example.org"
      message-interactive `+test.interactive+`
      message-send-mail-function 'message-send-mail-with-sendmail
      message-default-charset 'utf-8
      sendmail-program "`+me.path("bin/sendmail")+`"
      default-directory "/")
(message-mail "first@example.net" "Grüße" '(("Cc" . "second@example.net") ("Bcc" . "hidden@example.net")))
(message-goto-body)
(insert-file-contents "`+me.path("text")+`")
(message-send)
`)
			me.run("", "emacs", "-Q", "--batch", "-l", me.path("mail.el"))
			me.settle(1)
			me.deliver()
			mail := host.one(t)
			mail.blind(t)
			mail.says(t, awkward)
		})
	}
}

// Emacs resends to a whole list in one argument.
func TestEmacsResendCommandLine(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	cmd := me.command("sendmail", "-oi", "-f", "me@example.org", `first@example.net, "Second, The" <second@example.net>`)
	me.succeeds(cmd, scripted+awkward)
	me.deliver()
	mail := host.one(t)
	mail.is(t, "me@example.org", "first@example.net", "second@example.net")
	mail.sameAs(t, without(scripted, "Bcc")+awkward)
}

// nmh's send, by its pipe.
func TestNmhPipe(t *testing.T) {
	const send = "/usr/bin/mh/send"
	needs(t, send)
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.write("Mail/draft", scripted+"text\n..\nFrom here\n")
	me.write(".mh_profile", "Path: Mail\nLocal-Mailbox: me@example.org\n")
	me.run("", send, "-mts", "sendmail/pipe", "-sendmail", me.path("bin/sendmail"), me.path("Mail/draft"))
	me.deliver()
	// the blind copy is a second mail
	mails := host.received()
	if len(mails) != 2 {
		t.Fatalf("%d mails arrived, want two", len(mails))
	}
	mails[0].is(t, "me@example.org", "first@example.net", "second@example.net")
	mails[0].says(t, "text\n..\nFrom here\n")
	if strings.Contains(mails[0].content, "hidden@") {
		t.Error("the blind copy is named in the others' mail")
	}
	mails[1].is(t, "me@example.org", "hidden@example.net")
	mails[1].wellFormed(t)
}

// nmh's send by SMTP over pipes: a first round is undone with RSET.
func TestNmhSMTP(t *testing.T) {
	const send = "/usr/bin/mh/send"
	needs(t, send)
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.write("Mail/draft", without(scripted, "Bcc")+"text\n.\n..\nFrom here\n")
	me.write(".mh_profile", "Path: Mail\nLocal-Mailbox: me@example.org\n")
	me.run("", send, "-mts", "sendmail/smtp", "-sendmail", me.path("bin/sendmail"), me.path("Mail/draft"))
	me.deliver()
	mail := host.one(t)
	mail.is(t, "me@example.org", "first@example.net", "second@example.net")
	mail.says(t, "text\n.\n..\nFrom here\n")
}

// alpine, on a terminal, through its sendmail-path.
func TestAlpine(t *testing.T) {
	needs(t, "alpine", "tmux")
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.write(".pinerc", "personal-name=Me Myself\nuser-domain=example.org\n"+
		"sendmail-path="+me.path("bin/sendmail")+" -oem -t -oi\n"+
		"inbox-path="+me.path("inbox")+"\ndefault-fcc=\"\"\nlast-version-used=6.26\n"+
		"customized-hdrs=From: me@example.org\nuser-id=me\n")
	me.write("inbox", "")
	me.write("text", "typed in alpine\n..\n")
	screen := me.newTerminal("alpine -p ~/.pinerc first@example.net <text; echo prompt is back; cat")
	screen.waitFor("To      : first@example.net")
	screen.press("C-x")
	screen.waitFor("Send message")
	screen.press("y")
	screen.waitFor("prompt is back")
	me.deliver()
	mail := host.one(t)
	mail.is(t, "me@example.org", "first@example.net")
	mail.wellFormed(t)
	if text := mail.text(t); !strings.Contains(text, "typed in alpine\n..\n") {
		t.Errorf("text arrived as %q", text)
	}
}

// aerc, on a terminal: CRLF, no options at all, and Bcc left in.
func TestAerc(t *testing.T) {
	needs(t, "aerc", "tmux")
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	for _, dir := range []string{"cur", "new", "tmp"} {
		me.write("Maildir/INBOX/"+dir+"/.keep", "")
	}
	editor := me.writeScript("editor", "#!/bin/sh\nprintf 'typed in aerc\\n.\\n..\\n' >>\"$1\"\n")
	me.write(".config/aerc/accounts.conf", "[me]\nsource = maildir://"+me.path("Maildir")+"\n"+
		"outgoing = "+me.path("bin/sendmail")+"\nfrom = Me Myself <me@example.org>\n")
	me.write(".config/aerc/aerc.conf", "[compose]\neditor="+editor+"\nheader-layout=To|From,Subject\n")
	screen := me.newTerminal("XDG_RUNTIME_DIR=~ aerc; cat")
	screen.waitFor("[me] Connected")
	screen.press(`:compose -H "To: first@example.net" -H "Subject: from aerc" -H "Bcc: hidden@example.net"`, "Enter")
	screen.waitFor("y       Send")
	screen.press("y")
	me.settle(1)
	me.deliver()
	mail := host.one(t)
	mail.is(t, "me@example.org", "first@example.net", "hidden@example.net")
	mail.says(t, "\ntyped in aerc\n.\n..\n")
}
