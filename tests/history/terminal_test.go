package history

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"esmtpq/tests/stage"
)

// The list is drawn anew when it changes, and the terminal is given back; programs get no such list.
func TestMailqWatch(t *testing.T) {
	host := newHistoryHost(t)
	p := historian(t, host, "")
	for _, args := range [][]string{{"--watch"}, {"--watch", "--json"}} {
		if r := p.Try("", "mailq", args...); r.Code != 64 || r.Stdout != "" {
			t.Errorf("mailq %q without a terminal: %+v", args, r)
		}
	}
	for _, end := range []string{"q", "\x03"} {
		term := stage.AtTerminal(t, p.Command("mailq", "--watch"))
		term.Await(t, "Mail queue is empty")
		p.Run(historyMail, "sendmail", "friend@example.net")
		term.Await(t, "friend@example.net")
		p.Deliver()
		stage.Await(t, "an empty queue again", func() bool {
			return strings.Count(term.Screen(), "Mail queue is empty") == 2
		})
		term.Type(end)
		if code, screen := term.End(); code != 0 || !strings.HasSuffix(screen, "\x1b[?1049l") {
			t.Errorf("code %d, %q", code, screen)
		}
	}
}

// A person who looks again is told what has become of mail since the last look; a program is not.
func TestMailqTellsNews(t *testing.T) {
	host := newHistoryHost(t)
	p := historian(t, host, "")
	look := func() string {
		_, screen := stage.AtTerminal(t, p.Command("mailq")).End()
		return screen
	}
	p.Run(historyMail, "sendmail", "friend@example.net")
	p.Deliver()
	if got := look(); got != "Mail queue is empty\n" {
		t.Errorf("the first look: %q", got)
	}
	p.Run(historyMail, "sendmail", "friend@example.net")
	p.Run(historyMail, "sendmail", "friend@example.net", "nobody@example.net")
	p.Try("", "deliver")
	if r := p.Try("", "mailq"); r.Stderr != "" || strings.Contains(r.Stdout, "since") {
		t.Errorf("a program is told: %+v", r)
	}
	if got := look(); !strings.Contains(got, "mailq: 2 sent, 1 failed since ") {
		t.Errorf("no news: %q", got)
	}
	if got := look(); strings.Contains(got, "since") {
		t.Errorf("old news: %q", got)
	}
}

// A slowSession takes its time.
type slowSession struct{ *stage.Session }

func (s slowSession) Data(r io.Reader) error {
	time.Sleep(1500 * time.Millisecond)
	return s.Session.Data(r)
}

// A person at a terminal sees how far a long run has come, and nothing of it is left in the end; a program sees nothing.
func TestProgressAtTerminal(t *testing.T) {
	host := stage.NewSmartHost(t, func(s *smtp.Server) {
		inner := s.Backend
		s.Backend = smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
			session, err := inner.NewSession(c)
			if err != nil {
				return nil, err
			}
			return slowSession{session.(*stage.Session)}, nil
		})
	})
	p := historian(t, host, "")
	p.Run(historyMail, "sendmail", "friend@example.net", "other@example.net")
	p.Run(historyMail, "sendmail", "friend@example.net")
	code, screen := stage.AtTerminal(t, p.Command("deliver")).End()
	if code != 0 || !strings.Contains(screen, "deliver: 0 of 2 messages, ") || !strings.Contains(screen, "to friend@example.net and 1 more") || !strings.HasSuffix(screen, "\r\x1b[K") {
		t.Errorf("code %d: %q", code, screen)
	}
	p.Run(historyMail, "sendmail", "friend@example.net")
	p.Succeeds(p.Command("deliver"), "")
}
