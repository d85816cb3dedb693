package smtp

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	xdg "github.com/xdg-go/scram"
)

// An authHost is a smart host with accounts, up to the end of the login. Its SCRAM is another
// project's.
type authHost struct {
	t        testing.TB
	ln       net.Listener
	offers   string            // mechanisms
	later    string            // from the second connection on; "" for the same
	config   *tls.Config       // TLS from the start; nil for none
	user     string            // "me" by default
	as       string            // whom the user may act as
	good     string            // the password or token that is right
	refuses  []string          // mechanisms that are refused with 535 whatever comes
	answers  map[string]string // reply to a mechanism, whatever comes; "close" ends the connection
	noIR     string            // reply to an initial response; "" takes it
	onlyIR   string            // reply to a command without one
	maxLine  int               // longest AUTH line; beyond it: tooLong
	tooLong  string
	json     string // in a 334 to a bad token
	refusal  string // "535 5.7.8 bad credentials" by default
	closes   bool   // after a refusal
	noFlagY  bool   // refuses a client that could bind, as Postfix before Dovecot 2.4
	unproven bool   // accepts any SCRAM proof, and cannot give its own
	bad      string // what it proves then

	mu  *sync.Mutex
	log []string // what was tried: "1: SCRAM-SHA-256 y"
}

func (h *authHost) start(t testing.TB) {
	h.t = t
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.ln, h.mu = ln, &sync.Mutex{}
	if h.user == "" {
		h.user = "me"
	}
	if h.refusal == "" {
		h.refusal = "535 5.7.8 bad credentials"
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 1; ; n++ {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(patience))
				h.session(conn, n)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		all.Wait()
	})
}

// tried returns what has been tried, and forgets it.
func (h *authHost) tried() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := strings.Join(h.log, ", ")
	h.log = nil
	return s
}

// config returns the settings of a client.
func (h *authHost) client(l Login) *Config {
	cfg := &Config{
		Name: "mx.example.org", TLSName: "mx.example.org", Helo: "client.example.org", Limits: NewLimits(patience / 2), Login: l,
		Dial: func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", h.ln.Addr().String())
		},
	}
	if h.config != nil {
		cfg.TLS = TLSImplicit
		cfg.TLSConfig = func(string) (*tls.Config, error) {
			cert, err := x509.ParseCertificate(h.config.Certificates[0].Certificate[0])
			pool := x509.NewCertPool()
			pool.AddCert(cert)
			return &tls.Config{ServerName: "mx.example.org", RootCAs: pool}, err
		}
	}
	return cfg
}

// An authSession is one connection.
type authSession struct {
	h  *authHost
	n  int
	br *bufio.Reader
	w  io.Writer
	tc *tls.Conn
}

func (h *authHost) session(conn net.Conn, n int) {
	s := &authSession{h: h, n: n, w: conn}
	if h.config != nil {
		s.tc = tls.Server(conn, h.config)
		if s.tc.Handshake() != nil {
			return
		}
		s.w = s.tc
		s.br = bufio.NewReader(s.tc)
	} else {
		s.br = bufio.NewReader(conn)
	}
	s.say("220 mx")
	in := false
	for {
		line, err := s.br.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		switch {
		case words[0] == "EHLO":
			if n > 1 && h.later != "" {
				s.say("250-mx\r\n250 AUTH " + h.later)
			} else {
				s.say("250-mx\r\n250 AUTH " + h.offers)
			}
		case words[0] == "AUTH" && in:
			s.say("503 already")
		case words[0] == "AUTH":
			reply := s.auth(line, words)
			in = strings.HasPrefix(reply, "2")
			if reply == "close" {
				return
			}
			s.say(reply)
			if h.closes && strings.HasPrefix(reply, "5") {
				return
			}
		case words[0] == "QUIT":
			s.say("221 bye")
			return
		default:
			s.say("500 what?")
		}
	}
}

func (s *authSession) say(line string) { fmt.Fprintf(s.w, "%s\r\n", line) }

// ask sends a challenge and returns the answer.
func (s *authSession) ask(challenge string) string {
	s.say("334 " + base64.StdEncoding.EncodeToString([]byte(challenge)))
	line, err := s.br.ReadString('\n')
	line = strings.TrimSpace(line)
	if err != nil || line == "*" {
		return "*"
	}
	text, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		s.h.t.Errorf("an answer that is not base64: %q", line)
	}
	return string(text)
}

func (s *authSession) note(format string, args ...any) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.h.log = append(s.h.log, fmt.Sprintf("%d: ", s.n)+fmt.Sprintf(format, args...))
}

// auth returns the final reply to a login.
func (s *authSession) auth(line string, words []string) string {
	h, mech, first := s.h, words[1], ""
	if len(words) > 2 {
		text, err := base64.StdEncoding.DecodeString(words[2])
		if err != nil && words[2] != "=" {
			h.t.Errorf("an initial response that is not base64: %q", words[2])
		}
		first = string(text)
	}
	inline := len(words) > 2
	shape := ""
	if inline && len(line) > 512 {
		shape = " long"
	}
	if !inline && !strings.HasPrefix(mech, "LOGIN") && mech != "CRAM-MD5" {
		shape = " later"
	}
	if strings.HasPrefix(mech, "SCRAM") {
		shape += " " + first[:1]
	}
	s.note("%s%s", mech, shape)
	switch {
	case !strings.Contains(" "+h.offers+" ", " "+mech+" "):
		h.t.Errorf("%s was not offered", mech)
	case h.answers[mech] != "":
		return h.answers[mech]
	case inline && h.noIR != "":
		return h.noIR
	case !inline && h.onlyIR != "" && shape != "":
		return h.onlyIR
	case h.maxLine > 0 && len(line) > h.maxLine:
		return h.tooLong
	}
	if !inline && shape != "" {
		first = s.ask("")
	}
	for _, r := range h.refuses {
		if r == mech {
			return h.refusal
		}
	}
	if s.accepts(mech, first) {
		return "235 2.7.0 welcome"
	}
	return h.refusal
}

// accepts has the rest of a conversation.
func (s *authSession) accepts(mech, first string) bool {
	h := s.h
	switch mech {
	case "PLAIN":
		return first == h.as+"\x00"+h.user+"\x00"+h.good
	case "LOGIN":
		return s.ask("Username:") == h.user && s.ask("Password:") == h.good
	case "EXTERNAL":
		return first == h.as
	case "CRAM-MD5":
		m := hmac.New(md5.New, []byte(h.good))
		m.Write([]byte("<1@mx>"))
		return s.ask("<1@mx>") == h.user+" "+hex.EncodeToString(m.Sum(nil))
	case "XOAUTH2":
		return first == "user="+h.user+"\x01auth=Bearer "+h.good+"\x01\x01" || s.refuse("")
	case "OAUTHBEARER":
		return first == "n,a="+escapeName(h.user)+",\x01auth=Bearer "+h.good+"\x01\x01" || s.refuse("\x01")
	}
	return s.scram(mech, first)
}

// refuse says in a challenge why a token is refused.
func (s *authSession) refuse(answer string) bool {
	if s.h.json != "" {
		if got := s.ask(s.h.json); got != answer {
			s.h.t.Errorf("%q is the answer to the challenge of a refused token", got)
		}
	}
	return false
}

// scram has a conversation by SCRAM.
func (s *authSession) scram(mech, first string) bool {
	h, hash := s.h, xdg.SHA256
	if strings.HasPrefix(mech, "SCRAM-SHA-1") {
		hash = xdg.SHA1
	}
	if h.noFlagY && first[0] == 'y' {
		return false
	}
	server, err := hash.NewServer(func(user string) (xdg.StoredCredentials, error) {
		if user != h.user {
			return xdg.StoredCredentials{}, fmt.Errorf("no such user")
		}
		client, err := hash.NewClientUnprepped(h.user, h.good, "")
		if err != nil {
			return xdg.StoredCredentials{}, err
		}
		return client.GetStoredCredentialsWithError(xdg.KeyFactors{Salt: "salt of it", Iters: 4096})
	})
	if err != nil {
		h.t.Error(err)
	}
	talk := server.NewConversation()
	if strings.HasSuffix(mech, "-PLUS") {
		talk = server.NewConversationWithChannelBindingRequired(s.binding())
	}
	if h.unproven {
		return s.pretend(first)
	}
	for !talk.Done() {
		answer, err := talk.Step(first)
		if err != nil {
			return false
		}
		first = s.ask(answer)
	}
	return talk.Valid() && talk.AuthzID() == h.as
}

// pretend accepts what it cannot verify.
func (s *authSession) pretend(first string) bool {
	nonce := first[strings.Index(first, "r=")+2:]
	s.ask("r=" + nonce + "more,s=c2FsdA==,i=4096")
	if s.h.bad != "" {
		s.ask(s.h.bad)
	}
	return true
}

// binding returns the channel binding as RFC 9266 and RFC 5929 have it.
func (s *authSession) binding() xdg.ChannelBinding {
	state := s.tc.ConnectionState()
	if state.Version < tls.VersionTLS13 {
		return xdg.NewTLSUniqueBinding(state.TLSUnique)
	}
	b, err := xdg.NewTLSExporterBinding(&state)
	if err != nil {
		s.h.t.Error(err)
	}
	return b
}

// serverTLS returns a server's settings with a certificate that nobody knows.
func serverTLS(t testing.TB, version uint16) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"mx.example.org"}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: version, MaxVersion: version}
}
