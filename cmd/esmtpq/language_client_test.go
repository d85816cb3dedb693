package main_test

import (
	"strings"
	"testing"
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
	needs(t, "php")
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	const script = `<?php
$headers = "From: me@example.org\r\nCc: second@example.net\r\nBcc: hidden@example.net\r\n" .
	"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit";
exit(mail("first@example.net", "from PHP", file_get_contents("php://stdin"), $headers, "-fme@example.org") ? 0 : 1);
`
	me.write("mail.php", script)
	me.run(awkward, "php", "-n", "-d", "sendmail_path="+me.path("bin/sendmail")+" -t -i", me.path("mail.php"))
	me.deliver()
	mail := host.one(t)
	mail.blind(t)
	// PHP ends the body with a CRLF of its own
	mail.says(t, awkward+"\n")
}

func TestPythonSubprocess(t *testing.T) {
	needs(t, "/usr/bin/python3")
	for _, test := range []struct{ name, policy string }{
		{"LF", "default"},
		{"CRLF", "SMTP"},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := newSmartHost(t)
			me := newPerson(t, identity(host)...)
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
			me.run(awkward, "/usr/bin/python3", "-c", script)
			me.deliver()
			mail := host.one(t)
			mail.blind(t)
			mail.says(t, awkward)
		})
	}
}

func TestPerlEmailSender(t *testing.T) {
	needsPerl(t, "Email::Sender::Simple")
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	const script = `
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::Sendmail;
local $/; my $mail = <STDIN>;
sendmail($mail, { from => 'me@example.org', to => ['first@example.net', 'second@example.net', 'hidden@example.net'],
	transport => Email::Sender::Transport::Sendmail->new({ sendmail => $ARGV[0] }) });
`
	me.run(scripted+awkward, "perl", "-e", script, me.path("bin/sendmail"))
	me.deliver()
	mail := host.one(t)
	mail.blind(t)
	mail.sameAs(t, without(scripted, "Bcc")+awkward)
}

func TestPerlMIMELite(t *testing.T) {
	needsPerl(t, "MIME::Lite")
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	const script = `
use MIME::Lite;
local $/;
my $m = MIME::Lite->new(From => 'me@example.org', To => 'first@example.net', Cc => 'second@example.net', Bcc => 'hidden@example.net',
	Subject => 'from Perl', Type => 'text/plain; charset=utf-8', Encoding => '8bit', Data => scalar <STDIN>);
$m->send('sendmail', "$ARGV[0] -t -oi -oem") or exit 1;
`
	me.run(awkward, "perl", "-e", script, me.path("bin/sendmail"))
	me.deliver()
	mail := host.one(t)
	mail.blind(t)
	mail.says(t, awkward)
}

// Mail::Mailer, sudo, logwatch and others call with -t alone: a lone dot is text.
func TestWithoutI(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.succeeds(me.command("sendmail", "-t"), scripted+awkward)
	me.deliver()
	mail := host.one(t)
	mail.blind(t)
	mail.sameAs(t, without(scripted, "Bcc")+awkward)
}

// A shell's echo: no header at all.
func TestEcho(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.run("", "sh", "-c", "echo 'the job is done' | sendmail friend@example.net")
	me.deliver()
	mail := host.one(t)
	mail.is(t, "me@example.org", "friend@example.net")
	mail.says(t, "the job is done\n")
}

func needsPerl(t *testing.T, module string) {
	t.Helper()
	needs(t, "perl")
	if r := newPerson(t).try("", "perl", "-M"+module, "-e", "1"); r.code != 0 {
		missing(t, "perl's "+strings.TrimSpace(module)+" is not installed: ./test.sh installs it, or says what to install")
	}
}
