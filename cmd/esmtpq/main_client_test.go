package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The tests of this package know only the built program. They drive it the way people and
// real mail programs do, in a throw-away home, against smart hosts on loopback.

// binDir holds esmtpq and the symbolic links that install.sh makes.
var binDir string

// names are those under which the program is known.
var names = []string{"sendmail", "deliver", "mailq", "newaliases"}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

// testMain builds the program once, as install.sh does. Where the tests run without the
// source (compiled, as another user), ESMTPQ_TEST_BIN names a directory that has it.
func testMain(m *testing.M) int {
	binDir = os.Getenv("ESMTPQ_TEST_BIN")
	if binDir != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "esmtpq-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binDir = dir
	return m.Run()
}

func build(dir string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=test",
		"-o", filepath.Join(dir, "esmtpq"), ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	for _, name := range names {
		if err := os.Symlink("esmtpq", filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o755)
}

// needs skips the test where a program is missing. Where the tests are the gate (CI=true)
// nothing may be missing.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program+" is not installed: ./test.sh installs it, or says what to install")
		}
	}
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// debianRoot is where test.sh unpacks the packages that must not be installed on a
// machine just for a test: daemons, and what asks for them.
func debianRoot(t *testing.T, file string) string {
	t.Helper()
	root := os.Getenv("ESMTPQ_TEST_DEBIAN")
	if root == "" && os.Geteuid() == 0 {
		root = "/var/cache/esmtpq-test/root"
	} else if root == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		root = filepath.Join(cache, "esmtpq-test", "root")
	}
	if _, err := os.Stat(filepath.Join(root, file)); err != nil {
		missing(t, file+" is not unpacked: ./test.sh does it")
	}
	return root
}

// unpackedLibraries is the search path of the libraries below debianRoot.
func unpackedLibraries(root string) string {
	dirs, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
	return strings.Join(dirs, ":")
}

// A person has a home, a configuration, and ~/bin with our names.
type person struct {
	t    *testing.T
	home string
	env  []string
}

// newPerson makes a home whose ~/.esmtprc has these lines. Nothing is sent until deliver
// is called.
func newPerson(t *testing.T, esmtprc ...string) *person {
	t.Helper()
	p := &person{t: t, home: t.TempDir()}
	if err := os.Symlink(binDir, filepath.Join(p.home, "bin")); err != nil {
		t.Fatal(err)
	}
	if esmtprc != nil {
		p.write(".esmtprc", strings.Join(esmtprc, "\n")+"\n")
	}
	p.env = []string{
		"HOME=" + p.home,
		"PATH=" + filepath.Join(p.home, "bin") + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
		"LANG=C.UTF-8", "TERM=xterm", "TZ=UTC",
		"ESMTPQ_DELAY=never",
	}
	return p
}

// identity is the configuration of somebody who sends as me@example.org through host.
func identity(host *smartHost) []string {
	return []string{"identity = me@example.org", "hostname = " + host.addr}
}

func (p *person) path(name string) string { return filepath.Join(p.home, name) }

func (p *person) write(name, content string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(p.path(name)), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.path(name), []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// writeScript writes an executable file and returns its path.
func (p *person) writeScript(name, content string) string {
	p.t.Helper()
	p.write(name, content)
	if err := os.Chmod(p.path(name), 0o700); err != nil {
		p.t.Fatal(err)
	}
	return p.path(name)
}

// setenv sets a variable in the person's environment; the last one of a name counts.
func (p *person) setenv(assignment string) { p.env = append(p.env, assignment) }

// command prepares a program of the person's PATH, in the person's home.
func (p *person) command(name string, args ...string) *exec.Cmd {
	p.t.Helper()
	path := name
	if !strings.Contains(name, "/") {
		path = p.lookPath(name)
	}
	cmd := exec.Command(path, args...)
	cmd.Args[0] = name
	cmd.Dir = p.home
	cmd.Env = p.env
	return cmd
}

func (p *person) lookPath(name string) string {
	p.t.Helper()
	var list string
	for _, assignment := range p.env {
		if value, ok := strings.CutPrefix(assignment, "PATH="); ok {
			list = value
		}
	}
	for _, dir := range filepath.SplitList(list) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	p.t.Fatalf("no %s in %s", name, list)
	return ""
}

// A result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// try runs a command with an input and reports how it ended.
func (p *person) try(stdin, name string, args ...string) result {
	p.t.Helper()
	return finish(p.t, p.command(name, args...), stdin)
}

// run runs a command that is expected to succeed and returns what it printed.
func (p *person) run(stdin, name string, args ...string) string {
	p.t.Helper()
	r := p.try(stdin, name, args...)
	if r.code != 0 {
		p.t.Fatalf("%s %q: exit %d\nstdout: %s\nstderr: %s", name, args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// finish runs a prepared command to its end. A limit far above anything expected turns a
// hang into a failure that names the command.
func finish(t *testing.T, cmd *exec.Cmd, stdin string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if cmd.Stdin == nil {
		cmd.Stdin = strings.NewReader(stdin)
	}
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(hangs, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !overdue.Stop() {
		t.Fatalf("%q still runs after %v\nstdout: %s\nstderr: %s", cmd.Args, hangs, stdout.String(), stderr.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%q: %v", cmd.Args, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// hangs is when a test gives up on something that should have happened long ago.
const hangs = 2 * time.Minute

// deliver empties the queue through the smart host, as a person would.
func (p *person) deliver() {
	p.t.Helper()
	if r := p.try("", "deliver"); r.code != 0 {
		p.t.Fatalf("deliver: exit %d\nstdout: %s\nstderr: %s\n%s", r.code, r.stdout, r.stderr, p.try("", "mailq").stdout)
	}
	if out := p.run("", "mailq"); out != "Mail queue is empty\n" {
		p.t.Fatalf("after deliver: %s", out)
	}
}

// printFigures prints what a long test has counted, and keeps it in the file that ESMTPQ_TEST_FIGURES names:
// go test shows nothing of a test that passes.
func printFigures(t *testing.T, fig fmt.Stringer) {
	fmt.Println(fig)
	name := os.Getenv("ESMTPQ_TEST_FIGURES")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err == nil {
		_, err = fmt.Fprintln(f, fig)
		f.Close()
	}
	if err != nil {
		t.Error(err)
	}
}
