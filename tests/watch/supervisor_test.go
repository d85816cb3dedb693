package watch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// serves copies what contrib has for a supervisor, into a directory of the person.
func serves(t *testing.T, p *stage.Person, name string) string {
	t.Helper()
	dir := p.Path("service/esmtpq")
	for _, file := range []string{"run", "log/run"} {
		b, err := os.ReadFile(stage.Source(t, "contrib/"+name+"/"+file))
		if err != nil {
			t.Fatal(err)
		}
		p.WriteScript("service/esmtpq/"+file, string(b))
	}
	return dir
}

// supervise runs a supervisor until the test ends.
func supervise(t *testing.T, p *stage.Person, end func(), program string, args ...string) {
	t.Helper()
	cmd := p.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		over := time.AfterFunc(2*time.Second, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		cmd.Wait()
		over.Stop()
	})
}

// The watcher under runit and daemontools: it starts, is told to try everything, is started anew, and
// ends with all that it has started.
func TestSupervisors(t *testing.T) {
	for _, s := range []struct {
		name, program             string
		flush, again, down, leave []string
	}{
		{"runit", "runsv", []string{"sv", "1"}, []string{"sv", "term"}, []string{"sv", "down"}, []string{"sv", "exit"}},
		{"runit", "runsv", []string{"sv", "alarm"}, []string{"sv", "kill"}, []string{"sv", "down"}, []string{"sv", "exit"}},
		{"daemontools", "supervise", []string{"svc", "-a"}, []string{"svc", "-t"}, []string{"svc", "-d"}, []string{"svc", "-dx"}},
		{"daemontools", "supervise", []string{"svc", "-a"}, []string{"svc", "-k"}, []string{"svc", "-d"}, []string{"svc", "-dx"}},
	} {
		t.Run(s.name+" "+s.again[1], func(t *testing.T) {
			root := stage.Debian(t, "usr/bin/"+s.program)
			host := stage.NewSmartHost(t)
			p := newPerson(t, host)
			p.Setenv("PATH=" + p.Getenv("PATH") + ":" + root + "/usr/bin")
			dir := serves(t, p, s.name)
			p.Run(mail, "sendmail", "-odq", "friend@example.net")
			putOff(t, p, time.Hour)
			tell := func(how []string) {
				p.Command(how[0], append(how[1:], dir)...).Run()
			}
			supervise(t, p, func() { tell(s.leave) }, s.program, dir)
			if s.name == "daemontools" { // svscan has one for the log
				supervise(t, p, func() { p.Command("svc", "-dx", dir+"/log").Run() }, s.program, dir+"/log")
			}
			pid := awaitWatcher(t, p, 0)
			tell(s.flush)
			host.Next(t)
			tell(s.again)
			pid = awaitWatcher(t, p, pid)
			sends(p, "other")
			host.Next(t)
			tell(s.down)
			stage.Await(t, "gone", func() bool { return syscall.Kill(pid, 0) != nil })
			for _, line := range processes(p) {
				if strings.Contains(line, "deliver") {
					t.Errorf("left: %q", line)
				}
			}
			if s.name == "runit" {
				if _, err := os.Stat(dir + "/log/main/current"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// awaitWatcher waits for a watcher that is another one than before.
func awaitWatcher(t *testing.T, p *stage.Person, before int) (pid int) {
	t.Helper()
	stage.Await(t, "a watcher", func() bool {
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			args, _ := os.ReadFile(dir + "/cmdline")
			env, _ := os.ReadFile(dir + "/environ")
			if strings.HasSuffix(string(args), "deliver\x00--watch\x00") && strings.Contains(string(env), "HOME="+p.Home+"\x00") {
				fmt.Sscan(filepath.Base(dir), &pid)
			}
		}
		return pid != 0 && pid != before && listens(p)
	})
	return pid
}

// unit returns the unit of systemd, for a program.
func unit(t *testing.T, program string) string {
	t.Helper()
	b, err := os.ReadFile(stage.Source(t, "contrib/systemd/esmtpq.service"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "%h/bin/deliver", program)
}

// systemd has nothing to say about the unit.
func TestUnitIsValid(t *testing.T) {
	stage.Needs(t, "systemd-analyze")
	p := stage.NewPerson(t)
	p.Write("esmtpq.service", unit(t, p.LookPath("deliver")))
	p.Setenv("XDG_RUNTIME_DIR=" + p.Home)
	r := p.Try("", "systemd-analyze", "--user", "verify", p.Path("esmtpq.service"))
	if r.Code != 0 || r.Stdout+r.Stderr != "" {
		t.Errorf("exit %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// The user manager of systemd, in a namespace in which the machine looks as if it ran systemd.
const manager = `set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/esmtpq-test.$1
echo $$ >/sys/fs/cgroup/esmtpq-test.$1/cgroup.procs
/lib/systemd/systemd --user --log-level=info --log-target=console >"$HOME/systemd.log" 2>&1 </dev/null &
until systemctl --user show-environment >/dev/null 2>&1; do sleep 0.2; done
pid() { systemctl --user show esmtpq -p MainPID --value; }
`

const manage = manager + `
show() { echo "$1: $(systemctl --user show esmtpq -p ActiveState --value)"; }
unit() { systemctl --user "$@" esmtpq || echo "$1: exit $?"; }
unit enable
unit start
show started
unit reload
show reloaded
deliver --watch || echo "another: exit $?"
before=$(pid)
unit kill --signal=USR1 --kill-whom=main
sendmail friend@example.net <"$HOME/mail"
until [ "$(mailq --count)" = 0 ]; do sleep 0.1; done
unit restart
[ "$before" != "$(pid)" ] || echo "still process $before"
show restarted
unit stop
show stopped
[ ! -e "$HOME/.esmtp_queue/.wake" ] || echo "the socket is left"
`

// wire writes that unit, and has the user manager run it until it is undone.
const wired = manager + `
show() { echo "$1: $(systemctl --user is-enabled esmtpq 2>/dev/null || :), $(systemctl --user show esmtpq -p ActiveState --value)"; }
esmtpq wire systemd --apply >"$HOME/shown"
show applied
[ -z "$(esmtpq wire systemd --apply)" ] || echo changed
sendmail friend@example.net <"$HOME/mail"
until [ "$(mailq --count)" = 0 ]; do sleep 0.1; done
esmtpq wire systemd --undo >>"$HOME/shown"
show undone
ls "$HOME/.config/systemd/user" | grep service || :
`

func TestWireSystemd(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	p.Write("mail", mail)
	if got := inManager(t, p, wired); got != "applied: enabled, active\nundone: , inactive\n" && got != "applied: enabled, active\nundone: not-found, inactive\n" {
		log, _ := os.ReadFile(p.Path("systemd.log"))
		t.Errorf("got\n%s\n%s", got, log)
	}
	if n := len(host.Received()); n != 1 {
		t.Errorf("%d messages have arrived", n)
	}
	if shown := stage.Read(t, p.Path("shown")); !strings.Contains(shown, "\n+ExecStart="+stage.BinDir(t)+"/deliver"+" --watch\n") || !strings.Contains(shown, "\n-Type=notify\n") {
		t.Errorf("%s", shown)
	}
}

// What wire writes is the unit of contrib. Another unit of that name is left alone, and where the user
// manager cannot be reached there is a word with what to type.
func TestWireSystemdAlone(t *testing.T) {
	stage.Needs(t, "systemctl")
	p := newPerson(t, stage.NewSmartHost(t))
	p.Setenv("XDG_RUNTIME_DIR=" + p.Path("nowhere"))
	p.Setenv("DBUS_SESSION_BUS_ADDRESS=")
	_, want, _ := strings.Cut(unit(t, stage.BinDir(t)+"/deliver"), "\n")
	if _, got, _ := strings.Cut(p.Run("", "esmtpq", "wire", "systemd"), "\n"); got != want {
		t.Errorf("%s", got)
	}
	r := p.Try("", "esmtpq", "wire", "systemd", "--apply")
	if r.Code != 69 || !strings.Contains(r.Stderr, "when that is mended, type: systemctl --user daemon-reload; systemctl --user enable --now esmtpq.service") {
		t.Errorf("%+v", r)
	}
	p.Write(".config/systemd/user/esmtpq.service", "[Unit]\n")
	if r := p.Try("", "esmtpq", "wire", "systemd", "--apply"); r.Code != 73 || !strings.Contains(r.Stderr, "is there already, and is not from wire") {
		t.Errorf("%+v", r)
	}
	if got := stage.Read(t, p.Path(".config/systemd/user/esmtpq.service")); got != "[Unit]\n" {
		t.Errorf("%s", got)
	}
}

// inManager runs a script in a namespace in which the machine looks as if it ran systemd.
func inManager(t *testing.T, p *stage.Person, script string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make the namespace in which it runs")
	}
	stage.Needs(t, "systemctl", "unshare")
	p.Setenv("DBUS_SESSION_BUS_ADDRESS=")
	cmd := p.Command("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--propagation", "private",
		"timeout", "100", "sh", "-c", script, "sh", fmt.Sprint(os.Getpid()))
	t.Cleanup(func() { exec.Command("rmdir", fmt.Sprintf("/sys/fs/cgroup/unified/esmtpq-test.%d", os.Getpid())).Run() })
	r := stage.Finish(t, cmd, "")
	if strings.Contains(r.Stderr, "mount:") {
		t.Skipf("no such namespace to be had here: %s", r.Stderr)
	}
	if r.Stderr != "" && !strings.Contains(r.Stderr, "Created symlink") && !strings.Contains(r.Stderr, "Removed ") {
		t.Log(r.Stderr)
	}
	return r.Stdout
}

func TestSystemd(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	p.Write("mail", mail)
	p.Write(".config/systemd/user/esmtpq.service", unit(t, p.LookPath("deliver")))
	want := "started: active\nreloaded: active\nanother: exit 75\nrestarted: active\nstopped: inactive\n"
	if got := inManager(t, p, manage); got != want {
		log, _ := os.ReadFile(p.Path("systemd.log"))
		t.Errorf("got\n%s\nwant\n%s\n%s", got, want, log)
	}
	if n := len(host.Received()); n != 1 {
		t.Errorf("%d messages have arrived", n)
	}
}
