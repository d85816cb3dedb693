package hosts

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A talk is a session with a host by hand, one command at a time.
type talk struct {
	t     *testing.T
	host  *host
	conn  net.Conn
	text  *textproto.Conn
	ended bool

	words []string // what the last EHLO offered, without the name of the host
	state tls.ConnectionState
	asked bool // the host asked for a certificate of the client
}

// newTalk begins a session at addr: in clear, or with STARTTLS.
func (h *host) newTalk(t *testing.T, addr string, secure bool, sessions tls.ClientSessionCache) *talk {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	k := &talk{t: t, host: h, conn: conn, text: textproto.NewConn(conn)}
	k.reply()
	k.hello()
	if secure {
		k.secure(sessions)
	}
	return k
}

// secure begins TLS with the defaults of Go, as esmtpq does.
func (k *talk) secure(sessions tls.ClientSessionCache) {
	k.t.Helper()
	if code, text := k.say("STARTTLS"); code != 220 {
		k.t.Fatalf("%s: STARTTLS: %d %s", k.host.name, code, text)
	}
	pem, err := os.ReadFile(k.host.cert.Authority)
	if err != nil {
		k.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c := tls.Client(k.conn, &tls.Config{ServerName: "localhost", RootCAs: roots, ClientSessionCache: sessions,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			k.asked = true
			return &tls.Certificate{}, nil
		}})
	if err := c.Handshake(); err != nil {
		k.t.Fatalf("%s: %v", k.host.name, err)
	}
	k.conn, k.text, k.state = c, textproto.NewConn(c), c.ConnectionState()
	k.hello()
}

func (k *talk) hello() (code int) {
	code, text := k.say("EHLO client.test")
	if code == 250 {
		lines := strings.Split(text, "\n")
		k.words = lines[1:]
	}
	return code
}

// say says a line and returns the reply; 0 once the host has closed.
func (k *talk) say(format string, args ...any) (code int, text string) {
	k.t.Helper()
	k.ended = k.ended || k.text.PrintfLine(format, args...) != nil
	if k.ended {
		return 0, ""
	}
	return k.reply()
}

func (k *talk) reply() (code int, text string) {
	k.t.Helper()
	k.conn.SetDeadline(time.Now().Add(90 * time.Second))
	code, text, err := k.text.ReadResponse(0)
	if err != nil {
		if e, timeout := err.(net.Error); timeout && e.Timeout() {
			k.t.Fatalf("%s does not answer", k.host.name)
		}
		k.ended = true
		return 0, ""
	}
	return code, text
}

// quit ends the session.
func (k *talk) quit() {
	k.say("QUIT")
	k.conn.Close()
}

var enhanced = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// brief is what counts of a reply: its code, and an enhanced one.
func brief(code int, text string) string {
	if code == 0 {
		return "closed"
	}
	if e := enhanced.FindString(text); e != "" {
		return fmt.Sprintf("%d %s", code, e)
	}
	return fmt.Sprint(code)
}

// asks says a line and returns the reply in brief.
func (k *talk) asks(format string, args ...any) string {
	k.t.Helper()
	return brief(k.say(format, args...))
}

// logIn logs in by PLAIN, and returns the reply in brief.
func (k *talk) logIn(password string) string {
	k.t.Helper()
	return k.asks("AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00"+k.host.user+"\x00"+password)))
}

// mail says MAIL and RCPT for one mail.
func (k *talk) envelope(to string) (mail, rcpt string) {
	k.t.Helper()
	mail = k.asks("MAIL FROM:<me@example.org>")
	if mail[0] != '2' {
		return mail, ""
	}
	return mail, k.asks("RCPT TO:<%s>", to)
}

// offers returns the words of the last EHLO, sorted, each with its parameters.
func (k *talk) offers() []string {
	words := slices.Clone(k.words)
	for i, word := range words {
		switch name, rest, _ := strings.Cut(word, " "); name {
		case "AUTH":
			words[i] = "AUTH " + sorted(rest)
		case "FUTURERELEASE": // the second parameter is a time of day
			seconds, _, _ := strings.Cut(rest, " ")
			words[i] = "FUTURERELEASE " + seconds
		}
	}
	slices.Sort(words)
	return slices.DeleteFunc(words, func(word string) bool { return strings.HasPrefix(word, "AUTH=") })
}

// parameters returns what stands behind a word of the last EHLO, and whether it was there.
func (k *talk) parameters(word string) (string, bool) {
	for _, line := range k.words {
		if name, rest, _ := strings.Cut(line, " "); strings.EqualFold(name, word) {
			return rest, true
		}
	}
	return "", false
}
