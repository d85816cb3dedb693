package owner_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }

// esmtpq returns a function that runs the program without a terminal, in a home with mail for
// some recipients. The function checks the exit status and returns what is printed.
func esmtpq(t *testing.T, recipients ...string) func(code int, args ...string) string {
	t.Helper()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".esmtprc"), []byte("identity = me@example.org\nhostname = localhost:25\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(code int, args ...string) string {
		t.Helper()
		cmd := exec.Command(stage.Program(t, "esmtpq"), args...)
		cmd.Env = []string{"HOME=" + home, "PATH=/usr/bin:/bin", "ESMTPQ_DELAY=never", "TZ=UTC"}
		cmd.Dir, cmd.Stdin = home, strings.NewReader("From: me@example.org\n\ntext\n")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
			t.Fatalf("esmtpq %q: %v, want exit status %d\n%s", args, err, code, out.String())
		}
		return out.String()
	}
	for _, rcpt := range recipients {
		run(0, "sendmail", rcpt)
	}
	return run
}

// "last" names the mail that was submitted last; mail that was not named needs --yes.
func TestRemoveLast(t *testing.T) {
	run := esmtpq(t, "first@example.net", "second@example.net", "third@example.net")
	run(0, "rm", "last")
	if out := run(0, "mailq"); strings.Contains(out, "third@") || !strings.Contains(out, "second@") {
		t.Errorf("behind rm last:\n%s", out)
	}
	for _, args := range [][]string{{"rm", "all"}, {"rm", "--recipient", "second"}, {"rm", "--older", "1ms"}} {
		if out := run(64, args...); !strings.Contains(out, "--yes") {
			t.Errorf("%q says %s", args, out)
		}
	}
	if out := run(0, "mailq", "--count"); out != "2\n" {
		t.Errorf("%s are left", out)
	}
}

// An age that is too large for a duration does not mean any age.
func TestRemoveOlderThanTime(t *testing.T) {
	run := esmtpq(t, "first@example.net")
	for _, age := range []string{"200000d", "106752d", "-1d", "-3h", "0d"} {
		if out := run(64, "rm", "all", "--older", age, "--yes"); !strings.Contains(out, "--older "+age) {
			t.Errorf("says %s", out)
		}
	}
	run(0, "rm", "all", "--older", "100000d", "--yes")
	if out := run(0, "mailq", "--count"); out != "1\n" {
		t.Errorf("%s are left", out)
	}
}

// What is a value of an option is not a request for help, nor another option.
func TestValuesAreNoOptions(t *testing.T) {
	run := esmtpq(t, "first@example.net")
	for _, args := range [][]string{
		{"retry", "--to", "--help", "last"}, {"rm", "--sender", "--help", "all"}, {"hold", "--recipient", "--help"},
		{"release", "--older", "--help"}, {"deliver", "--sender", "--help"}, {"deliver", "-C", "--older", "--help=x"},
		{"explain", "--message", "--help"}, {"mailq", "-X", "--help", "-Z"}, {"probe", "-C", "--json"},
	} {
		cmd := exec.Command(stage.Program(t, "esmtpq"), args...)
		cmd.Env, cmd.Dir = []string{"HOME=" + t.TempDir()}, t.TempDir()
		if out, err := cmd.CombinedOutput(); err == nil && args[0] != "deliver" || strings.HasPrefix(string(out), "Usage:") {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
	if out := run(0, "mailq", "-L", "--json"); !strings.HasPrefix(out, "-Queue ID-") {
		t.Errorf("mailq -L --json says %s", out)
	}
	if out := run(0, "explain", "-F", "--message", "a@example.net"); !strings.HasPrefix(out, "a@example.net") {
		t.Errorf("explain -F --message says %s", out)
	}
	if out := run(0, "sendmail", "-F", "--help", "second@example.net"); out != "" {
		t.Errorf("sendmail -F --help says %s", out)
	}
}

// Each verb has help.
func TestHelp(t *testing.T) {
	run := esmtpq(t)
	for verb, option := range map[string]string{"rm": "--yes", "show": "--raw", "hold": "--older", "retry": "last"} {
		help := run(0, verb, "--help")
		if !strings.HasPrefix(help, "Usage: "+verb+" ") || !strings.Contains(help, option) {
			t.Errorf("%s --help says\n%s", verb, help)
		}
		if other := run(0, "help", verb); other != help {
			t.Errorf("help %s says\n%s", verb, other)
		}
	}
	for _, verb := range []string{"explain", "check-message", "config", "demo", "version"} {
		if help := run(0, verb, "--help"); !strings.HasPrefix(help, "Usage: "+verb) {
			t.Errorf("%s --help says\n%s", verb, help)
		}
	}
}
