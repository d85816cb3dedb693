package main_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// install.sh, run as a person runs it, for a home of its own.

// needsSource skips where the tests run without the source and the go command.
func needsSource(t *testing.T) {
	t.Helper()
	if os.Getenv("ESMTPQ_TEST_BIN") != "" {
		t.Skip("these tests run without the source")
	}
}

// newInstaller is a person who can run go, and has nothing installed.
func newInstaller(t *testing.T) *person {
	t.Helper()
	needsSource(t)
	p := newPerson(t)
	if err := os.Remove(p.path("bin")); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Fields(string(out))
	p.setenv("GOCACHE=" + dirs[0])
	p.setenv("GOMODCACHE=" + dirs[1])
	p.setenv("GOFLAGS=-mod=readonly")
	p.setenv("PATH=" + p.home + "/bin:" + dirs[2] + "/bin:/usr/bin:/bin")
	return p
}

func (p *person) install(args ...string) result {
	p.t.Helper()
	script, err := filepath.Abs("../../install.sh")
	if err != nil {
		p.t.Fatal(err)
	}
	return p.try("", script, args...)
}

// installs runs install.sh where it must succeed.
func (p *person) installs(args ...string) string {
	p.t.Helper()
	r := p.install(args...)
	if r.code != 0 {
		p.t.Fatalf("install.sh %q: %+v", args, r)
	}
	return r.stdout
}

func TestInstall(t *testing.T) {
	me := newInstaller(t)
	for range 2 { // and once more over itself
		out := me.installs()
		for _, want := range []string{
			`set sendmail="` + me.home + `/bin/sendmail"`,
			`git config --global sendemail.smtpServer "` + me.home + `/bin/sendmail"`,
			`*/10 * * * * ping -c1 smarthost >/dev/null 2>&1 && "` + me.home + `/bin/deliver"`,
		} {
			if !strings.Contains(out, want) {
				t.Errorf("install.sh does not say %s", want)
			}
		}
		if strings.Contains(out, "not on your PATH") {
			t.Error("~/bin is on PATH, and install.sh says it is not")
		}
	}
	if out := me.run("", "mailq"); out != "Mail queue is empty\n" {
		t.Errorf("mailq: %s", out)
	}
	for _, name := range names {
		if target, err := os.Readlink(me.path("bin/" + name)); target != "esmtpq" {
			t.Errorf("%s is a link to %q (%v)", name, target, err)
		}
	}
	isStatic(t, me.path("bin/esmtpq"))
	entries, err := os.ReadDir(me.path("bin"))
	if err != nil || len(entries) != len(names)+1 {
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
	out := me.installs("--prefix", "a place")
	if !strings.Contains(out, me.path("a place/bin")+" is not on your PATH") {
		t.Errorf("install.sh does not say that the place is not on PATH:\n%s", out)
	}
	if out := me.run("", me.path("a place/bin/mailq")); out != "Mail queue is empty\n" {
		t.Errorf("mailq: %s", out)
	}
}

// A sendmail of somebody else's is never overwritten unasked, and nothing else is touched.
func TestInstallForeignSendmail(t *testing.T) {
	for _, test := range []struct {
		name  string
		place func(p *person)
	}{
		{"file", func(p *person) { p.writeScript("bin/sendmail", "#!/bin/sh\necho foreign\n") }},
		{"link", func(p *person) {
			p.write("bin/.keep", "")
			p.writeScript("foreign", "#!/bin/sh\necho foreign\n")
			if err := os.Symlink("../foreign", p.path("bin/sendmail")); err != nil {
				p.t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			me := newInstaller(t)
			test.place(me)
			r := me.install()
			if r.code != 1 || !strings.Contains(r.stderr, "--force") {
				t.Errorf("install.sh: %+v", r)
			}
			if out := me.run("", "sendmail"); out != "foreign\n" {
				t.Errorf("the foreign sendmail is gone: %s", out)
			}
			if _, err := os.Lstat(me.path("bin/esmtpq")); err == nil {
				t.Error("something was installed all the same")
			}

			me.installs("--force")
			if out := me.run("", "mailq"); out != "Mail queue is empty\n" {
				t.Errorf("mailq: %s", out)
			}
			if out := me.run("", me.path("bin/sendmail.before-esmtpq")); out != "foreign\n" {
				t.Errorf("what was kept of the foreign sendmail says %s", out)
			}
		})
	}
}

func TestUninstall(t *testing.T) {
	me := newInstaller(t)
	me.installs()
	me.write(".esmtprc", "hostname = localhost:25\n")
	me.run("text\n", "sendmail", "-i", "friend@example.net")
	if err := os.Remove(me.path("bin/mailq")); err != nil {
		t.Fatal(err)
	}
	me.writeScript("bin/mailq", "#!/bin/sh\necho foreign\n")

	out := me.installs("--uninstall")
	if !strings.Contains(out, "Still queued in ~/.esmtp_queue: 1.") {
		t.Errorf("install.sh does not tell of the queued mail:\n%s", out)
	}
	left, err := os.ReadDir(me.path("bin"))
	if err != nil || len(left) != 1 || left[0].Name() != "mailq" {
		t.Errorf("bin holds %v (%v), want the foreign mailq alone", left, err)
	}
	for _, kept := range []string{".esmtprc", ".esmtp_queue"} {
		if _, err := os.Stat(me.path(kept)); err != nil {
			t.Error(err)
		}
	}
	me.installs("--uninstall") // again: nothing to do is no error
}

func TestInstallGo(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"none", "", "Go is not installed"},
		{"ancient", "echo go version go1.19.8 linux/amd64", "is Go 1.19.8"},
		{"old, may not fetch", `case $1 in env) echo local ;; *) echo go version go1.22.1 linux/amd64 ;; esac`, "is Go 1.22.1"},
		{"broken", "exit 1", "does not tell its version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			me := newInstaller(t)
			me.setenv("PATH=" + me.path("tools"))
			me.write("tools/.keep", "")
			for _, tool := range []string{"sh", "sed", "awk", "grep", "dirname", "mkdir", "cat", "rm", "mv", "readlink"} {
				path, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, me.path("tools/"+tool)); err != nil {
					t.Fatal(err)
				}
			}
			if test.script != "" {
				me.writeScript("tools/go", "#!/bin/sh\n"+test.script+"\n")
			}
			r := me.install()
			if r.code != 1 || !strings.Contains(r.stderr, test.want) || !strings.Contains(r.stderr, "https://go.dev/dl/") && test.script != "exit 1" {
				t.Errorf("install.sh: %+v; want %q", r, test.want)
			}
		})
	}
}

func TestInstallUsage(t *testing.T) {
	me := newInstaller(t)
	if out := me.installs("--help"); !strings.Contains(out, "--uninstall") {
		t.Errorf("install.sh --help: %s", out)
	}
	if r := me.install("--perfix", "x"); r.code != 64 || !strings.Contains(r.stderr, "usage:") {
		t.Errorf("install.sh --perfix: %+v", r)
	}
}

// The demonstration needs nothing and leaves nothing in the person's home.
func TestDemo(t *testing.T) {
	needs(t, filepath.Join(binDir, "esmtpq"))
	me := newPerson(t)
	out := me.run("", "esmtpq", "demo")
	for _, want := range []string{"sendmail", "in 1 Request.", "deliver", "Mail queue is empty", "MAIL FROM:"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demonstration does not show %q:\n%s", want, out)
		}
	}
	left, err := os.ReadDir(me.home)
	if err != nil || len(left) != 1 {
		t.Errorf("the home holds %v (%v), want bin alone", left, err)
	}
}
