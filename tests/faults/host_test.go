//go:build linux && amd64

package faults

import (
	"bytes"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"esmtpq/tests/stage"
)

// A faultHost is a smart host that remembers every message whose final dot it took.
type faultHost struct {
	addr string

	mu       sync.Mutex
	changed  *sync.Cond
	sessions int  // open
	busy     bool // "later..." is refused for now
	chunking bool // messages may come back to back (RFC 3030)
	taken    []stage.Transaction
}

func newFaultHost(t *testing.T) *faultHost {
	l := stage.Listen(t)
	h := &faultHost{addr: l.Addr().String()}
	h.changed = sync.NewCond(&h.mu)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.sessions++
		return &faultSession{host: h}, nil
	}))
	server.Domain = "smarthost.test"
	server.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(func() { server.Close() })
	go server.Serve(faultListener{l, h})
	return h
}

// A faultListener hides CHUNKING if it is not wanted, since the server always offers it.
type faultListener struct {
	net.Listener
	host *faultHost
}

func (l faultListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return faultConn{c, l.host}, err
}

type faultConn struct {
	net.Conn
	host *faultHost
}

// Read turns the end of the connection into an error. In a chunk, the library would take it for
// the end of the message, and so a truncated message for one that was sent.
func (c faultConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (c faultConn) Write(p []byte) (int, error) {
	if c.host.inFlight() == 1 {
		p = bytes.Replace(p, []byte("CHUNKING"), []byte("XNOTHING"), 1)
	}
	return c.Conn.Write(p)
}

// inFlight returns how many messages of a session may be taken and not recorded.
func (h *faultHost) inFlight() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.chunking {
		return 64
	}
	return 1
}

func (h *faultHost) setChunking(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.chunking = on
}

type faultSession struct {
	host *faultHost
	mail stage.Transaction
}

func (s *faultSession) Reset() {}

func (s *faultSession) Logout() error {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.host.sessions--
	s.host.changed.Broadcast()
	return nil
}

func (s *faultSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mail = stage.Transaction{From: from}
	return nil
}

func (s *faultSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	if s.host.busy && strings.HasPrefix(to, "later") {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "come again"}
	}
	s.mail.To = append(s.mail.To, to)
	return nil
}

func (s *faultSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err // cut off before the final dot
	}
	s.mail.Content = string(b)
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.host.taken = append(s.host.taken, s.mail)
	return nil
}

// settle waits until every connection is closed, so that everything a dead client had sent has
// been read.
func (h *faultHost) settle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.sessions > 0 {
		h.changed.Wait()
	}
}

// begin forgets what was taken.
func (h *faultHost) begin(busy bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken, h.busy, h.chunking = nil, busy, false
}

func (h *faultHost) setBusy(busy bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = busy
}

// number returns how many messages it has taken.
func (h *faultHost) number() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.taken)
}
