package stage

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

// A Person has a home, a configuration, and ~/bin with our names.
type Person struct {
	T    testing.TB
	Home string
	env  []string
}

// NewPerson makes a home whose ~/.esmtprc has these lines; without lines there is no such file.
// Nothing is sent until deliver is called.
func NewPerson(t testing.TB, esmtprc ...string) *Person {
	t.Helper()
	p := &Person{T: t, Home: newHome(t)}
	if err := os.Symlink(BinDir(t), filepath.Join(p.Home, "bin")); err != nil {
		t.Fatal(err)
	}
	if esmtprc != nil {
		p.Write(".esmtprc", strings.Join(esmtprc, "\n")+"\n")
	}
	p.env = []string{
		"HOME=" + p.Home,
		"PATH=" + filepath.Join(p.Home, "bin") + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
		"LANG=C.UTF-8", "TERM=xterm", "TZ=UTC",
		"ESMTPQ_DELAY=never",
	}
	return p
}

// newHome makes a directory, which is removed at the end of the test, even while some process of the
// person's is at its end and still writes into it.
func newHome(t testing.TB) string {
	t.Helper()
	plain := func(r rune) rune {
		if r < 'A' || r > 'z' || r > 'Z' && r < 'a' {
			return -1
		}
		return r
	}
	name := strings.Map(plain, t.Name())
	dir, err := os.MkdirTemp("", name[:min(len(name), 60)])
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end := time.Now().Add(Limit)
		for err := os.RemoveAll(dir); err != nil; err = os.RemoveAll(dir) {
			if time.Now().After(end) {
				t.Error(err)
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return dir
}

// Identity returns the configuration of a person who sends as me@example.org through host.
func Identity(host *SmartHost) []string {
	return []string{"identity = me@example.org", "hostname = " + host.Addr}
}

// Path returns the path of a file in the home.
func (p *Person) Path(name string) string { return filepath.Join(p.Home, name) }

// Write writes a file in the home that only its owner can read, and makes its directories.
func (p *Person) Write(name, content string) {
	p.T.Helper()
	if err := os.MkdirAll(filepath.Dir(p.Path(name)), 0o700); err != nil {
		p.T.Fatal(err)
	}
	if err := os.WriteFile(p.Path(name), []byte(content), 0o600); err != nil {
		p.T.Fatal(err)
	}
}

// WriteScript writes an executable file and returns its path.
func (p *Person) WriteScript(name, content string) string {
	p.T.Helper()
	p.Write(name, content)
	if err := os.Chmod(p.Path(name), 0o700); err != nil {
		p.T.Fatal(err)
	}
	return p.Path(name)
}

// Setenv sets a variable in the person's environment; the last one of a name counts.
func (p *Person) Setenv(assignment string) { p.env = append(p.env, assignment) }

// Getenv returns a variable of the person's environment.
func (p *Person) Getenv(name string) (value string) {
	for _, assignment := range p.env {
		if v, ok := strings.CutPrefix(assignment, name+"="); ok {
			value = v
		}
	}
	return value
}

// Command prepares a program on the person's PATH, to run in the person's home.
func (p *Person) Command(name string, args ...string) *exec.Cmd {
	p.T.Helper()
	path := name
	if !strings.Contains(name, "/") {
		path = p.LookPath(name)
	}
	cmd := exec.Command(path, args...)
	cmd.Args[0] = name
	cmd.Dir = p.Home
	cmd.Env = p.env
	return cmd
}

// LookPath finds a program on the person's PATH.
func (p *Person) LookPath(name string) string {
	p.T.Helper()
	list := p.Getenv("PATH")
	for _, dir := range filepath.SplitList(list) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	p.T.Fatalf("no %s in %s", name, list)
	return ""
}

// A Result is how a command ended.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Try runs a command with an input and reports how it ended.
func (p *Person) Try(stdin, name string, args ...string) Result {
	p.T.Helper()
	return Finish(p.T, p.Command(name, args...), stdin)
}

// Run runs a command that is expected to succeed and returns what it printed.
func (p *Person) Run(stdin, name string, args ...string) string {
	p.T.Helper()
	r := p.Try(stdin, name, args...)
	if r.Code != 0 {
		p.T.Fatalf("%s %q: exit %d\nstdout: %s\nstderr: %s", name, args, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// Finish runs a prepared command to its end. A limit far above anything expected turns a hang
// into a failure that names the command.
func Finish(t testing.TB, cmd *exec.Cmd, stdin string) Result {
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
	overdue := time.AfterFunc(Limit, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !overdue.Stop() {
		t.Fatalf("%q still runs after %v\nstdout: %s\nstderr: %s", cmd.Args, Limit, &stdout, &stderr)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%q: %v", cmd.Args, err)
	}
	return Result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// Deliver empties the queue through the smart host, as a person would.
func (p *Person) Deliver() {
	p.T.Helper()
	if r := p.Try("", "deliver"); r.Code != 0 {
		p.T.Fatalf("deliver: exit %d\nstdout: %s\nstderr: %s\n%s",
			r.Code, r.Stdout, r.Stderr, p.Try("", "mailq").Stdout)
	}
	// A background run at that moment takes the work over.
	Await(p.T, "an empty queue", func() bool { return p.Run("", "mailq") == "Mail queue is empty\n" })
}

// AwaitQueued waits until n messages are in the queue, for callers that do not wait themselves.
func (p *Person) AwaitQueued(n int) {
	p.T.Helper()
	want := fmt.Sprintf("in %d Request", n)
	Await(p.T, want, func() bool { return strings.Contains(p.Run("", "mailq"), want) })
}

// Waits submits a message, tries to deliver it, and checks that it stays, with a reason.
func (p *Person) Waits(reason string) {
	p.T.Helper()
	p.Run("text\n", "sendmail", "-i", "friend@example.net")
	r := p.Try("", "deliver")
	if r.Code != 75 || !strings.Contains(r.Stderr, reason) {
		p.T.Errorf("deliver: exit %d, %q; want 75 and a reason with %q", r.Code, r.Stderr, reason)
	}
	listing := p.Run("", "mailq")
	if !strings.Contains(listing, "in 1 Request.") || !strings.Contains(listing, reason) {
		p.T.Errorf("mailq does not show %q:\n%s", reason, listing)
	}
	if said := r.Stdout + r.Stderr + listing; strings.Contains(said, "horse") {
		p.T.Errorf("the password shows in %q", said)
	}
}

// Succeeds runs a command that must succeed silently.
func (p *Person) Succeeds(cmd *exec.Cmd, stdin string) {
	p.T.Helper()
	if r := Finish(p.T, cmd, stdin); r != (Result{}) {
		p.T.Fatalf("%q: exit %d, printed %q and %q", cmd.Args, r.Code, r.Stdout, r.Stderr)
	}
}
