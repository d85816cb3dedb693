package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
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
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	cmd := me.systemCommand("sendmail", "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "me@example.org,you@example.net")
	me.succeeds(cmd, cronMail)
	me.deliver()
	mail := host.one(t)
	mail.is(t, "me@example.org", "me@example.org", "you@example.net")
	mail.sameAs(t, cronMail+"\n")
}

// What atd 3.2.5 writes for a job without output, started with -m.
const atMail = "Subject: Output from your job        7\nTo: me@example.org\n\n"

// atd hands over an open file and nothing else: no environment but PATH, / as directory,
// no output.
func TestAtCommandLine(t *testing.T) {
	for _, test := range []struct{ name, body string }{
		{"output", "printed by the job"},
		{"no output", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := newSmartHost(t)
			me := newPerson(t, identity(host)...)
			me.write("job", atMail+test.body)
			job, err := os.OpenFile(me.path("job"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer job.Close()
			if err := os.Remove(job.Name()); err != nil {
				t.Fatal(err)
			}
			cmd := me.systemCommand("sendmail", "-i", "me@example.org")
			cmd.Dir, cmd.Stdin = "/", job
			me.succeeds(cmd, "")
			me.deliver()
			mail := host.one(t)
			mail.is(t, "me@example.org", "me@example.org")
			want := test.body
			if want != "" {
				want += "\n"
			}
			mail.sameAs(t, atMail+want)
		})
	}
}

// systemCommand prepares one of our names as a daemon starts it. The home comes from the
// password file; since that one cannot be the test's, HOME is the one thing kept, unless
// the test runs in a namespace with a password file of its own.
func (p *person) systemCommand(name string, args ...string) *exec.Cmd {
	p.t.Helper()
	cmd := p.command(name, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + p.home, "ESMTPQ_DELAY=never"}
	return cmd
}

// succeeds runs a command that must succeed in silence.
func (p *person) succeeds(cmd *exec.Cmd, stdin string) {
	p.t.Helper()
	if r := finish(p.t, cmd, stdin); r != (result{}) {
		p.t.Fatalf("%q: exit %d, printed %q and %q", cmd.Args, r.code, r.stdout, r.stderr)
	}
}

// The real cron, whose only way to send mail is /usr/sbin/sendmail, in a namespace of its
// own in which that is ours and the user's home is the test's.
func TestCronDaemon(t *testing.T) {
	root := debianRoot(t, "usr/sbin/cron")
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	ns := me.newNamespace(root)
	ns.script(`
cat >/var/spool/cron/crontabs/root
chmod 600 /var/spool/cron/crontabs/root
exec cron -f`)
	cmd := ns.command()
	cmd.Stdin = strings.NewReader("MAILTO=you@example.net\n@reboot printf 'done\\n.\\nno newline at the end'\n")
	ns.start(cmd)

	mail := host.next(t)
	mail.is(t, "me@example.org", "you@example.net")
	mail.says(t, "done\n.\nno newline at the end\n")
	if subject := mail.parse(t).Header.Get("Subject"); !strings.HasPrefix(subject, "Cron <root@") {
		t.Errorf("Subject: %s", subject)
	}
}

// The real atd, to which nobody gives an environment.
func TestAtDaemon(t *testing.T) {
	root := debianRoot(t, "usr/sbin/atd")
	host := newSmartHost(t)
	// atd writes to a bare user name, which would be local
	me := newPerson(t, append(identity(host), "qualifydomain = example.org")...)
	ns := me.newNamespace(root)
	ns.script(`
mkdir -p /var/spool/cron/atjobs /var/spool/cron/atspool
chown -R daemon:daemon /var/spool/cron/atjobs /var/spool/cron/atspool
rm -f /var/spool/cron/atjobs/.SEQ
touch /var/spool/cron/atjobs/.SEQ
chown daemon:daemon /var/spool/cron/atjobs/.SEQ
chmod 600 /var/spool/cron/atjobs/.SEQ
echo "printf 'printed\\n.\\nno newline at the end'" | at -q a now
exec atd -f`)
	ns.start(ns.command())

	mail := host.next(t)
	mail.is(t, "me@example.org", "root@example.org")
	mail.says(t, "printed\n.\nno newline at the end\n")
	if subject := mail.parse(t).Header.Get("Subject"); !strings.HasPrefix(subject, "Output from your job") {
		t.Errorf("Subject: %s", subject)
	}
}

// A namespace is a view of the machine in which the packages that test.sh unpacked are
// installed, /usr/sbin/sendmail is ours, and root's home is the person's.
type namespace struct {
	person *person
	setup  string
}

// newNamespace prepares one. It takes root to make it.
func (p *person) newNamespace(root string) *namespace {
	p.t.Helper()
	if os.Geteuid() != 0 {
		p.t.Skip("only root can make the namespace in which a daemon is tested")
	}
	needs(p.t, "unshare", "mount")
	ns := &namespace{person: p}
	passwd := fmt.Sprintf("root:x:0:0:root:%s:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"+
		"sshd:x:64991:65534::/run/sshd:/usr/sbin/nologin\npostfix:x:64992:64992::/nonexistent:/usr/sbin/nologin\n", p.home)
	p.write("namespace/etc/passwd", passwd)
	p.write("namespace/etc/group", "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\ncrontab:x:64990:\npostfix:x:64992:\npostdrop:x:64993:\n")
	ns.setup = fmt.Sprintf(`set -e
over() { mount -t overlay overlay -o "lowerdir=$1" "$2"; }
mkdir -p %[1]s/sbin %[1]s/work
chmod -R go+rX %[1]s
ln -sf %[2]s/sendmail %[1]s/sbin/sendmail
over %[1]s/sbin:%[3]s/usr/sbin:/usr/sbin /usr/sbin
over %[3]s/usr/bin:/usr/bin /usr/bin
over %[3]s/usr/lib:/usr/lib /usr/lib
over %[1]s/etc:%[3]s/etc:/etc /etc
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd
mkdir -p %[1]s/spool/cron/crontabs
mount -t overlay overlay -o "lowerdir=%[3]s/var/spool:/var/spool,upperdir=%[1]s/spool,workdir=%[1]s/work" /var/spool
`, p.path("namespace"), binDir, root)
	return ns
}

// script adds shell lines to what the namespace runs.
func (ns *namespace) script(lines string) { ns.setup += lines }

// command prepares the namespace's process, with the environment of a daemon.
func (ns *namespace) command() *exec.Cmd {
	cmd := ns.person.command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", ns.setup)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "ESMTPQ_DELAY=0s"}
	return cmd
}

// start starts it until the test ends; with it ends every process in the namespace.
func (ns *namespace) start(cmd *exec.Cmd) {
	t := ns.person.t
	t.Helper()
	output, err := os.Create(ns.person.path("namespace.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A process that changes its user, as a daemon does, no longer dies with its parent.
		pid := cmd.Process.Pid
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		for _, child := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				syscall.Kill(n, syscall.SIGKILL)
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		output.Close()
		if said, _ := os.ReadFile(output.Name()); t.Failed() {
			t.Logf("in the namespace:\n%s", said)
		}
	})
}
