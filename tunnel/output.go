package tunnel

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// maxOutput bounds what is kept of a command's output, in octets.
const maxOutput = 1024

// An ExitError says that a command ended with a non-zero exit status or by a
// signal, and what it said last.
type ExitError struct {
	Name   string         // what was run: "preconnect", or the program's name
	Status int            // exit status; -1 where a signal ended it
	Signal syscall.Signal // the signal; 0 where it exited by itself
	Output string         // the last lines of its output, at most 1 kB, any octets
}

func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit status %d", e.Status)
	if e.Signal != 0 {
		how = "ended by signal: " + e.Signal.String()
	}
	return e.Name + ": " + how + suffix(e.Output)
}

// exitError returns the error for how a command ended, nil for exit status 0.
func exitError(name string, state *os.ProcessState, output *os.File) error {
	if state.Success() {
		return nil
	}
	e := &ExitError{Name: name, Status: state.ExitCode(), Output: lastLines(output)}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal()
	}
	return e
}

// suffix puts lines of output on the end of an error text.
func suffix(output string) string {
	if output == "" {
		return ""
	}
	return ": " + strings.ReplaceAll(output, "\n", "; ")
}

// openOutput returns a file without a name for a command's output. Where none
// can be made (a full disk), the output goes to /dev/null: better a failure
// without words than mail that cannot leave.
func openOutput() (*os.File, error) {
	f, err := os.CreateTemp("", "esmtpq-output-")
	if err != nil {
		return os.OpenFile(os.DevNull, os.O_RDWR, 0)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lastLines returns the end of a command's output: whole lines as far as they fit
// into maxOutput, without empty ones. It reads by position, for the descriptor's own
// offset is shared with the command.
func lastLines(f *os.File) string {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	start := max(info.Size()-maxOutput, 0)
	buf := make([]byte, maxOutput)
	n, _ := f.ReadAt(buf, start)
	text := string(buf[:n])
	if start > 0 {
		if _, whole, ok := strings.Cut(text, "\n"); ok && whole != "" {
			text = whole
		}
	}
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// detach makes cmd run in a session, and so in a process group, of its own, and keeps
// descriptors from it that we were ourselves started with. Those that Go opens are
// closed on exec already; what our caller left open is not.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// killGroup sends sig to every process of cmd's group.
func killGroup(cmd *exec.Cmd, sig syscall.Signal) error {
	return syscall.Kill(-cmd.Process.Pid, sig)
}
