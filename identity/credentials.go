package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// passwordTimeout bounds a password command: long enough for a person to
	// answer its dialogue.
	passwordTimeout = 60 * time.Second
	// passwordLinger is how long after the command's end its output is waited
	// for: an agent that it started may keep the pipe open for ever.
	passwordLinger = 500 * time.Millisecond

	maxPassword = 64 << 10 // octets of a password command's output
	maxRemark   = 200      // octets of its last word on stderr
)

// ErrSecretUnavailable is what the error of Credentials wraps when the
// password cannot be had at the moment: a locked keyring, no agent, nobody
// to answer. It is no verdict of the host; the identity's mail waits.
var ErrSecretUnavailable = errors.New("password unavailable")

// Credentials returns the user name and password to authenticate with; both
// are empty where the identity has none. A password command is run anew each
// time, by /bin/sh, with this process's environment (so it finds GPG_TTY,
// DISPLAY and the agents' sockets), /dev/null as its stdin, in a process group
// that is killed when ctx ends or after 60 seconds. The password is the first
// line it prints. Every error wraps ErrSecretUnavailable.
func (id *Identity) Credentials(ctx context.Context) (user, password string, err error) {
	if id.PasswordCommand == "" {
		return id.Username, id.Password.Reveal(), nil
	}
	password, err = runPasswordCommand(ctx, id.PasswordCommand)
	if err != nil {
		return "", "", fmt.Errorf("%w: identity %s: %w", ErrSecretUnavailable, id.Name, err)
	}
	return id.Username, password, nil
}

// runPasswordCommand returns the first line that the command prints.
func runPasswordCommand(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	var stdout, stderr boundedBuffer
	stdout.limit = maxPassword
	stderr.limit, stderr.tail = 4096, true

	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = passwordLinger
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A delivery in the background is in another directory than one that is typed.
	if home := os.Getenv("HOME"); filepath.IsAbs(home) {
		if info, err := os.Stat(home + "/."); err == nil && info.IsDir() {
			cmd.Dir = home
		}
	}
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it succeeded, and left something behind that holds the pipe
	}
	line, _, ended := bytes.Cut(stdout.bytes(), []byte("\n"))
	password := strings.TrimSuffix(string(line), "\r")

	switch {
	case ctx.Err() != nil && err != nil:
		err = errors.New("the password command did not end in time")
	case err != nil:
		err = fmt.Errorf("the password command failed: %v", err)
	case !ended && stdout.full:
		err = fmt.Errorf("the password command printed a line longer than %d octets", maxPassword)
	case password == "":
		err = errors.New("the password command printed nothing")
	case strings.Contains(password, "\x00"):
		err = errors.New("the password command printed a NUL octet")
	default:
		return password, nil
	}
	if remark := lastLine(stderr.bytes()); remark != "" {
		if password != "" {
			remark = strings.ReplaceAll(remark, password, Mask)
		}
		err = fmt.Errorf("%v: %s", err, remark)
	}
	return "", err
}

// lastLine returns the last line that is not blank, shortened.
func lastLine(b []byte) string {
	b = bytes.TrimSpace(b)
	b = bytes.TrimSpace(b[bytes.LastIndexByte(b, '\n')+1:])
	if len(b) > maxRemark {
		b = b[:maxRemark]
	}
	return string(b)
}
