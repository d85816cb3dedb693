package clients

import (
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Mail readers that need some persuading to work without a person.

// Emacs takes any output on either stream for an error.
func TestEmacsMessageMode(t *testing.T) {
	stage.Needs(t, "emacs")
	for _, test := range []struct{ name, interactive string }{
		{"interactive", "t"},
		{"in the background", "nil"},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := stage.NewSmartHost(t)
			me := stage.NewPerson(t, stage.Identity(host)...)
			me.Write("text", stage.Awkward)
			me.Write("mail.el", `
(require 'message)
(setq user-mail-address "me@example.org"
      message-interactive `+test.interactive+`
      message-send-mail-function 'message-send-mail-with-sendmail
      message-default-charset 'utf-8
      sendmail-program "`+me.Path("bin/sendmail")+`"
      default-directory "/")
(message-mail "first@example.net" "Grüße" '(("Cc" . "second@example.net") ("Bcc" . "hidden@example.net")))
(message-goto-body)
(insert-file-contents "`+me.Path("text")+`")
(message-send)
`)
			me.Run("", "emacs", "-Q", "--batch", "-l", me.Path("mail.el"))
			me.AwaitQueued(1)
			me.Deliver()
			mail := host.One(t)
			mail.Blind(t)
			mail.Says(t, stage.Awkward)
		})
	}
}

// Emacs resends to a list in a single argument.
func TestEmacsResendCommandLine(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	cmd := me.Command("sendmail", "-oi", "-f", "me@example.org", `first@example.net, "Second, The" <second@example.net>`)
	me.Succeeds(cmd, scripted+stage.Awkward)
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "me@example.org", "first@example.net", "second@example.net")
	mail.SameAs(t, without(scripted, "Bcc")+stage.Awkward)
}

// nmh's send, by its pipe.
func TestNmhPipe(t *testing.T) {
	const send = "/usr/bin/mh/send"
	stage.Needs(t, send)
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Write("Mail/draft", scripted+"text\n..\nFrom here\n")
	me.Write(".mh_profile", "Path: Mail\nLocal-Mailbox: me@example.org\n")
	me.Run("", send, "-mts", "sendmail/pipe", "-sendmail", me.Path("bin/sendmail"), me.Path("Mail/draft"))
	me.Deliver()
	// the blind copy is a second mail
	mails := host.Received()
	if len(mails) != 2 {
		t.Fatalf("%d mails arrived, want two", len(mails))
	}
	mails[0].Is(t, "me@example.org", "first@example.net", "second@example.net")
	mails[0].Says(t, "text\n..\nFrom here\n")
	if strings.Contains(mails[0].Content, "hidden@") {
		t.Error("the blind copy is named in the others' mail")
	}
	mails[1].Is(t, "me@example.org", "hidden@example.net")
	mails[1].WellFormed(t)
}

// nmh's send by SMTP over pipes undoes a first round with RSET.
func TestNmhSMTP(t *testing.T) {
	const send = "/usr/bin/mh/send"
	stage.Needs(t, send)
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Write("Mail/draft", without(scripted, "Bcc")+"text\n.\n..\nFrom here\n")
	me.Write(".mh_profile", "Path: Mail\nLocal-Mailbox: me@example.org\n")
	me.Run("", send, "-mts", "sendmail/smtp", "-sendmail", me.Path("bin/sendmail"), me.Path("Mail/draft"))
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "me@example.org", "first@example.net", "second@example.net")
	mail.Says(t, "text\n.\n..\nFrom here\n")
}

// alpine, on a terminal, through its sendmail-path.
func TestAlpine(t *testing.T) {
	stage.Needs(t, "alpine", "tmux")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Write(".pinerc", "personal-name=Me Myself\nuser-domain=example.org\n"+
		"inbox-path="+me.Path("inbox")+"\ndefault-fcc=\"\"\nlast-version-used=6.26\n"+
		"customized-hdrs=From: me@example.org\nuser-id=me\n")
	me.Run("", "esmtpq", "wire", "alpine", "--apply")
	me.Write("inbox", "")
	me.Write("text", "typed in alpine\n..\n")
	screen := newTerminal(me, "alpine -p ~/.pinerc first@example.net <text; echo prompt is back; cat")
	screen.waitFor("To      : first@example.net")
	screen.press("C-x")
	screen.waitFor("Send message")
	screen.press("y")
	screen.waitFor("prompt is back")
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "me@example.org", "first@example.net")
	mail.WellFormed(t)
	if text := mail.Text(t); !strings.Contains(text, "typed in alpine\n..\n") {
		t.Errorf("text arrived as %q", text)
	}
}

// aerc, on a terminal: CRLF, no options at all, and Bcc left in.
func TestAerc(t *testing.T) {
	stage.Needs(t, "aerc", "tmux")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	for _, dir := range []string{"cur", "new", "tmp"} {
		me.Write("Maildir/INBOX/"+dir+"/.keep", "")
	}
	editor := me.WriteScript("editor", "#!/bin/sh\nprintf 'typed in aerc\\n.\\n..\\n' >>\"$1\"\n")
	me.Write(".config/aerc/accounts.conf", "[me]\nsource = maildir://"+me.Path("Maildir")+"\n"+
		"outgoing = smtps://me:geheim@smtp.example.org\nfrom = Me Myself <me@example.org>\n")
	if shown := me.Run("", "esmtpq", "wire", "aerc", "--apply"); strings.Contains(shown, "geheim") {
		t.Errorf("a password is shown:\n%s", shown)
	}
	me.Write(".config/aerc/aerc.conf", "[compose]\neditor="+editor+"\nheader-layout=To|From,Subject\n")
	screen := newTerminal(me, "XDG_RUNTIME_DIR=~ aerc; cat")
	screen.waitFor("[me] Connected")
	screen.press(`:compose -H "To: first@example.net" -H "Subject: from aerc" -H "Bcc: hidden@example.net"`, "Enter")
	screen.waitFor("y       Send")
	screen.press("y")
	me.AwaitQueued(1)
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "me@example.org", "first@example.net", "hidden@example.net")
	mail.Says(t, "\ntyped in aerc\n.\n..\n")
}
