package deliver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"esmtpq/tests/stage"
)

// These tests run the built program, in a throw-away home, against a smart host on loopback.

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }

// hangs is how long a test waits before it gives up on something that should have happened.
const hangs = time.Minute

// A host is a smart host that can be made to wait at the end of each message.
type host struct {
	addr    string
	refuses bool          // each recipient, for good
	ending  chan string   // the content, when its end has come
	answer  chan struct{} // the answer to the end waits for this; closed: no wait

	mu    sync.Mutex
	mails []string
}

// newHost starts a smart host; a patient one answers the end of a message when told.
func newHost(t *testing.T, patient bool) *host {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{addr: l.Addr().String(), ending: make(chan string, 100), answer: make(chan struct{})}
	if !patient {
		close(h.answer)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{h}, nil }))
	server.Domain = "smarthost.test"
	server.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(func() { server.Close() })
	go server.Serve(l)
	return h
}

func (h *host) arrived() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.mails)
}

// ends waits for the end of a message.
func (h *host) ends(t *testing.T) {
	t.Helper()
	select {
	case <-h.ending:
	case <-time.After(hangs):
		t.Fatal("no message has come")
	}
}

type session struct{ h *host }

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Rcpt(string, *smtp.RcptOptions) error {
	if s.h.refuses {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	return nil
}
func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func (s *session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.h.ending <- string(content)
	<-s.h.answer
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.h.mails = append(s.h.mails, string(content))
	return nil
}

// A person has a home and a configuration.
type person struct {
	t    *testing.T
	home string
	env  []string
}

func newPerson(t *testing.T, host string, more ...string) *person {
	t.Helper()
	p := &person{t: t, home: t.TempDir()}
	rc := "identity = me@example.org\nhostname = " + host + "\n" + strings.Join(more, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(p.home, ".esmtprc"), []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	p.env = []string{"HOME=" + p.home, "PATH=" + stage.BinDir(t) + ":/usr/bin:/bin", "TZ=UTC", "ESMTPQ_DELAY=never"}
	return p
}

// command prepares a call of one of our names, or of the shell.
func (p *person) command(stdin, name string, args ...string) *exec.Cmd {
	path := stage.Program(p.t, name)
	if name == "sh" {
		path = "/bin/sh"
	}
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	p.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = p.home, p.env, strings.NewReader(stdin)
	return cmd
}

// run runs a command that must exit with a code, and returns what it printed.
func (p *person) run(code int, stdin, name string, args ...string) string {
	p.t.Helper()
	cmd := p.command(stdin, name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != code {
		p.t.Fatalf("%s %q: %v, want exit status %d\n%s", name, args, err, code, out.String())
	}
	return out.String()
}

const mail = "From: Me <me@example.org>\nTo: friend@example.net\nSubject: hello\n\ntext\n"
