package stage

import (
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A Transaction is one mail as a smart host received it.
type Transaction struct {
	Session int    // counts the connections, from 1
	TLS     bool   // the connection was encrypted
	User    string // the user who had logged in
	Require bool   // of TLS all the way (REQUIRETLS)
	From    string
	To      []string
	Content string // as received, CRLF line ends, dots unstuffed
}

// A SmartHost takes every mail and remembers it.
type SmartHost struct {
	Addr, Port string
	arrived    chan Transaction // every mail, as well

	mu       sync.Mutex
	sessions int
	mails    []Transaction
}

// NewSmartHost starts a smart host on loopback for the length of the test.
func NewSmartHost(t testing.TB, settings ...func(*smtp.Server)) *SmartHost {
	t.Helper()
	return ServeSmartHost(t, Listen(t), settings...)
}

// ServeSmartHost is the same for a listener of the test's own.
func ServeSmartHost(t testing.TB, l net.Listener, settings ...func(*smtp.Server)) *SmartHost {
	t.Helper()
	h := &SmartHost{Addr: l.Addr().String(), arrived: make(chan Transaction, 1000)}
	_, h.Port, _ = net.SplitHostPort(h.Addr)

	server := smtp.NewServer(smtp.BackendFunc(h.newSession))
	server.Domain = "smarthost.test"
	server.EnableSMTPUTF8 = true
	server.EnableDSN = true
	server.ErrorLog = log.New(io.Discard, "", 0)
	for _, set := range settings {
		set(server)
	}
	t.Cleanup(func() { server.Close() })
	go server.Serve(l)
	return h
}

func (h *SmartHost) newSession(c *smtp.Conn) (smtp.Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions++
	return &Session{Host: h, Conn: c, number: h.sessions}, nil
}

// Received returns what has arrived so far, in order.
func (h *SmartHost) Received() []Transaction {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Transaction(nil), h.mails...)
}

// One returns the only mail that has arrived.
func (h *SmartHost) One(t testing.TB) Transaction {
	t.Helper()
	mails := h.Received()
	if len(mails) != 1 {
		t.Fatalf("%d mails arrived, want one: %+v", len(mails), mails)
	}
	return mails[0]
}

// Next waits for a mail, and returns each only once.
func (h *SmartHost) Next(t testing.TB) Transaction {
	t.Helper()
	select {
	case mail := <-h.arrived:
		return mail
	case <-time.After(Limit):
		t.Fatalf("no mail arrived")
		return Transaction{}
	}
}

// A Session is one connection to a SmartHost. A test with a different host embeds it.
type Session struct {
	Host   *SmartHost
	Conn   *smtp.Conn
	number int
	user   string
	mail   Transaction
}

// The user that a smart host with AUTH knows.
const (
	User     = "me@example.org"
	Password = "correct horse # battery"
)

// AuthMechanisms returns what the host offers by EHLO, inside TLS.
func (s *Session) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth logs User in.
func (s *Session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != User || password != Password {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}), nil
}

// Mail begins a transaction.
func (s *Session) Mail(from string, opts *smtp.MailOptions) error {
	_, encrypted := s.Conn.TLSConnectionState()
	s.mail = Transaction{Session: s.number, TLS: encrypted, User: s.user, From: from, Require: opts != nil && opts.RequireTLS}
	return nil
}

// Rcpt takes every recipient.
func (s *Session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = append(s.mail.To, to)
	return nil
}

// Data takes the content.
func (s *Session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.Content = string(content)
	s.Host.mu.Lock()
	defer s.Host.mu.Unlock()
	s.Host.mails = append(s.Host.mails, s.mail)
	s.Host.arrived <- s.mail
	return nil
}

// Reset has nothing to undo, since Mail begins anew.
func (s *Session) Reset() {}

// Logout ends the session.
func (s *Session) Logout() error { return nil }
