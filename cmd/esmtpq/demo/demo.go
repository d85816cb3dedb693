// Package demo shows the whole way of a message.
package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/process"
)

const demoMessage = `From: You <you@example.org>
To: A Friend <friend@example.com>
Subject: It works

This mail went into the queue, and out of it to a smart host.
`

// Verb shows the whole way of a message, with a home directory and a smart host on loopback that
// exist only for this. Nothing leaves the machine.
func Verb(c *door.Call) error {
	if c.AsksHelp() {
		return c.Help("")
	}
	home, err := os.MkdirTemp("", "esmtpq-demo-")
	if err != nil {
		return exit.Fail(exit.CantCreat, "demo: %w", err)
	}
	defer os.RemoveAll(home)
	host, err := startDemoHost()
	if err != nil {
		return exit.Fail(exit.OSErr, "demo: %w", err)
	}
	defer host.close()
	d := &demo{c: c, home: home}
	if err := d.configure(host.addr); err != nil {
		return exit.Fail(exit.CantCreat, "demo: %w", err)
	}
	d.say("A smart host listens on %s; ~/.esmtprc names it:", host.addr)
	d.run("", "cat", ".esmtprc")
	d.say("A mail is handed to sendmail, which puts it into the queue:")
	d.run(demoMessage, "sendmail", "-t")
	d.say("There it is:")
	d.run("", "mailq")
	d.say("Deliver it:")
	d.run("", "deliver")
	d.run("", "mailq")
	if d.err != nil {
		return d.err
	}
	received := host.received()
	if len(received) != 1 {
		return exit.Fail(exit.Software, "demo: the smart host received %d messages, not 1", len(received))
	}
	d.say("What the smart host received:")
	_, err = io.WriteString(c.Out, received[0])
	return err
}

// A demo runs the program's names as a person at a terminal would.
type demo struct {
	c    *door.Call
	home string
	err  error
}

func (d *demo) say(format string, args ...any) {
	if d.err == nil {
		fmt.Fprintf(d.c.Out, "\n"+format+"\n\n", args...)
	}
}

// configure writes the configuration and puts our names into ~/bin.
func (d *demo) configure(addr string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	bin := filepath.Join(d.home, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"sendmail", "deliver", "mailq"} {
		if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	rc := "hostname = " + addr + "\n"
	return os.WriteFile(filepath.Join(d.home, ".esmtprc"), []byte(rc), 0o600)
}

// run shows a command and runs it, in the demo's home directory.
func (d *demo) run(input, name string, args ...string) {
	if d.err != nil {
		return
	}
	fmt.Fprintf(d.c.Out, "$ %s\n", strings.Join(append([]string{name}, args...), " "))
	path := filepath.Join(d.home, "bin", name)
	if name == "cat" {
		path = "/bin/cat"
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = d.home
	cmd.Stdin = strings.NewReader(input)
	cmd.Stdout, cmd.Stderr = d.c.Out, d.c.Err
	// The person's own set-up is left out, and deliver runs when the demo says so.
	env := os.Environ()
	for _, v := range [][2]string{
		{"HOME", d.home}, {"ESMTPQ_DELAY", "never"}, {"ESMTPQ_TIMEOUT", "10s"},
		{"ESMTPQ_CONFIG", ""}, {"XDG_CONFIG_HOME", ""},
	} {
		env = process.Setenv(env, v[0], v[1])
	}
	cmd.Env = env
	if err := cmd.Run(); err != nil {
		d.err = exit.Fail(exit.Software, "demo: %s: %w", name, err)
	}
}

// A demoHost is a smart host that keeps what it receives in memory.
type demoHost struct {
	addr   string
	server *smtp.Server

	mu       sync.Mutex
	messages []string
}

func startDemoHost() (*demoHost, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &demoHost{addr: l.Addr().String()}
	h.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &demoSession{h: h}, nil }))
	h.server.Domain = "smarthost.example.org"
	h.server.ReadTimeout, h.server.WriteTimeout = 10*time.Second, 10*time.Second
	h.server.MaxMessageBytes, h.server.MaxRecipients = 1<<20, 10
	go h.server.Serve(l)
	return h, nil
}

func (h *demoHost) close() { h.server.Close() }

func (h *demoHost) received() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.messages
}

// A demoSession is one SMTP session of the demo's smart host.
type demoSession struct {
	h        *demoHost
	envelope strings.Builder
}

func (s *demoSession) Mail(from string, _ *smtp.MailOptions) error {
	s.envelope.Reset()
	fmt.Fprintf(&s.envelope, "MAIL FROM:<%s>\n", from)
	return nil
}

func (s *demoSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	fmt.Fprintf(&s.envelope, "RCPT TO:<%s>\n", to)
	return nil
}

func (s *demoSession) Data(r io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return errors.New("message was cut short")
	}
	text := s.envelope.String() + "\n" + string(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.h.messages = append(s.h.messages, text)
	return nil
}

func (s *demoSession) Reset()        { s.envelope.Reset() }
func (s *demoSession) Logout() error { return nil }
