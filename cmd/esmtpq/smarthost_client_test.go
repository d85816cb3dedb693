package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A transaction is one mail as a smart host received it.
type transaction struct {
	session int    // counts the connections, from 1
	tls     bool   // the connection was encrypted
	user    string // who had logged in
	from    string
	to      []string
	body    smtp.BodyType // MAIL BODY=
	content string        // as received, CRLF line ends, dots unstuffed
}

// A smartHost takes every mail and remembers it.
type smartHost struct {
	addr, port string
	arrived    chan transaction // every mail, too

	mu       sync.Mutex
	sessions int
	mails    []transaction
}

// newSmartHost starts a smart host on loopback for the length of the test.
func newSmartHost(t testing.TB, settings ...func(*smtp.Server)) *smartHost {
	t.Helper()
	l := listen(t)
	h := &smartHost{addr: l.Addr().String(), arrived: make(chan transaction, 1000)}
	_, h.port, _ = net.SplitHostPort(h.addr)

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

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func (h *smartHost) newSession(c *smtp.Conn) (smtp.Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions++
	return &session{host: h, conn: c, number: h.sessions}, nil
}

// received returns what has arrived so far, in order.
func (h *smartHost) received() []transaction {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]transaction(nil), h.mails...)
}

// one returns the only mail that has arrived.
func (h *smartHost) one(t *testing.T) transaction {
	t.Helper()
	mails := h.received()
	if len(mails) != 1 {
		t.Fatalf("%d mails arrived, want one: %+v", len(mails), mails)
	}
	return mails[0]
}

// next waits for a mail.
func (h *smartHost) next(t *testing.T) transaction {
	t.Helper()
	select {
	case mail := <-h.arrived:
		return mail
	case <-time.After(hangs):
		t.Fatalf("no mail arrived")
		return transaction{}
	}
}

// A session is one connection to a smartHost.
type session struct {
	host   *smartHost
	conn   *smtp.Conn
	number int
	user   string
	mail   transaction
}

// The user whom a smart host with AUTH knows.
const (
	hostUser     = "me@example.org"
	hostPassword = "correct horse # battery"
)

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != hostUser || password != hostPassword {
			return smtp.ErrAuthFailed
		}
		s.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = transaction{session: s.number, tls: encrypted, user: s.user, from: from, body: opts.Body}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.content = string(content)
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.host.mails = append(s.host.mails, s.mail)
	s.host.arrived <- s.mail
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// A blackHole takes connections and never says a word.
type blackHole struct {
	addr      string
	connected chan struct{} // one for each connection
	listener  net.Listener
}

func newBlackHole(t *testing.T) *blackHole {
	t.Helper()
	l := listen(t)
	hole := &blackHole{l.Addr().String(), make(chan struct{}, 100), l}
	go func() {
		var conns []net.Conn
		defer func() {
			for _, c := range conns {
				c.Close()
			}
		}()
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				conns = append(conns, c)
				hole.connected <- struct{}{}
			}
		}
	}()
	return hole
}

// release lets the hole vanish, and waits until the person's background run has noticed.
func (hole *blackHole) release(p *person) {
	p.t.Helper()
	hole.listener.Close()
	if r := p.try("", "deliver"); r.code != 75 {
		p.t.Errorf("deliver without a smart host: exit %d, %q", r.code, r.stderr)
	}
}

// A certificate is one for localhost, signed by an authority of its own.
type certificate struct {
	authority string // file that SSL_CERT_FILE can name
	certFile  string
	keyFile   string
	pair      tls.Certificate
}

// newCertificate makes an authority and a certificate for localhost and 127.0.0.1.
func newCertificate(t *testing.T) certificate {
	t.Helper()
	dir := t.TempDir()
	caKey, leafKey := newKey(t), newKey(t)
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "throw-away authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &leafKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return certificate{
		authority: writePEM(t, dir, "ca.pem", "CERTIFICATE", caDER),
		certFile:  writePEM(t, dir, "fullchain.pem", "CERTIFICATE", leafDER),
		keyFile:   writePEM(t, dir, "privkey.pem", "PRIVATE KEY", keyDER),
		pair:      tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey},
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, dir, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// withTLS lets a smart host offer STARTTLS, and take mail only from hostUser.
func withTLS(cert certificate) func(*smtp.Server) {
	return func(server *smtp.Server) {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert.pair}}
	}
}
