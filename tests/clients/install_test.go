package clients

import (
	"debug/elf"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"esmtpq/tests/stage"
)

// install.sh is run as a person runs it, with a home of its own.

// newInstaller returns a person who can run go, and has nothing installed.
func newInstaller(t *testing.T) *stage.Person {
	t.Helper()
	stage.NeedsCompiler(t)
	p := stage.NewPerson(t)
	if err := os.Remove(p.Path("bin")); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Fields(string(out))
	p.Setenv("GOCACHE=" + dirs[0])
	p.Setenv("GOMODCACHE=" + dirs[1])
	p.Setenv("GOFLAGS=-mod=readonly")
	p.Setenv("PATH=" + p.Home + "/bin:" + dirs[2] + "/bin:/usr/bin:/bin")
	return p
}

// install runs install.sh.
func install(p *stage.Person, args ...string) stage.Result {
	p.T.Helper()
	return p.Try("", stage.Source(p.T, "install.sh"), args...)
}

// installs runs install.sh, which must succeed.
func installs(p *stage.Person, args ...string) string {
	p.T.Helper()
	r := install(p, args...)
	if r.Code != 0 {
		p.T.Fatalf("install.sh %q: %+v", args, r)
	}
	return r.Stdout
}

func TestInstall(t *testing.T) {
	me := newInstaller(t)
	for range 2 { // the second time over itself
		out := installs(me)
		for _, want := range []string{
			"    esmtpq setup you@example.org\n", "    esmtpq wire --apply mutt git cron\n", " aerc, alpine, ",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("install.sh does not say %s", want)
			}
		}
		if strings.Contains(out, "not on your PATH") {
			t.Error("~/bin is on PATH, and install.sh says it is not")
		}
	}
	if out := me.Run("", "mailq"); out != "Mail queue is empty\n" {
		t.Errorf("mailq: %s", out)
	}
	for _, name := range stage.Names {
		if target, err := os.Readlink(me.Path("bin/" + name)); target != "esmtpq" {
			t.Errorf("%s is a link to %q (%v)", name, target, err)
		}
	}
	isStatic(t, me.Path("bin/esmtpq"))
	entries, err := os.ReadDir(me.Path("bin"))
	if err != nil || len(entries) != len(stage.Names)+1 {
		t.Errorf("bin holds %v (%v)", entries, err)
	}
}

// isStatic checks that a program needs no loader and is loaded where it was linked.
func isStatic(t *testing.T, path string) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if file.Type != elf.ET_EXEC {
		t.Errorf("%s is a %v, want %v", path, file.Type, elf.ET_EXEC)
	}
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Errorf("%s asks for a loader", path)
		}
	}
}

func TestInstallElsewhere(t *testing.T) {
	me := newInstaller(t)
	out := installs(me, "--prefix", "a place")
	if !strings.Contains(out, me.Path("a place/bin")+" is not on your PATH") {
		t.Errorf("install.sh does not say that the place is not on PATH:\n%s", out)
	}
	if out := me.Run("", me.Path("a place/bin/mailq")); out != "Mail queue is empty\n" {
		t.Errorf("mailq: %s", out)
	}
}

// A sendmail of another package is never overwritten unasked, and nothing else is touched.
func TestInstallForeignSendmail(t *testing.T) {
	for _, test := range []struct {
		name  string
		place func(p *stage.Person)
	}{
		{"file", func(p *stage.Person) { p.WriteScript("bin/sendmail", "#!/bin/sh\necho foreign\n") }},
		{"link", func(p *stage.Person) {
			p.Write("bin/.keep", "")
			p.WriteScript("foreign", "#!/bin/sh\necho foreign\n")
			if err := os.Symlink("../foreign", p.Path("bin/sendmail")); err != nil {
				p.T.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			me := newInstaller(t)
			test.place(me)
			r := install(me)
			if r.Code != 1 || !strings.Contains(r.Stderr, "--force") {
				t.Errorf("install.sh: %+v", r)
			}
			if out := me.Run("", "sendmail"); out != "foreign\n" {
				t.Errorf("the foreign sendmail is gone: %s", out)
			}
			if _, err := os.Lstat(me.Path("bin/esmtpq")); err == nil {
				t.Error("something was installed all the same")
			}

			installs(me, "--force")
			if out := me.Run("", "mailq"); out != "Mail queue is empty\n" {
				t.Errorf("mailq: %s", out)
			}
			if out := me.Run("", me.Path("bin/sendmail.before-esmtpq")); out != "foreign\n" {
				t.Errorf("what was kept of the foreign sendmail says %s", out)
			}
		})
	}
}

func TestUninstall(t *testing.T) {
	me := newInstaller(t)
	installs(me)
	me.Write(".esmtprc", "hostname = localhost:25\n")
	me.Run("text\n", "sendmail", "-i", "friend@example.net")
	if err := os.Remove(me.Path("bin/mailq")); err != nil {
		t.Fatal(err)
	}
	me.WriteScript("bin/mailq", "#!/bin/sh\necho foreign\n")

	out := installs(me, "--uninstall")
	if !strings.Contains(out, "Still queued in ~/.esmtp_queue: 1.") {
		t.Errorf("install.sh does not tell of the queued mail:\n%s", out)
	}
	left, err := os.ReadDir(me.Path("bin"))
	if err != nil || len(left) != 1 || left[0].Name() != "mailq" {
		t.Errorf("bin holds %v (%v), want the foreign mailq alone", left, err)
	}
	for _, kept := range []string{".esmtprc", ".esmtp_queue"} {
		if _, err := os.Stat(me.Path(kept)); err != nil {
			t.Error(err)
		}
	}
	installs(me, "--uninstall") // again: nothing to do is no error
}

// What is left is named: what has a password in it, and what still calls a program that is gone.
func TestUninstallListsWhatIsLeft(t *testing.T) {
	me := newInstaller(t)
	installs(me)
	me.Write(".config/esmtpq/config.yaml", "identities:\n  - name: me@example.org\n    host: localhost\n    username: me\n    password: secret\n")
	me.Run("", "esmtpq", "wire", "--apply", "mutt", "git")
	me.Write(".mailrc", "# set mta=~/bin/sendmail\n")
	me.Run("", "git", "config", "--global", "sendemail.smtpServer", "~/bin/sendmail")
	me.Setenv("ESMTPQ_DELAY=1m")
	me.Run("text\n", "sendmail", "-i", "friend@example.net")
	out := installs(me, "--uninstall")
	pid := regexp.MustCompile(`Still queued in ~/.esmtp_queue: 1. Process (\d+) is about to send it`).FindStringSubmatch(out)
	if pid == nil {
		t.Fatalf("the background run is not named:\n%s", out)
	}
	if n, err := strconv.Atoi(pid[1]); err == nil {
		defer syscall.Kill(n, syscall.SIGKILL) // the one that this submission has started
	}
	for _, want := range []string{"/.config/esmtpq/config.yaml (a password is in it)\n", "/.esmtp_queue (the queue", "--unset sendemail.smtpServer\n", "--unset sendemail.sendmailCmd\n", "the setting in ~/.muttrc\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not named:\n%s", want, out)
		}
	}
	if strings.Contains(out, ".mailrc") || strings.Contains(out, "crontab") {
		t.Errorf("what is not there is named:\n%s", out)
	}
	for _, gone := range []string{"bin", "share"} {
		if _, err := os.Stat(me.Path(gone)); err == nil {
			t.Errorf("~/%s is empty and left", gone)
		}
	}
}

// Debian's ~/.profile puts ~/bin on PATH by itself, once it is there.
func TestInstallPath(t *testing.T) {
	me := newInstaller(t)
	me.Setenv("PATH=" + strings.TrimPrefix(me.Getenv("PATH"), me.Home+"/bin:"))
	if out := installs(me); !strings.Contains(out, `PATH="`+me.Home+`/bin:$PATH"`) || !strings.Contains(out, `    "`+me.Home+`/bin/esmtpq" setup `) {
		t.Errorf("without ~/.profile:\n%s", out)
	}
	me.Write(".profile", "if [ -d \"$HOME/bin\" ] ; then\n    PATH=\"$HOME/bin:$PATH\"\nfi\n")
	if out := installs(me); !strings.Contains(out, "log in again") || strings.Contains(out, `:$PATH"`) {
		t.Errorf("with Debian's:\n%s", out)
	}
}

func TestInstallGo(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"none", "", "Go is not installed"},
		{"ancient", "echo go version go1.19.8 linux/amd64", "is Go 1.19.8"},
		{"old, may not fetch", `case $1 in env) echo local ;; *) echo go version go1.22.1 linux/amd64 ;; esac`, "is Go 1.22.1"},
		{"broken", "exit 1", "does not print its version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			me := newInstaller(t)
			me.Setenv("PATH=" + me.Path("tools"))
			me.Write("tools/.keep", "")
			for _, tool := range []string{"sh", "sed", "awk", "grep", "dirname", "mkdir", "cat", "rm", "mv", "readlink"} {
				path, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, me.Path("tools/"+tool)); err != nil {
					t.Fatal(err)
				}
			}
			if test.script != "" {
				me.WriteScript("tools/go", "#!/bin/sh\n"+test.script+"\n")
			}
			r := install(me)
			if r.Code != 1 || !strings.Contains(r.Stderr, test.want) || !strings.Contains(r.Stderr, "https://go.dev/dl/") && test.script != "exit 1" {
				t.Errorf("install.sh: %+v; want %q", r, test.want)
			}
		})
	}
}

func TestInstallUsage(t *testing.T) {
	me := newInstaller(t)
	if out := installs(me, "--help"); !strings.Contains(out, "--uninstall") {
		t.Errorf("install.sh --help: %s", out)
	}
	for _, args := range [][]string{{"--perfix", "x"}, {"--prefix"}, {"--prefix="}, {"--prefix", ""}, {"--system", "x"}} {
		if r := install(me, args...); r.Code != 64 || !strings.Contains(r.Stderr, "usage:") {
			t.Errorf("install.sh %q: %+v", args, r)
		}
	}
	me.Setenv("HOME=")
	if r := install(me); r.Code != 64 || !strings.Contains(r.Stderr, "HOME is not set") {
		t.Errorf("install.sh without HOME: %+v", r)
	}
}

// The demonstration needs and leaves nothing in the person's home.
func TestDemo(t *testing.T) {
	stage.Needs(t, stage.Program(t, "esmtpq"))
	me := stage.NewPerson(t)
	out := me.Run("", "esmtpq", "demo")
	for _, want := range []string{"sendmail", "in 1 Request.", "deliver", "Mail queue is empty", "MAIL FROM:"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demonstration does not show %q:\n%s", want, out)
		}
	}
	left, err := os.ReadDir(me.Home)
	if err != nil || len(left) != 1 {
		t.Errorf("the home holds %v (%v), want bin alone", left, err)
	}
}
