//go:build linux

package homes

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"esmtpq/tests/stage"
)

// A host is a smart host that can wait when it has a whole message, before it says so.
type host struct {
	*stage.SmartHost
	mu       sync.Mutex
	sessions int
	waits    chan chan struct{} // it has a message, and goes on when the other channel is closed
}

func newHost(t *testing.T) *host {
	h := &host{}
	h.SmartHost = stage.NewSmartHost(t, func(s *smtp.Server) {
		inner := s.Backend
		s.Backend = smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.sessions++
			session, err := inner.NewSession(c)
			return &hostSession{session.(*stage.Session), h}, err
		})
	})
	return h
}

type hostSession struct {
	*stage.Session
	host *host
}

func (s *hostSession) Data(r io.Reader) error {
	err := s.Session.Data(r)
	s.host.mu.Lock()
	waits := s.host.waits
	s.host.waits = nil
	s.host.mu.Unlock()
	if err == nil && waits != nil {
		goOn := make(chan struct{})
		waits <- goOn
		<-goOn
	}
	return err
}

// Rcpt refuses for now whoever begins with "later".
func (s *hostSession) Rcpt(to string, opt *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "later") {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "come again"}
	}
	return s.Session.Rcpt(to, opt)
}

// deliverAnd runs deliver, and does something while the host has the first message and has not
// answered yet. It does that on the goroutine of the test, which has the namespace.
func (h *host) deliverAnd(p *stage.Person, act func()) stage.Result {
	p.T.Helper()
	waits := make(chan chan struct{}, 1)
	h.mu.Lock()
	h.waits = waits
	h.mu.Unlock()
	var said bytes.Buffer
	cmd := p.Command("deliver")
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		p.T.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case goOn := <-waits:
		act()
		close(goOn)
		select {
		case <-ended:
		case <-time.After(stage.Limit):
			cmd.Process.Kill()
			p.T.Fatalf("deliver has not ended: %s", &said)
		}
	case <-ended:
		p.T.Fatalf("deliver has sent nothing: %s", &said)
	case <-time.After(stage.Limit):
		cmd.Process.Kill()
		p.T.Fatalf("deliver has sent nothing: %s", &said)
	}
	return stage.Result{Code: cmd.ProcessState.ExitCode(), Stderr: said.String()}
}

// called returns how many sessions there were.
func (h *host) called() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions
}

// newPerson makes a person whose home is a new directory in dir, who sends by a host.
func newPerson(t *testing.T, dir string, h *host) *stage.Person {
	t.Helper()
	p := stage.NewPerson(t)
	p.Home = filepath.Join(dir, "home")
	if err := os.Mkdir(p.Home, 0o700); err != nil {
		t.Fatal(err)
	}
	moveTo(p, p.Home)
	p.Write(".esmtprc", strings.Join(stage.Identity(h.SmartHost), "\n")+"\n")
	return p
}

// moveTo makes a directory the person's home.
func moveTo(p *stage.Person, home string) {
	p.Home = home
	p.Setenv("HOME=" + home)
}

// submit submits a message and returns its queue ID.
func submit(p *stage.Person, content string, rcpts ...string) string {
	p.T.Helper()
	before := entries(p)
	p.Run(content, "sendmail", append([]string{"-i", "--"}, rcpts...)...)
	for _, name := range entries(p) {
		if !strings.Contains(strings.Join(before, " "), name) {
			return name
		}
	}
	p.T.Fatal("nothing was queued")
	return ""
}

// entries returns the names in the queue that are not ours to keep there.
func entries(p *stage.Person) []string {
	var names []string
	all, _ := os.ReadDir(p.Path(".esmtp_queue"))
	for _, e := range all {
		switch e.Name() {
		case ".lock", ".wakeup", ".parked", ".agenda", ".edited", ".last", ".sessions", ".sent", ".unsendable", ".history":
		default:
			names = append(names, e.Name())
		}
	}
	return names
}

// gone checks that the queue is empty, and that nobody is told anything any more.
func gone(p *stage.Person) {
	p.T.Helper()
	if left := entries(p); len(left) > 0 {
		p.T.Errorf("left in the queue: %q", left)
	}
	r := p.Try("", "deliver")
	if r.Code != 0 || r.Stderr != "" {
		p.T.Errorf("deliver: %+v", r)
	}
	if out := p.Run("", "mailq"); out != "Mail queue is empty\n" {
		p.T.Errorf("mailq: %s", out)
	}
}

// arrived checks how many messages have arrived.
func arrived(t *testing.T, h *host, n int) {
	t.Helper()
	if got := len(h.Received()); got != n {
		t.Errorf("%d messages arrived, want %d", got, n)
	}
}

// says checks an exit status, and that words are said.
func says(t *testing.T, r stage.Result, code int, words ...string) {
	t.Helper()
	if r.Code != code {
		t.Errorf("exit %d, want %d: %q", r.Code, code, r.Stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.Stdout+r.Stderr, word) {
			t.Errorf("%q is not said: %q %q", word, r.Stdout, r.Stderr)
		}
	}
}
