package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that must come.
const patience = 20 * time.Second

// A script is a host that plays one dialogue, and the client's side of it:
//
//	S: line          is sent
//	S" "quoted"      is sent as it is, without a line end
//	C: line          must come
//	C* line          must come; may be preceded by any lines (a content)
//	! close          the connection is closed
//	! shut           no more is said, and the client heard until it has gone
//	! hang           nothing is said until the client has gone
//	! tls            the server's side of a handshake
//
// At the end of a dialogue the client must close the connection.
type script struct {
	t      testing.TB
	ln     net.Listener
	config *tls.Config
	done   chan struct{}
	failed []string // read when done is closed
	shown  []string // the client's transcript
}

// serve starts a host that plays a dialogue, once.
func serve(t testing.TB, dialogue string, config *tls.Config) *script {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, ln: ln, config: config, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		conn, err := ln.Accept()
		if err != nil {
			s.fail("no connection came")
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		s.play(conn, dialogue)
	}()
	t.Cleanup(s.end)
	return s
}

// end waits for the end of the dialogue, and fails the test if anything went wrong there.
func (s *script) end() {
	select {
	case <-s.done:
	case <-time.After(patience):
	}
	s.ln.Close()
	<-s.done
	for _, f := range s.failed {
		s.t.Error("server: " + f)
	}
	s.failed = nil
}

func (s *script) fail(format string, args ...any) {
	s.failed = append(s.failed, fmt.Sprintf(format, args...))
}

// play plays the dialogue.
func (s *script) play(conn net.Conn, dialogue string) {
	br := bufio.NewReader(conn)
	for _, line := range strings.Split(dialogue, "\n") {
		line = strings.TrimLeft(line, "\t ")
		switch {
		case line == "":
		case strings.HasPrefix(line, "S: "):
			io.WriteString(conn, line[3:]+"\r\n")
		case strings.HasPrefix(line, `S" `):
			text, err := strconv.Unquote(line[3:])
			if err != nil {
				s.fail("bad script: %s", line)
			}
			io.WriteString(conn, text)
		case strings.HasPrefix(line, "C: "), strings.HasPrefix(line, "C* "):
			if !s.hear(br, line[3:], line[1] == '*') {
				return
			}
		case line == "! close":
			return
		case line == "! wait":
			time.Sleep(longSilence + 200*time.Millisecond)
		case line == "! shut":
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, br)
			return
		case line == "! hang":
			io.Copy(io.Discard, br)
			return
		case line == "! tls":
			tc := tls.Server(conn, s.config)
			if tc.Handshake() != nil {
				return
			}
			conn, br = tc, bufio.NewReader(tc)
		default:
			s.fail("bad script: %q", line)
		}
	}
	if rest, err := br.ReadString('\n'); err == nil || rest != "" {
		s.fail("the client goes on with %q", rest)
	}
}

// hear reads the client's next line, which must be want.
func (s *script) hear(br *bufio.Reader, want string, skip bool) bool {
	for {
		got, err := br.ReadString('\n')
		if err == nil && got == want+"\r\n" {
			return true
		}
		if err != nil || !skip {
			s.fail("the client said %q (%v), not %q", got, err, want)
			return false
		}
	}
}

// configured returns the configuration of a session with the host: no TLS, no login.
func (s *script) configured() *Config {
	return &Config{
		Name: "mx.example.org", TLSName: "mx.example.org", Helo: "client.example.org", Limits: NewLimits(patience / 2),
		Dial: func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", s.ln.Addr().String())
		},
		Trace: func(dir byte, line string) { s.shown = append(s.shown, string(dir)+" "+line) },
	}
}

// opened opens a session with a host that plays a dialogue.
func opened(t testing.TB, dialogue string, change ...func(*Config)) (*Conn, *script) {
	t.Helper()
	s := serve(t, dialogue, nil)
	cfg := s.configured()
	for _, f := range change {
		f(cfg)
	}
	c, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("no session: %v", err)
	}
	return c, s
}

// A login has the credentials of tests.
type login struct {
	user, password string
	fresh          string // the token that it is renewed with; "" for none
	err            error
	heard          []bool
}

func (l *login) Get(context.Context) (Credentials, error) {
	return Credentials{User: l.user, Secret: l.password, Cure: "ask for help"}, l.err
}

func (l *login) Renew(_ context.Context, refused Credentials) (Credentials, error) {
	if l.fresh != "" {
		refused.Secret = l.fresh
	}
	return refused, nil
}

func (l *login) Done(_ Credentials, accepted bool) { l.heard = append(l.heard, accepted) }

// asMe logs in as "me".
func asMe(cfg *Config) { cfg.Login = &login{user: "me", password: "secret"} }

// text is a content in memory.
type text string

func (c text) WireSize() int64 { return int64(len(crlfLines(string(c)))) }
func (c text) Open() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(c))), nil
}

// mail makes a message to recipients.
func mail(content string, to ...string) *Message {
	m := &Message{From: "me@example.org", Body: text(content)}
	for _, addr := range to {
		m.To = append(m.To, Recipient{Address: addr})
	}
	return m
}

// A testFeed hands out messages, and complains about breaches of contract.
type testFeed struct {
	t    testing.TB
	left []*Message

	flight []*Message
	ended  []*Message
	all    []Result
	refuse error // of Ending
}

func (f *testFeed) Next(bool) *Message {
	if len(f.left) == 0 {
		return nil
	}
	m := f.left[0]
	f.left = f.left[1:]
	f.flight = append(f.flight, m)
	return m
}

func (f *testFeed) Ending(m *Message) error {
	if !slices.Contains(f.flight, m) || slices.Contains(f.ended, m) {
		f.t.Error("Ending of a message that is not in flight, or twice")
	}
	f.ended = append(f.ended, m)
	return f.refuse
}

func (f *testFeed) Results(all []Result) error {
	for i := range all {
		r := &all[i]
		if len(f.flight) == 0 || r.Message != f.flight[0] {
			f.t.Error("a result out of order")
		} else {
			f.flight = f.flight[1:]
		}
		if len(r.Rcpt) != len(r.Message.To) {
			f.t.Errorf("%d replies for %d recipients", len(r.Rcpt), len(r.Message.To))
		}
		if r.Sent == SentAll && !slices.Contains(f.ended, r.Message) {
			f.t.Error("all was sent without Ending")
		}
	}
	f.all = append(f.all, all...)
	return nil
}

// carry carries messages and returns their results, one on each line, and what ended the session.
func carry(t testing.TB, c *Conn, all ...*Message) ([]string, *Error) {
	t.Helper()
	f := &testFeed{t: t, left: all}
	err := c.Carry(f)
	if len(f.flight) > 0 {
		t.Errorf("%d messages without a result", len(f.flight))
	}
	var lines []string
	for i := range f.all {
		lines = append(lines, showResult(&f.all[i]))
	}
	return lines, err
}

// showResult formats a result for tests.
func showResult(r *Result) string {
	code := func(reply *Reply) string {
		if reply == nil {
			return "-"
		}
		return strconv.Itoa(reply.Code)
	}
	words := []string{"mail", code(r.Mail), "rcpt"}
	for _, reply := range r.Rcpt {
		words = append(words, code(reply))
	}
	if r.Data != nil {
		words = append(words, "data", code(r.Data))
	}
	words = append(words, "end", code(r.End), []string{"nothing", "part", "all"}[r.Sent]+" sent")
	if r.Closing != nil {
		words = append(words, "closing", code(r.Closing), "to", string(r.ClosingAt))
	}
	if r.Unread {
		words = append(words, "unread")
	}
	if r.Untrusted {
		words = append(words, "untrusted")
	}
	if r.First {
		words = append(words, "first")
	}
	if r.Err != nil {
		words = append(words, "("+string(r.Err.Kind)+" at "+string(r.Err.At)+")")
	}
	return strings.Join(words, " ")
}

// expect compares lines, each of which may end in "..." for any text.
func expect(t testing.TB, got []string, want string) {
	t.Helper()
	var lines []string
	for _, line := range strings.Split(want, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	ok := len(got) == len(lines)
	for i := 0; ok && i < len(lines); i++ {
		front, open := strings.CutSuffix(lines[i], "...")
		ok = got[i] == lines[i] || open && strings.HasPrefix(got[i], front)
	}
	if !ok {
		t.Errorf("got:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// failed compares a failure with its kind, its stage, and how its text begins.
func failed(t testing.TB, err *Error, kind Kind, at Stage, text string) {
	t.Helper()
	if err == nil || err.Kind != kind || err.At != at || !strings.HasPrefix(err.Error(), text) {
		t.Errorf("got %+v\nwant %s at %s: %s", err, kind, at, text)
	}
}
