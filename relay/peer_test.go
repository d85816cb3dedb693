package relay_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"esmtpq/identity"
	"esmtpq/queue"
	"esmtpq/relay"
)

// A peer is a smart host that uses another project's SMTP server. It wants a login.
type peer struct {
	tlsVersion uint16            // the one to speak; 0 for the best
	settings   func(*tls.Config) // changes those of TLS; nil for none

	mu       sync.Mutex
	sessions int
	states   []tls.ConnectionState
	got      []string // contents, in order of arrival
	to       []string // recipients, likewise
}

// NewSession implements smtp.Backend.
func (p *peer) NewSession(conn *smtp.Conn) (smtp.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions++
	return &peerSession{peer: p, conn: conn}, nil
}

type peerSession struct {
	peer   *peer
	conn   *smtp.Conn
	authed bool
	to     []string
}

// AuthMechanisms implements smtp.AuthSession.
func (s *peerSession) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth implements smtp.AuthSession.
func (s *peerSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "me" || password != "secret" {
			return smtp.ErrAuthFailed
		}
		if state, ok := s.conn.TLSConnectionState(); ok {
			s.peer.mu.Lock()
			s.peer.states = append(s.peer.states, state)
			s.peer.mu.Unlock()
		}
		s.authed = true
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (s *peerSession) Mail(string, *smtp.MailOptions) error {
	if !s.authed {
		return smtp.ErrAuthRequired
	}
	s.to = nil
	return nil
}

// Rcpt implements smtp.Session.
func (s *peerSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session.
func (s *peerSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	s.peer.got = append(s.peer.got, string(content))
	s.peer.to = append(s.peer.to, strings.Join(s.to, ","))
	return nil
}

// Reset implements smtp.Session.
func (s *peerSession) Reset() { s.to = nil }

// Logout implements smtp.Session.
func (s *peerSession) Logout() error { return nil }

// servePeer starts a peer and returns the identity that uses it.
func servePeer(t testing.TB, p *peer, mode identity.TLSMode) *identity.Identity {
	t.Helper()
	config, caFile := relay.CertificateForTests(t, "mx.example.org")
	config.MaxVersion = p.tlsVersion
	if p.settings != nil {
		p.settings(config)
	}
	server := smtp.NewServer(p)
	server.Domain = "mx.example.org"
	server.MaxLineLength = 1 << 20
	server.AllowInsecureAuth = mode == identity.TLSOff
	server.ErrorLog = quietLog{}
	if mode != identity.TLSOff {
		server.TLSConfig = config
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if mode == identity.TLSImplicit {
		ln = tls.NewListener(ln, config)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	return &identity.Identity{
		Name: "me", Host: host, Port: port, TLS: mode, TLSName: "mx.example.org", CAFile: caFile,
		Username: "me", Password: identity.NewSecret("secret"), Helo: "client.example.org",
	}
}

type quietLog struct{}

func (quietLog) Printf(string, ...any) {}
func (quietLog) Println(...any)        {}

// A source hands out deliveries and counts their outcomes.
type source struct {
	all     []*queue.Delivery
	next    int
	reports []queue.Report
}

// Next implements queue.Source.
func (s *source) Next(bool) *queue.Delivery {
	drawing.Lock()
	defer drawing.Unlock()
	if s.next == len(s.all) {
		return nil
	}
	s.next++
	return s.all[s.next-1]
}

// Backlog implements queue.Source. It knows of nothing that waits, so nothing is sent in a series.
func (s *source) Backlog() int { return 0 }

// Wait implements queue.Source.
func (s *source) Wait(context.Context, time.Duration) bool { return false }

// Sending implements queue.Source.
func (s *source) Sending(*queue.Delivery, []int) error { return nil }

// drawing is held by the methods of source: workers of a pool call them at the same time.
var drawing sync.Mutex

// Record implements queue.Source.
func (s *source) Record(outcomes []queue.Outcome) error {
	drawing.Lock()
	defer drawing.Unlock()
	for _, o := range outcomes {
		s.reports = append(s.reports, o.Reports...)
	}
	return nil
}

// text is a content in memory.
type text string

func (c text) Size() int64 { return int64(len(c)) }
func (c text) WireSize() int64 {
	n := int64(len(c) + strings.Count(string(c), "\n"))
	if !strings.HasSuffix(string(c), "\n") {
		n += 2
	}
	return n
}
func (c text) EightBit() bool { return false }
func (c text) Open() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(c))), nil
}

func series(n int, body string) []*queue.Delivery {
	var all []*queue.Delivery
	for i := range n {
		all = append(all, &queue.Delivery{
			ID: fmt.Sprint(i), Envelope: &queue.Envelope{}, ReversePath: "me@example.org",
			Recipients: []queue.Recipient{{Address: fmt.Sprintf("to%d@example.com", i)}},
			Content:    text(fmt.Sprintf("Subject: [PATCH %d/%d]\n\n%s", i+1, n, body)),
		})
	}
	return all
}

// TestSeries: twenty patches arrive once, in order, over one connection, in every mode of TLS.
func TestSeries(t *testing.T) {
	for _, mode := range []identity.TLSMode{identity.TLSOff, identity.TLSOpportunistic, identity.TLSStartTLS, identity.TLSImplicit} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			p := &peer{}
			id := servePeer(t, p, mode)
			src := &source{all: series(20, "--- a\n.\n..\n+++ b\n\n\n.x")}
			relay.New(id, relay.Options{}).Run(context.Background(), src)

			if len(p.got) != 20 || p.sessions == 0 {
				t.Fatalf("%d messages over %d sessions; reports: %+v", len(p.got), p.sessions, src.reports)
			}
			for i, d := range src.all {
				want := strings.ReplaceAll(string(d.Content.(text)), "\n", "\r\n") + "\r\n"
				if p.got[i] != want || p.to[i] != d.Recipients[0].Address {
					t.Errorf("message %d: %q to %s, want %q", i, p.got[i], p.to[i], want)
				}
				if r := src.reports[i]; r.Action != queue.Relayed || r.Host != id.Host {
					t.Errorf("message %d: %+v", i, r)
				}
			}
			if limit := map[bool]int{true: 2, false: 1}[mode == identity.TLSStartTLS || mode == identity.TLSOpportunistic]; p.sessions > limit {
				t.Errorf("%d sessions", p.sessions)
			}
		})
	}
}

// TestPeerRefuses: refusals among accepted messages.
func TestPeerRefuses(t *testing.T) {
	p := &peer{}
	id := servePeer(t, p, identity.TLSImplicit)
	src := &source{all: series(9, "x\n")}
	for i, d := range src.all {
		if i%3 == 0 {
			d.Recipients = []queue.Recipient{{Address: "nobody@example.com"}}
		}
		if i%3 == 1 {
			d.Recipients = append(d.Recipients, queue.Recipient{Address: "nobody@example.com"})
		}
	}
	relay.New(id, relay.Options{}).Run(context.Background(), src)
	var got []string
	for _, r := range src.reports {
		got = append(got, string(r.Action)+" "+r.Status)
	}
	const third = "failed 5.1.1,relayed 2.0.0,failed 5.1.1,relayed 2.0.0"
	if want := third + "," + third + "," + third; strings.Join(got, ",") != want {
		t.Errorf("%s, want %s", strings.Join(got, ","), want)
	}
	if want := "to1@example.com,to2@example.com,to4@example.com,to5@example.com,to7@example.com,to8@example.com"; strings.Join(p.to, ",") != want {
		t.Errorf("arrived: %v", p.to)
	}
}

// TestWrongPassword: one attempt, and everything waits.
func TestWrongPassword(t *testing.T) {
	p := &peer{}
	id := servePeer(t, p, identity.TLSStartTLS)
	id.Password = identity.NewSecret("wrong")
	var log strings.Builder
	src := &source{all: series(3, "x\n")}
	relay.New(id, relay.Options{Trace: func(dir byte, line string) { fmt.Fprintf(&log, "%c %s\n", dir, line) }}).Run(context.Background(), src)
	if src.next != 1 || len(src.reports) != 1 || src.reports[0].Action != queue.Delayed || src.reports[0].Scope != queue.ScopeIdentity || src.reports[0].Code != 535 {
		t.Errorf("%d drawn, reports %+v", src.next, src.reports)
	}
	if n := strings.Count(log.String(), "> AUTH"); n != 1 || len(p.got) > 0 {
		t.Errorf("%d attempts:\n%s", n, log.String())
	}
}

// TestTunnel: over a connection that the caller makes, a password may go in clear only if the
// connection is declared private.
func TestTunnel(t *testing.T) {
	for _, private := range []bool{true, false} {
		p := &peer{}
		id := servePeer(t, p, identity.TLSOff)
		dial := func(context.Context) (net.Conn, error) {
			conn, err := net.Dial("tcp", net.JoinHostPort(id.Host, id.Port))
			return hiddenConn{conn}, err
		}
		src := &source{all: series(2, "x\n")}
		relay.New(id, relay.Options{Dial: dial, Private: private}).Run(context.Background(), src)
		want := map[bool]int{true: 2, false: 0}[private]
		if len(p.got) != want || !private && src.reports[0].Scope != queue.ScopeIdentity {
			t.Errorf("private %v: %d arrived, %+v", private, len(p.got), src.reports)
		}
	}
	src := &source{all: series(1, "x\n")}
	dial := func(context.Context) (net.Conn, error) { return nil, errors.New("ssh: Permission denied (publickey)") }
	relay.New(&identity.Identity{Name: "me", Host: "mx.example.org", Port: "25"}, relay.Options{Dial: dial}).Run(context.Background(), src)
	if r := src.reports[0]; r.Action != queue.Delayed || r.Scope != queue.ScopeIdentity || !strings.HasSuffix(r.Text, "ssh: Permission denied (publickey)") {
		t.Errorf("%+v", r)
	}
}

// A hiddenConn does not show that it is on loopback.
type hiddenConn struct{ net.Conn }

func (hiddenConn) RemoteAddr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
