package clients

import (
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Scripting languages and their mail libraries.

const scripted = `From: me@example.org
To: first@example.net
Cc: second@example.net
Bcc: hidden@example.net
Subject: from a script
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

`

func TestPHPMail(t *testing.T) {
	stage.Needs(t, "php")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	const script = `<?php
$headers = "From: me@example.org\r\nCc: second@example.net\r\nBcc: hidden@example.net\r\n" .
	"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit";
exit(mail("first@example.net", "from PHP", file_get_contents("php://stdin"), $headers, "-fme@example.org") ? 0 : 1);
`
	me.Write("mail.php", script)
	me.Run(stage.Awkward, "php", "-n", "-d", "sendmail_path="+me.Path("bin/sendmail")+" -t -i", me.Path("mail.php"))
	me.Deliver()
	mail := host.One(t)
	mail.Blind(t)
	// PHP ends the body with a CRLF of its own
	mail.Says(t, stage.Awkward+"\n")
}

func TestPythonSubprocess(t *testing.T) {
	stage.Needs(t, "/usr/bin/python3")
	for _, test := range []struct{ name, policy string }{
		{"LF", "default"},
		{"CRLF", "SMTP"},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := stage.NewSmartHost(t)
			me := stage.NewPerson(t, stage.Identity(host)...)
			script := `
import email.policy, subprocess, sys
from email.message import EmailMessage
m = EmailMessage(policy=email.policy.` + test.policy + `)
m["From"], m["To"], m["Cc"], m["Bcc"] = "me@example.org", "first@example.net", "second@example.net", "hidden@example.net"
m["Subject"] = "Grüße"
m.set_content(sys.stdin.read(), cte="8bit")
done = subprocess.run(["sendmail", "-t", "-oi"], input=bytes(m), capture_output=True)
sys.stderr.buffer.write(done.stdout + done.stderr)
sys.exit(done.returncode or bool(done.stdout + done.stderr))
`
			me.Run(stage.Awkward, "/usr/bin/python3", "-c", script)
			me.Deliver()
			mail := host.One(t)
			mail.Blind(t)
			mail.Says(t, stage.Awkward)
		})
	}
}

func TestPerlEmailSender(t *testing.T) {
	needsPerl(t, "Email::Sender::Simple")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	const script = `
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::Sendmail;
local $/; my $mail = <STDIN>;
sendmail($mail, { from => 'me@example.org', to => ['first@example.net', 'second@example.net', 'hidden@example.net'],
	transport => Email::Sender::Transport::Sendmail->new({ sendmail => $ARGV[0] }) });
`
	me.Run(scripted+stage.Awkward, "perl", "-e", script, me.Path("bin/sendmail"))
	me.Deliver()
	mail := host.One(t)
	mail.Blind(t)
	mail.SameAs(t, without(scripted, "Bcc")+stage.Awkward)
}

func TestPerlMIMELite(t *testing.T) {
	needsPerl(t, "MIME::Lite")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	const script = `
use MIME::Lite;
local $/;
my $m = MIME::Lite->new(From => 'me@example.org', To => 'first@example.net', Cc => 'second@example.net', Bcc => 'hidden@example.net',
	Subject => 'from Perl', Type => 'text/plain; charset=utf-8', Encoding => '8bit', Data => scalar <STDIN>);
$m->send('sendmail', "$ARGV[0] -t -oi -oem") or exit 1;
`
	me.Run(stage.Awkward, "perl", "-e", script, me.Path("bin/sendmail"))
	me.Deliver()
	mail := host.One(t)
	mail.Blind(t)
	mail.Says(t, stage.Awkward)
}

// Mail::Mailer, sudo, logwatch and others call with only -t: a lone dot is text.
func TestWithoutI(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Succeeds(me.Command("sendmail", "-t"), scripted+stage.Awkward)
	me.Deliver()
	mail := host.One(t)
	mail.Blind(t)
	mail.SameAs(t, without(scripted, "Bcc")+stage.Awkward)
}

// The echo of a shell has no header at all.
func TestEcho(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Run("", "sh", "-c", "echo 'the job is done' | sendmail friend@example.net")
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "me@example.org", "friend@example.net")
	mail.Says(t, "the job is done\n")
}

func needsPerl(t *testing.T, module string) {
	t.Helper()
	stage.Needs(t, "perl")
	if r := stage.NewPerson(t).Try("", "perl", "-M"+module, "-e", "1"); r.Code != 0 {
		stage.Missing(t, "perl's "+strings.TrimSpace(module)+" is not installed: ./test.sh installs it, or says what to install")
	}
}
