package localmda

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// workingDirectory is the user's home, else the root directory.
func workingDirectory() string {
	if home, err := os.UserHomeDir(); err == nil {
		// The dot takes the right to enter it.
		if info, err := os.Stat(home + "/."); err == nil && info.IsDir() {
			return home
		}
	}
	return "/"
}

// openOutput returns a file without a name for the agent's output: whatever it puts
// into the background would keep a pipe open. Where none can be made (a full disk),
// the output goes to /dev/null, for mail may well go to another disk.
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

// maxLastLine bounds what is kept of the agent's last line, in octets.
const maxLastLine = 500

// lastLine returns the last line of the agent's output that is not empty.
func lastLine(f *os.File) string {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	buf := make([]byte, maxLastLine)
	n, _ := f.ReadAt(buf, max(info.Size()-maxLastLine, 0))
	text := strings.TrimSpace(string(buf[:n]))
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
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
