//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"esmtpq/bench/internal/sink"
)

// patience ends any single measurement.
const patience = 5 * time.Minute

// A bench has what the measures share.
type bench struct {
	*settings
	rec      *recorder
	programs []*program // esmtpq first
	server   *tls.Config
	client   *tls.Config
	port     int // the last one that was given out
	moved    int // how much was set aside
}

func newBench(s *settings) (*bench, error) {
	if err := loopbackUp(); err != nil {
		return nil, fmt.Errorf("loopback: %w", err)
	}
	b := &bench{settings: s, port: 2000}
	authority, server, err := sink.Certificate()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(b.authority(), authority, 0o644); err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	b.server, b.client = server, &tls.Config{RootCAs: pool, ServerName: "localhost"}
	b.programs = append(b.programs, esmtpq(b, "home", "ESMTPQ_DELAY=never"))
	b.programs = append(b.programs, b.peers()...)
	b.rec, err = newRecorder(s.out)
	return b, err
}

// close ends everything that newBench has begun.
func (b *bench) close() {
	b.endAll()
	for _, p := range b.programs {
		p.processes.remove()
	}
	b.rec.close()
}

// chart draws the delivery over long links, if that was measured, next to the observations.
func (b *bench) chart() error {
	if len(b.rec.rows("link")) == 0 {
		return nil
	}
	name := strings.TrimSuffix(b.out, ".jsonl") + ".svg"
	in, err := os.Open(b.out)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	c := exec.Command(filepath.Join(b.bin, "chart"))
	c.Stdin, c.Stdout, c.Stderr = in, out, os.Stderr
	if err := c.Run(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "the chart is", name)
	return out.Close()
}

// authority is the file with the certificate of the smart host.
func (b *bench) authority() string { return filepath.Join(b.work, "ca.pem") }

// log is the file for the output of commands.
func (b *bench) log() string { return filepath.Join(b.work, "log") }

// loopbackUp starts the loopback interface of a new network namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// nextPort returns a port that nothing has used yet. It is below those that clients get.
func (b *bench) nextPort() int {
	b.port++
	return b.port
}

// endAll ends every other process of the namespace.
func (b *bench) endAll() {
	if os.Getpid() != 1 {
		return
	}
	syscall.Kill(-1, syscall.SIGKILL)
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err == syscall.ECHILD {
			return
		}
	}
}

// usage is the resources that a command took.
type usage struct {
	wall, cpu time.Duration
	peak      int64 // KiB
}

// An exitStatus is an exit status other than 0.
type exitStatus int

// waits is the exit status of a queue run that leaves mail behind.
const waits exitStatus = 75

func (s exitStatus) Error() string { return fmt.Sprintf("ended with status %d", int(s)) }

// A place is where commands are run.
type place struct {
	env   []string
	root  string // their root directory; "" is the machine's
	group string // the control group they are in; "" is ours
}

// once runs a command with the file stdin as its input; the command must succeed.
func (b *bench) once(at place, stdin string, command ...string) (usage, error) {
	c := b.onceCommand(at, stdin, command...)
	out, err := c.Output()
	return parseUsage(command[0], out, err)
}

func (b *bench) onceCommand(at place, stdin string, command ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(b.bin, "once"), append([]string{at.root, at.group, stdin, b.log()}, command...)...)
	c.Env, c.Dir, c.Stderr = at.env, b.work, os.Stderr
	return c
}

func parseUsage(name string, out []byte, err error) (usage, error) {
	if err != nil {
		return usage{}, fmt.Errorf("%s: %w", name, err)
	}
	var wall, user, system, peak, status int64
	if _, err := fmt.Sscan(string(out), &wall, &user, &system, &peak, &status); err != nil {
		return usage{}, fmt.Errorf("once %s: %w", name, err)
	}
	u := usage{time.Duration(wall), time.Duration(user + system), peak}
	if status != 0 {
		return u, fmt.Errorf("%s: %w", name, exitStatus(status))
	}
	return u, nil
}

// message returns a message with a number, of about the given size, with LF line ends.
func message(number, size int) []byte {
	var m bytes.Buffer
	fmt.Fprintf(&m, "From: Author <author@example.org>\nTo: reader@example.com\nSubject: message %d\n", number)
	fmt.Fprintf(&m, "Date: Sat, 21 Nov 2026 20:00:00 +0000\nMessage-ID: <%d@example.org>\nX-Seq: %d\n\n", number, number)
	const line = "This is a line of text as people write them, of some seventy octets.\n"
	for m.Len()+len(line) <= size {
		m.WriteString(line)
	}
	return m.Bytes()
}

// messageFile writes a message to a file and returns its name.
func (b *bench) messageFile(size int) (string, error) {
	name := filepath.Join(b.work, fmt.Sprintf("message-%d", size))
	return name, os.WriteFile(name, message(1, size), 0o644)
}

// empty empties a directory, or makes it if it does not exist.
func empty(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// crlf returns a message as it is on the wire.
func crlf(m []byte) []byte { return bytes.ReplaceAll(m, []byte("\n"), []byte("\r\n")) }

// tail returns the end of the output of commands, for an error.
func (b *bench) tail() string {
	f, err := os.Open(b.log())
	if err != nil {
		return ""
	}
	defer f.Close()
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		f.Seek(max(end-500, 0), io.SeekStart)
	}
	text, _ := io.ReadAll(f)
	return string(bytes.TrimSpace(text))
}
