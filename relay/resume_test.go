package relay_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"esmtpq/identity"
	"esmtpq/queue"
	"esmtpq/relay"
)

// resumed sends one message as id and reports whether the server resumed the TLS session.
func resumed(t *testing.T, id *identity.Identity, p *peer, state string) bool {
	t.Helper()
	before := len(p.states)
	src := &source{all: series(1, "x\n")}
	relay.New(id, relay.Options{StateDir: relay.StateAt(state)}).Run(context.Background(), src)
	if src.reports[0].Action != queue.Relayed {
		t.Fatalf("%+v", src.reports[0])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.states) != before+1 {
		t.Fatalf("%d sessions over TLS", len(p.states)-before)
	}
	return p.states[before].DidResume
}

// TestResumption: a TLS session is resumed in a later run, and only by the identity that it
// belongs to.
func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			p := &peer{tlsVersion: version}
			id := servePeer(t, p, identity.TLSStartTLS)
			state := filepath.Join(t.TempDir(), "state")
			for i, want := range []bool{false, true, true} {
				if got := resumed(t, id, p, state); got != want {
					t.Errorf("run %d: resumed: %v", i+1, got)
				}
			}
			file := filepath.Join(state, "tickets")
			st, err := os.Stat(file)
			if err != nil || st.Mode() != 0o600 {
				t.Fatalf("%v, mode %v", err, st.Mode())
			}
			if resumed(t, id, p, "") {
				t.Error("resumed without a directory to keep anything in")
			}
			other := *id
			other.Name = "somebody else"
			if resumed(t, &other, p, state) {
				t.Error("another identity resumed the session")
			}
			copied := *id
			copied.CAFile = filepath.Join(t.TempDir(), "ca.pem")
			text, _ := os.ReadFile(id.CAFile)
			os.WriteFile(copied.CAFile, text, 0o600)
			if resumed(t, &copied, p, state) {
				t.Error("resumed with another file of authorities")
			}
			if err := os.Chmod(file, 0o640); err != nil {
				t.Fatal(err)
			}
			if resumed(t, id, p, state) {
				t.Error("a file that others can read was trusted")
			}
			if !resumed(t, id, p, state) {
				t.Error("it was not replaced")
			}
			for _, damage := range []string{"", "{", "null", `{"tickets":[{"for":1}]}`, strings.Repeat("x", 1<<20)} {
				os.WriteFile(file, []byte(damage), 0o600)
				if resumed(t, id, p, state) {
					t.Errorf("resumed by %.20q", damage)
				}
			}
			text, _ = os.ReadFile(file)
			os.WriteFile(file, bytes.ReplaceAll(text, []byte(`"state":"`), []byte(`"state":"AAAA`)), 0o600)
			if resumed(t, id, p, state) {
				t.Error("resumed by a damaged ticket")
			}
		})
	}
}

// TestResumptionFails: where a host gives tickets and fails when one is used, the message goes at
// once, with a whole handshake, and tickets are not tried again; nor where the configuration says so.
func TestResumptionFails(t *testing.T) {
	failed := errors.New("no resumption here")
	const preSharedKey = 41 // RFC 8446, 4.2.11
	for name, settings := range map[string]func(c *tls.Config, count *atomic.Int32){
		"in the handshake": func(c *tls.Config, count *atomic.Int32) {
			c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				if slices.Contains(hello.Extensions, preSharedKey) {
					count.Add(1)
					return nil, failed
				}
				return nil, nil
			}
		},
		"behind it": func(c *tls.Config, count *atomic.Int32) {
			c.VerifyConnection = func(state tls.ConnectionState) error {
				if state.DidResume {
					count.Add(1)
					return failed
				}
				return nil
			}
		},
	} {
		for _, mode := range []identity.TLSMode{identity.TLSStartTLS, identity.TLSImplicit} {
			t.Run(name+", "+mode.String(), func(t *testing.T) {
				t.Parallel()
				var count atomic.Int32
				p := &peer{settings: func(c *tls.Config) { settings(c, &count) }}
				id := servePeer(t, p, mode)
				full := *id
				full.TLSCompat = []string{identity.CompatFull}
				state := filepath.Join(t.TempDir(), "state")
				for run, want := range []int32{0, 1, 1, 1} {
					if resumed(t, id, p, state) || count.Load() != want {
						t.Errorf("run %d: %d resumptions were tried, want %d", run+1, count.Load(), want)
					}
				}
				for range 2 {
					if resumed(t, &full, p, state) || count.Load() != 1 {
						t.Errorf("a resumption was tried, although the configuration forbids it")
					}
				}
			})
		}
	}
}

// TestNoTrustByTicket: if the authority is no longer trusted, a ticket does not help.
func TestNoTrustByTicket(t *testing.T) {
	p := &peer{}
	id := servePeer(t, p, identity.TLSImplicit)
	state := t.TempDir()
	resumed(t, id, p, state)
	_, otherCA := relay.CertificateForTests(t, "mx.example.org")
	text, err := os.ReadFile(otherCA)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(id.CAFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	src := &source{all: series(1, "x\n")}
	relay.New(id, relay.Options{StateDir: relay.StateAt(state)}).Run(context.Background(), src)
	if r := src.reports[0]; r.Action != queue.Delayed || r.Status != "4.7.5" {
		t.Errorf("%+v", r)
	}
}

// TestPeerSeries: another project's server is probed once and checked once, and then gets
// messages back to back.
func TestPeerSeries(t *testing.T) {
	p := &peer{}
	id := servePeer(t, p, identity.TLSImplicit)
	state := t.TempDir()
	for run := range 2 {
		var log strings.Builder
		src := &backlogSource{source{all: series(100, "a\n.\n..\nb")}}
		src.all[50] = series(51, strings.Repeat("a line of a large message\n", 40000))[50]
		for i := 7; i < 100; i += 10 {
			src.all[i].Recipients = []queue.Recipient{{Address: "nobody@example.com"}}
		}
		p.got, p.sessions = nil, 0
		relay.New(id, relay.Options{StateDir: relay.StateAt(state), Trace: func(dir byte, line string) { fmt.Fprintf(&log, "%c %s\n", dir, line) }}).
			Run(context.Background(), src)

		at := 0
		for i, d := range src.all {
			if i%10 == 7 {
				if r := src.reports[i]; r.Action != queue.Failed || r.Status != "5.1.1" {
					t.Errorf("message %d: %+v", i, r)
				}
				continue
			}
			want := strings.ReplaceAll(string(d.Content.(text)), "\n", "\r\n")
			if !strings.HasSuffix(want, "\n") {
				want += "\r\n"
			}
			if at >= len(p.got) || p.got[at] != want || src.reports[i].Action != queue.Relayed {
				t.Fatalf("run %d: message %d of %d did not arrive as it was; %+v", run, i, len(p.got), src.reports[i])
			}
			at++
		}
		if n := strings.Count(log.String(), "> BDAT 6 LAST\n"); n != 3-3*run || p.sessions != 1 {
			t.Errorf("run %d: %d times a chunk without a message, %d sessions", run, n, p.sessions)
		}
		if n := strings.Count(log.String(), "> DATA\n"); n != 0 {
			t.Errorf("run %d: %d messages by DATA", run, n)
		}
		if n := strings.Count(log.String(), " LAST\n") - strings.Count(log.String(), "BDAT 6 LAST\n"); n != 100 {
			t.Errorf("run %d: %d last chunks", run, n)
		}
	}
}

// TestLimitedSession: after the limit of messages a new session is opened, and not at once.
func TestLimitedSession(t *testing.T) {
	for _, backlog := range []bool{false, true} {
		p := &peer{}
		id := servePeer(t, p, identity.TLSOff)
		id.MaxMessagesPerSession, id.ReloginDelay = 4, time.Millisecond
		all := source{all: series(10, "x\n")}
		var src queue.Source = &all
		if backlog {
			src = &backlogSource{all}
		}
		relay.New(id, relay.Options{}).Run(context.Background(), src)
		if len(p.got) != 10 || p.sessions != 3 {
			t.Errorf("backlog %v: %d messages over %d sessions", backlog, len(p.got), p.sessions)
		}
	}
	// The pause ends with the context.
	p := &peer{}
	id := servePeer(t, p, identity.TLSOff)
	id.MaxMessagesPerSession, id.ReloginDelay = 1, time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	src := &stoppedSource{source: source{all: series(2, "x\n")}, stop: cancel}
	relay.New(id, relay.Options{}).Run(ctx, src)
	if len(src.reports) != 2 || src.reports[0].Action != queue.Relayed || src.reports[1].Action != queue.Delayed {
		t.Errorf("%+v", src.reports)
	}
}

// A stoppedSource ends the run when its last message is drawn.
type stoppedSource struct {
	source
	stop func()
}

// Next implements queue.Source.
func (s *stoppedSource) Next(wait bool) *queue.Delivery {
	d := s.source.Next(wait)
	if s.next == len(s.all) {
		s.stop()
	}
	return d
}

// TestSessions: many messages for a host without CHUNKING go over several sessions, each once.
func TestSessions(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		p := &peer{}
		id := servePeer(t, p, identity.TLSOff)
		id.Sessions = 5
		addr := net.JoinHostPort(id.Host, id.Port)
		dials := make(chan struct{}, 100)
		dial := func(ctx context.Context) (net.Conn, error) {
			dials <- struct{}{}
			if refuse && len(dials) > 1 {
				return nil, os.ErrPermission
			}
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			return &muteConn{Conn: conn}, err
		}
		src := &backlogSource{source{all: series(60, "x\n")}}
		relay.New(id, relay.Options{Dial: dial, Private: true}).Run(context.Background(), src)
		slices.Sort(p.to)
		if len(p.got) != 60 || len(slices.Compact(p.to)) != 60 || len(src.reports) != 60 {
			t.Errorf("%d arrived, %d to different recipients, %d reports", len(p.got), len(slices.Compact(p.to)), len(src.reports))
		}
		for i, r := range src.reports {
			if r.Action != queue.Relayed {
				t.Errorf("%d: %+v", i, r)
			}
		}
		if len(dials) != 5 {
			t.Errorf("%d connections", len(dials))
		}
	}
}

// TestSessionsRefused: a refused password is tried once, however many sessions are allowed.
func TestSessionsRefused(t *testing.T) {
	p := &peer{}
	id := servePeer(t, p, identity.TLSOff)
	id.Sessions, id.Password = 5, identity.NewSecret("wrong")
	src := &backlogSource{source{all: series(60, "x\n")}}
	relay.New(id, relay.Options{}).Run(context.Background(), src)
	if p.sessions != 1 || len(src.reports) != 1 || src.reports[0].Scope != queue.ScopeIdentity {
		t.Errorf("%d sessions, %+v", p.sessions, src.reports)
	}
}

// A muteConn hides the host's offer of CHUNKING.
type muteConn struct{ net.Conn }

func (c *muteConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	copy(p, bytes.ReplaceAll(p[:n], []byte("CHUNKING"), []byte("NONESUCH")))
	return n, err
}

// A backlogSource says how much there is.
type backlogSource struct{ source }

// Backlog implements queue.Source.
func (s *backlogSource) Backlog() int {
	drawing.Lock()
	defer drawing.Unlock()
	return len(s.all) - s.next
}

// TestIdleSession: a session waits only for mail that is about to come.
func TestIdleSession(t *testing.T) {
	p := &peer{}
	id := servePeer(t, p, identity.TLSOff)
	src := &waitingSource{source: source{all: series(3, "x\n")}}
	relay.New(id, relay.Options{}).Run(context.Background(), src)
	if len(p.got) != 3 || p.sessions != 1 || src.waits != 3 {
		t.Errorf("%d messages over %d sessions, waited %d times", len(p.got), p.sessions, src.waits)
	}
	empty := &waitingSource{}
	relay.New(id, relay.Options{}).Run(context.Background(), empty)
	if empty.waits > 0 {
		t.Error("waited without a session")
	}
}

// A waitingSource has a message after each wait.
type waitingSource struct {
	source
	waits, ready int
}

// Next implements queue.Source.
func (s *waitingSource) Next(wait bool) *queue.Delivery {
	if s.ready < s.next {
		return nil
	}
	return s.source.Next(wait)
}

// Wait implements queue.Source.
func (s *waitingSource) Wait(_ context.Context, limit time.Duration) bool {
	s.waits++
	s.ready++
	return limit > 0 && s.next < len(s.all)
}

func BenchmarkDrain(b *testing.B) {
	body := strings.Repeat("a line of text that is of a usual length, or nearly so\n", 36)
	for _, n := range []int{1000, 10000} {
		for _, way := range []string{"DATA", "BDAT"} {
			b.Run(fmt.Sprint(way, n), func(b *testing.B) {
				p := &peer{}
				id := servePeer(b, p, identity.TLSOff)
				all := series(n, body)
				state := b.TempDir()
				b.ReportAllocs()
				for b.Loop() {
					src := &backlogSource{source{all: all}}
					if way == "BDAT" {
						relay.New(id, relay.Options{StateDir: relay.StateAt(state)}).Run(context.Background(), src)
					} else {
						relay.New(id, relay.Options{}).Run(context.Background(), &src.source)
					}
					if len(p.got) != n {
						b.Fatalf("%d arrived", len(p.got))
					}
					p.got, p.to = nil, nil
				}
				b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}
