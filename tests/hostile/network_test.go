package hostile

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"esmtpq/tests/stage"
)

// showsPrintable checks that text for people contains nothing that a terminal would obey.
func showsPrintable(t *testing.T, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("not UTF-8: %q", text)
	}
	for _, r := range text {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			t.Errorf("%U is shown in %q", r, text)
			return
		}
	}
}

// A networkCase is an attacker between us and a host with TLS.
type networkCase struct {
	name         string
	step, script string // as in a hostileCase
	cert         string // what is wrong with the certificate
	implicit     bool
}

var networkCases = []networkCase{
	{name: "reply injected behind 220", step: "STARTTLS", script: `S" "220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n"` + "\n! tls"},
	{name: "half a line injected", step: "STARTTLS", script: `S" "220 go\r\n250"` + "\n! tls"},
	{name: "220 in advance", step: "EHLO", script: `S" "250-smarthost.test\r\n250 STARTTLS\r\n220 go\r\n"` + "\n! hang"},
	{name: "EHLO in advance", step: "greeting", script: `S" "220 hello\r\n250-smarthost.test\r\n250 AUTH PLAIN\r\n"` + "\n! hang"},
	{name: "stripped", step: "EHLO", script: "S: 250-smarthost.test\nS: 250 AUTH PLAIN"},
	{name: "stripped to HELO", step: "EHLO", script: "S: 502 what?"},
	{name: "refused", step: "STARTTLS", script: "S: 454 4.7.0 not now"},
	{name: "unknown", step: "STARTTLS", script: "S: 502 5.5.1 what?"},
	{name: "250 instead of 220", step: "STARTTLS", script: "S: 250 ok\n! hang"},
	{name: "clear text goes on", step: "STARTTLS", script: "S: 220 go\nS: 250-smarthost.test\nS: 250 AUTH PLAIN\n! hang"},
	{name: "silence in the handshake", step: "STARTTLS", script: "S: 220 go\n! hang"},
	{name: "slow handshake", step: "STARTTLS", script: "S: 220 go\n" + `S" "\x16\x03\x03\x40\x00"` + "\n! trickle"},
	{name: "flood in the handshake", step: "STARTTLS", script: "S: 220 go\n! flood"},
	{name: "closed in the handshake", step: "STARTTLS", script: "S: 220 go\n! close"},
	{name: "no AUTH inside", step: "EHLO in TLS", script: "S: 250-smarthost.test\nS: 250 PIPELINING"},
	{name: "only unknown AUTH inside", step: "EHLO in TLS", script: "S: 250-smarthost.test\nS: 250 AUTH NTLM X-MINE"},
	{name: "STARTTLS again inside", step: "EHLO in TLS", script: "S: 250-smarthost.test\nS: 250 STARTTLS"},
	{name: "silence inside", step: "EHLO in TLS", script: "! hang"},
	{name: "unknown authority", cert: "authority"},
	{name: "unknown authority", cert: "authority", implicit: true},
	{name: "expired", cert: "expired"},
	{name: "expired", cert: "expired", implicit: true},
	{name: "not yet valid", cert: "early"},
	{name: "another name", cert: "name"},
	{name: "another name", cert: "name", implicit: true},
	{name: "name in the common name only", cert: "common name"},
	{name: "name as a part", cert: "part"},
	{name: "not for servers", cert: "client"},
	{name: "old TLS", cert: "TLS 1.1"},
	{name: "clear text where TLS should be", cert: "none"},
}

// String is the name of the subtest.
func (c networkCase) String() string {
	if c.implicit {
		return c.name + ", implicit"
	}
	return c.name
}

// hostileNetwork puts an attacker between us and a host: no mail and no password is sent until
// the right host is there.
func hostileNetwork(t *testing.T, fig *hostileFigures) {
	ca := newAuthority(t)
	template := queuedMessages(t)
	sideBySide(t, 12, networkCases, networkCase.String, func(t *testing.T, c networkCase) {
		fig.dialogues.Add(1)
		bad, other := newHostileHost(t, "PIPELINING", "AUTH PLAIN"), newHostileHost(t)
		bad.tls, bad.implicit = ca.config(t, c.cert), c.implicit
		me := stage.NewPerson(t)
		me.Setenv("SSL_CERT_FILE=" + ca.file)
		mode := "tls: starttls"
		if c.implicit || c.cert == "none" {
			mode = "tls: implicit"
		}
		configureHostile(me, "localhost:"+bad.port, other.addr, mode)
		takeQueue(me, template)
		bad.attack(c.step, c.script, "")
		if c.cert == "none" {
			bad.attack("greeting", "! ok\n! hang", "")
		}
		deliverBounded(me)
		if n := other.copies()["friend@example.net"]; n != 1 {
			t.Errorf("the mail of the other identity arrived %d times in the same run", n)
		}
		bad.settle()
		for _, verb := range []string{"AUTH", "MAIL"} {
			if said := bad.said(verb); len(said) > 0 {
				t.Errorf("it was told %q", said)
			}
		}
		if queue := me.Run("", "mailq"); strings.Contains(queue, "(failed") || !strings.Contains(queue, "in 3 Requests") {
			t.Errorf("mailq: %s", queue)
		}

		good := newHostileHost(t, "AUTH PLAIN")
		good.tls = ca.config(t, "")
		configureHostile(me, "localhost:"+good.port, other.addr, "tls: starttls")
		hasOneCopyEach(me, good, other)
	})
}

// An authority signs certificates, good and bad.
type authority struct {
	file string // for SSL_CERT_FILE
	cert *x509.Certificate
	key  any
	der  []byte
}

func newAuthority(t *testing.T) *authority {
	key := stage.NewKey(t)
	now := time.Now()
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "throw-away authority"},
		NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{stage.WritePEM(t, t.TempDir(), "ca.pem", "CERTIFICATE", der), cert, key, der}
}

// config makes a server's configuration for localhost with a mistake; "" for none.
func (a *authority) config(t *testing.T, mistake string) *tls.Config {
	now := time.Now()
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "somebody"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signer, signerKey, config := a.cert, a.key, &tls.Config{}
	switch mistake {
	case "authority":
		other := newAuthority(t)
		signer, signerKey = other.cert, other.key
	case "expired":
		leaf.NotBefore, leaf.NotAfter = now.Add(-24*time.Hour), now.Add(-time.Hour)
	case "early":
		leaf.NotBefore, leaf.NotAfter = now.Add(time.Hour), now.Add(24*time.Hour)
	case "name":
		leaf.DNSNames, leaf.IPAddresses = []string{"smtp.example.net"}, nil
	case "common name":
		leaf.DNSNames, leaf.IPAddresses, leaf.Subject.CommonName = nil, nil, "localhost"
	case "part":
		leaf.DNSNames = []string{"localhost.example.net", "xlocalhost", "*.localhost"}
	case "client":
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case "TLS 1.1":
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	}
	key := stage.NewKey(t)
	der, err := x509.CreateCertificate(rand.Reader, leaf, signer, &key.PublicKey, signerKey)
	if err != nil {
		t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	return config
}
