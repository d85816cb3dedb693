package watch

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"esmtpq/tests/stage"
)

// newInstaller returns a person who has the archive of a release, and nothing installed.
func newInstaller(t *testing.T, host *stage.SmartHost) *stage.Person {
	t.Helper()
	p := newPerson(t, host)
	program := stage.Program(t, "esmtpq")
	if err := os.Remove(p.Path("bin")); err != nil {
		t.Fatal(err)
	}
	p.Write("archive/.keep", "")
	for _, name := range []string{"install.sh", "contrib", "docs"} {
		command(t, "cp -R "+stage.Source(t, name)+" "+p.Path("archive/"))
	}
	command(t, "cp "+program+" "+p.Path("archive/esmtpq"))
	p.Setenv("PATH=" + p.Path("bin") + ":" + p.Getenv("PATH"))
	return p
}

// installs runs install.sh, which must succeed.
func installs(p *stage.Person, args ...string) string {
	p.T.Helper()
	r := p.Try("", p.Path("archive/install.sh"), args...)
	if r.Code != 0 || r.Stderr != "" {
		p.T.Fatalf("install.sh %q: %+v", args, r)
	}
	return r.Stdout
}

// Where a runsvdir or svscan of the person runs, the watcher becomes one of its services; once more it is
// started anew, and with the program it goes.
func TestInstallService(t *testing.T) {
	for scanner, supervisor := range map[string]string{"runsvdir": "runit", "svscan": "daemontools"} {
		t.Run(supervisor, func(t *testing.T) {
			root := stage.Debian(t, "usr/bin/"+scanner)
			host := stage.NewSmartHost(t)
			p := newInstaller(t, host)
			p.Setenv("PATH=" + p.Getenv("PATH") + ":" + root + "/usr/bin")
			if r := p.Try("", p.Path("archive/install.sh"), "--watch="+supervisor); r.Code != 1 || !strings.Contains(r.Stderr, "of yours is running") {
				t.Errorf("without a supervisor: %+v", r)
			}
			p.Write("service/.keep", "")
			service := p.Path("service/esmtpq")
			supervise(t, p, func() {
				p.Command("sh", "-c", "sv exit $0 $0/log || svc -dx $0 $0/log", service).Run() // what the test has left
			}, scanner, p.Path("service"))
			stage.Await(t, scanner, func() bool { return len(processes(p)) > 0 })
			p.Write("service/esmtpq/run", "#!/bin/sh\nexec sleep 1000\n")
			if r := p.Try("", p.Path("archive/install.sh"), "--watch"); r.Code != 1 || !strings.Contains(r.Stderr, "is there, and is not esmtpq's") {
				t.Errorf("with somebody's service: %+v", r)
			}
			os.RemoveAll(service)

			if out := installs(p, "--watch"); !strings.HasSuffix(out, "the watcher is the service "+service+"\n") {
				t.Errorf("said %q", out)
			}
			pid := awaitWatcher(t, p, 0)
			sends(p, "friend")
			host.Next(t)
			installs(p, "--watch="+supervisor)
			pid = awaitWatcher(t, p, pid)
			sends(p, "other")
			host.Next(t)
			if out := installs(p, "--uninstall"); !strings.Contains(out, "removed "+service+"\n") {
				t.Errorf("said %q", out)
			}
			stage.Await(t, "gone", func() bool { return syscall.Kill(pid, 0) != nil })
			if left, _ := os.ReadDir(p.Path("service")); len(left) != 1 { // .keep
				t.Errorf("left: %v", left)
			}
		})
	}
}

// What install.sh does with systemd.
const installUnit = manager + `
show() { echo "$1: $(systemctl --user show esmtpq -p ActiveState --value)"; }
"$HOME/archive/install.sh" --watch | tail -1
systemd-analyze --user verify "$HOME/.config/systemd/user/esmtpq.service" 2>&1
show installed
before=$(pid)
sendmail friend@example.net <"$HOME/mail"
until [ "$(mailq --count)" = 0 ]; do sleep 0.1; done
"$HOME/archive/install.sh" --watch=systemd | tail -1
show again
[ "$before" != "$(pid)" ] || echo "still process $before"
"$HOME/archive/install.sh" --uninstall | head -1
show uninstalled
ls "$HOME/.config/systemd/user"
`

func TestInstallUnit(t *testing.T) {
	stage.Needs(t, "systemd-analyze")
	host := stage.NewSmartHost(t)
	p := newInstaller(t, host)
	p.Write("mail", mail)
	got := inManager(t, p, installUnit)
	const line = "the watcher is a service of yours: systemctl --user status esmtpq\n"
	want := line + "installed: active\n" + line + "again: active\nremoved the service of systemd\nuninstalled: inactive\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n := len(host.Received()); n != 1 {
		t.Errorf("%d messages have arrived", n)
	}
}

// Without any supervisor there is a line for cron, once.
func TestInstallCron(t *testing.T) {
	root := stage.Debian(t, "usr/sbin/cron")
	p := newInstaller(t, stage.NewSmartHost(t))
	ns := p.NewNamespace(root)
	ns.Script(`export HOME=` + p.Home + `
cd
echo '0 4 * * * true' | crontab -
archive/install.sh --watch | tail -1
archive/install.sh --watch=cron >/dev/null
crontab -l
archive/install.sh --uninstall | head -1
exec crontab -l
`)
	out, err := ns.Command().CombinedOutput()
	said := "no supervisor would run the watcher for you; a line in your crontab tries every ten minutes what waits\n"
	want := fmt.Sprintf("%s0 4 * * * true\n# esmtpq wire: begin\n@reboot %[2]s\n*/10 * * * * %[2]s\n# esmtpq wire: end\nremoved the line in your crontab\n0 4 * * * true\n",
		said, p.Path("bin/deliver"))
	if err != nil || string(out) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, out, want)
	}
}

// What cannot be meant is refused before anything is installed.
func TestInstallWatchMisused(t *testing.T) {
	p := newInstaller(t, stage.NewSmartHost(t))
	for _, args := range [][]string{{"--watch=cronn"}, {"--watch="}, {"--system", "--watch"}, {"--uninstall", "--watch"}, {"--demo", "--watch"}} {
		if r := p.Try("", p.Path("archive/install.sh"), args...); r.Code != 64 || !strings.Contains(r.Stderr, "usage:") {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if out, err := exec.Command(p.Path("archive/install.sh"), "--help").Output(); err != nil || !strings.Contains(string(out), "--watch") {
		t.Errorf("--help: %v, %s", err, out)
	}
	if exists(p.Path("bin/esmtpq")) {
		t.Error("something was installed")
	}
}
