package mutate

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// limit is how long the tests may take with one fault; a fault that makes them hang is caught.
const limit = 5 * time.Minute

func all() []fault {
	return slices.Concat(queueFaults, mdaFaults, smtpdFaults, watchFaults, relayFaults, identityFaults, setupFaults)
}

// A text that no longer exists or occurs twice, and a test that was renamed, are noticed.
func TestFaultsFindTheirPlace(t *testing.T) {
	root := stage.Source(t, "")
	names := map[string]bool{}
	for _, f := range all() {
		if _, _, err := f.site(root); err != nil {
			t.Errorf("%v: %v", &f, err)
		}
		if names[f.String()] || f.old == f.new || len(f.tests) == 0 {
			t.Errorf("%v: twice, or without a change or a test", &f)
		}
		names[f.String()] = true
		for _, want := range f.tests {
			if _, err := want.dir(root); err != nil {
				t.Errorf("%v: %v", &f, err)
			}
		}
	}
}

// Each fault is caught by every test that is named with it. By default, three faults are made
// that take seconds: the tests of the built program can take minutes.
func TestFaultsAreCaught(t *testing.T) {
	stage.NeedsCompiler(t)
	faults := all()
	if !stage.Long() {
		faults = slices.DeleteFunc(faults, fault.takesLong)
	}
	rand.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	for _, f := range faults[:stage.Pick(3, len(faults))] {
		t.Run(f.String(), func(t *testing.T) { f.isCaught(t) })
	}
}

// takesLong reports whether catching the fault takes the built program.
func (f fault) takesLong() bool {
	return slices.ContainsFunc(f.tests, func(t test) bool { return strings.HasPrefix(t.room, "tests/") })
}

func (f *fault) isCaught(t *testing.T) {
	root := stage.Source(t, "")
	path, changed, err := f.site(root)
	if err != nil {
		t.Fatal(err)
	}
	file, err := overlay(t.TempDir(), path, changed)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range f.tests {
		dir, err := want.dir(root)
		if err != nil {
			t.Fatal(err)
		}
		if out, failed := runTest(t, dir, want.name, file); !failed {
			t.Errorf("%s passes although %s (%s):\n%s", want.name, f.name, filepath.Base(path), out)
		}
	}
}

// runTest runs one test with an overlay, and reports whether it fails. A fault that cannot be
// compiled proves nothing, and is a mistake.
func runTest(t *testing.T, dir, name, overlay string) (out string, failed bool) {
	t.Helper()
	cmd := exec.Command("go", "test", "-count=1", "-failfast", "-timeout", limit.String(),
		"-run", anchored(name), ".")
	cmd.Dir = dir
	// The environment carries the overlay, so that a test that builds the program builds it with
	// the fault, too.
	flags := strings.TrimSpace(os.Getenv("GOFLAGS") + " -overlay=" + overlay)
	cmd.Env = append(os.Environ(), "GOFLAGS="+flags)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = time.Second // processes left by a test may hold the output open
	err := cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // processes that a fault has left running
	out = output.String()
	for _, trouble := range []string{"[build failed]", "[setup failed]", "no tests to run", "go build: exit"} {
		if strings.Contains(out, trouble) {
			t.Fatalf("%s: %s\n%s", name, trouble, out)
		}
	}
	return out, err != nil
}

// anchored turns the name of a test, with or without a subtest, into a pattern that matches no
// other test.
func anchored(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + part + "$"
	}
	return strings.Join(parts, "/")
}
