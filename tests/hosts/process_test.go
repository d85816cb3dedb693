package hosts

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A process is a server that the test has started.
type process struct {
	cmd *exec.Cmd
	log string
}

// start starts a server until the test ends. Its output is shown if the test fails.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd, filepath.Join(t.TempDir(), "log")}
	output, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop()
		output.Close()
		if said, _ := os.ReadFile(p.log); t.Failed() {
			t.Logf("%s says:\n%s", filepath.Base(cmd.Path), tail(said, 1500))
		}
	})
	return p
}

// ended reports whether the process has ended by itself.
func (p *process) ended() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}

// stop ends the process, and in a namespace all processes there: the first one does not die with
// its parent if it has changed its user.
func (p *process) stop() {
	for _, pid := range children(p.cmd.Process.Pid) {
		kill(pid)
	}
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func tail(text []byte, n int) []byte {
	if len(text) <= n {
		return text
	}
	return append([]byte("[...] "), text[len(text)-n:]...)
}

// write writes a file that everybody may read, and makes its directories.
func write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
