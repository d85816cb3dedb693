package clients

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// System services call with next to no environment.

// What cron 3.0pl1 writes for a job that printed something.
const cronMail = `From: root (Cron Daemon)
To: me@example.org,you@example.net
Subject: Cron <me@laptop> echo done
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Content-Transfer-Encoding: 8bit
X-Cron-Env: <SHELL=/bin/sh>
X-Cron-Env: <HOME=/home/me>

done
.
Grüße
no newline at the end`

// Debian's cron: its command line, and the daemon's environment, which has no HOME.
func TestCronCommandLine(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	cmd := systemCommand(me, "sendmail", "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "me@example.org,you@example.net")
	me.Succeeds(cmd, cronMail)
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "me@example.org", "me@example.org", "you@example.net")
	mail.SameAs(t, strings.Replace(cronMail, "root", "root@example.org", 1)+"\n") // hosts refuse the bare name
}

// What atd 3.2.5 writes for a job without output, started with -m.
const atMail = "Subject: Output from your job        7\nTo: me@example.org\n\n"

// atd only hands over an open file: the environment is only PATH, the directory is /, and there
// is no output.
func TestAtCommandLine(t *testing.T) {
	for _, test := range []struct{ name, body string }{
		{"output", "printed by the job"},
		{"no output", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := stage.NewSmartHost(t)
			me := stage.NewPerson(t, stage.Identity(host)...)
			me.Write("job", atMail+test.body)
			job, err := os.OpenFile(me.Path("job"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer job.Close()
			if err := os.Remove(job.Name()); err != nil {
				t.Fatal(err)
			}
			cmd := systemCommand(me, "sendmail", "-i", "me@example.org")
			cmd.Dir, cmd.Stdin = "/", job
			me.Succeeds(cmd, "")
			me.Deliver()
			mail := host.One(t)
			mail.Is(t, "me@example.org", "me@example.org")
			want := test.body
			if want != "" {
				want += "\n"
			}
			mail.SameAs(t, atMail+want)
		})
	}
}

// systemCommand prepares one of our names as a daemon starts it. The home comes from the password
// file. That file cannot be the test's, so HOME is kept, unless the test runs in a namespace with
// a password file of its own.
func systemCommand(p *stage.Person, name string, args ...string) *exec.Cmd {
	p.T.Helper()
	cmd := p.Command(name, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + p.Home, "ESMTPQ_DELAY=never"}
	return cmd
}

// The real cron, whose only way to send mail is /usr/sbin/sendmail, in a namespace of its
// own in which that is ours and the user's home is the test's.
func TestCronDaemon(t *testing.T) {
	root := stage.Debian(t, "usr/sbin/cron")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	ns := me.NewNamespace(root)
	ns.Script(`
cat >/var/spool/cron/crontabs/root
chmod 600 /var/spool/cron/crontabs/root
exec cron -f`)
	cmd := ns.Command()
	cmd.Stdin = strings.NewReader("MAILTO=you@example.net\n@reboot printf 'done\\n.\\nno newline at the end'\n")
	ns.Start(cmd)

	mail := host.Next(t)
	mail.Is(t, "me@example.org", "you@example.net")
	mail.Says(t, "done\n.\nno newline at the end\n")
	if subject := mail.Parse(t).Header.Get("Subject"); !strings.HasPrefix(subject, "Cron <root@") {
		t.Errorf("Subject: %s", subject)
	}
}

// The real atd, without any environment.
func TestAtDaemon(t *testing.T) {
	root := stage.Debian(t, "usr/sbin/atd")
	host := stage.NewSmartHost(t)
	// atd sends to a bare user name, which would be local
	me := stage.NewPerson(t, append(stage.Identity(host), "qualifydomain = example.org")...)
	ns := me.NewNamespace(root)
	ns.Script(`
mkdir -p /var/spool/cron/atjobs /var/spool/cron/atspool
chown -R daemon:daemon /var/spool/cron/atjobs /var/spool/cron/atspool
rm -f /var/spool/cron/atjobs/.SEQ
touch /var/spool/cron/atjobs/.SEQ
chown daemon:daemon /var/spool/cron/atjobs/.SEQ
chmod 600 /var/spool/cron/atjobs/.SEQ
echo "printf 'printed\\n.\\nno newline at the end'" | at -q a now
exec atd -f`)
	ns.Start(ns.Command())

	mail := host.Next(t)
	mail.Is(t, "me@example.org", "root@example.org")
	mail.Says(t, "printed\n.\nno newline at the end\n")
	if subject := mail.Parse(t).Header.Get("Subject"); !strings.HasPrefix(subject, "Output from your job") {
		t.Errorf("Subject: %s", subject)
	}
}
