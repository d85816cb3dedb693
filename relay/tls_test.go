package relay

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esmtpq/identity"
	"esmtpq/relay/smtp"
)

// An authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate in PEM
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert, key, filepath.Join(t.TempDir(), "ca.pem")}
	writePEM(t, a.file, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t testing.TB, path string, blocks ...*pem.Block) {
	t.Helper()
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(b)...)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// sign makes a certificate for name that ends at the given time.
func (a *authority) sign(t testing.TB, name string, end time.Time) tls.Certificate {
	t.Helper()
	return a.signFor(t, name, []string{name}, end)
}

// signFor makes a certificate with a common name and other names.
func (a *authority) signFor(t testing.TB, name string, names []string, end time.Time) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: names,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// server returns a server's settings with a good certificate for name.
func (a *authority) server(t testing.TB, name string) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{a.sign(t, name, time.Now().Add(time.Hour))}}
}

const (
	beforeTLS = `
		S: 220 mx.example.org ESMTP
		C: EHLO client.example.org
		S: 250-mx.example.org
		S: 250-AUTH PLAIN
		S: 250 STARTTLS
		C: STARTTLS
	`
	ehlo = `
		C: EHLO client.example.org
		S: 250 mx.example.org
	`
	oneMessage = `
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x1@example.com>
		S: 250 ok
		C: DATA
		S: 354 go on
		C* .
		S: 250 queued` + bye
	sent = "1 x1@example.com relayed 2.0.0 250 queued"
)

func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good := ca.server(t, "mx.example.org")
	const delayed = "1 x1@example.com delayed/identity 4.7.5 "
	for _, c := range []struct {
		name   string
		mode   smtp.TLSMode
		config *tls.Config
		script string
		want   string
	}{
		{"implicit", smtp.TLSImplicit, good, "! tls\nS: 220 mx" + ehlo + oneMessage, sent},
		{"starttls", smtp.TLSStartTLS, good, beforeTLS + "S: 220 go\n! tls" + ehlo + oneMessage, sent},
		{"opportunistic, offered", smtp.TLSOpportunistic, good, beforeTLS + "S: 220 go\n! tls" + ehlo + oneMessage, sent},
		{"opportunistic, any certificate", smtp.TLSOpportunistic, other.server(t, "x.example.net"),
			beforeTLS + "S: 220 go\n! tls" + ehlo + oneMessage, sent},
		{"opportunistic, not offered", smtp.TLSOpportunistic, nil, "S: 220 mx" + ehlo + oneMessage, sent},
		{"opportunistic, refused", smtp.TLSOpportunistic, nil, beforeTLS + "S: 454 4.7.0 not now" + oneMessage, sent},
		{"off, offered", smtp.TLSOff, nil, strings.TrimSuffix(strings.TrimSpace(beforeTLS), "C: STARTTLS") + oneMessage, sent},

		{"starttls stripped", smtp.TLSStartTLS, nil, "S: 220 mx" + ehlo + "! hang", delayed + "mx.example.org does not offer STARTTLS..."},
		{"starttls refused", smtp.TLSStartTLS, nil, beforeTLS + "S: 454 4.7.0 not now\n! hang",
			"1 x1@example.com delayed/identity 4.7.0 454 not now"},
		{"reply injected behind STARTTLS", smtp.TLSStartTLS, good, beforeTLS + `S" "220 go\r\n250 injected\r\n"` + "\n! hang",
			delayed + "mx.example.org sent more in clear behind its reply to STARTTLS; someone between may have put it there"},
		{"the same, opportunistic", smtp.TLSOpportunistic, good, beforeTLS + `S" "220 go\r\n250 injected\r\n"` + "\n! hang",
			delayed + "mx.example.org sent more in clear behind..."},
		{"no handshake", smtp.TLSStartTLS, nil, beforeTLS + "S: 220 go\n! shut", delayed + "TLS with mx.example.org failed: EOF: it was hung up on..."},
		{"clear where TLS should be", smtp.TLSImplicit, nil, "S: 220 mx\n! hang", delayed + "mx.example.org did not answer in TLS: SMTP begins in clear at this port, which needs tls: starttls..."},

		{"wrong name", smtp.TLSImplicit, ca.server(t, "www.example.net"), "! tls\n! hang",
			delayed + "the certificate is not for mx.example.org but for www.example.net: configure..."},
		{"common name alone", smtp.TLSImplicit, &tls.Config{Certificates: []tls.Certificate{ca.signFor(t, "mx.example.org", nil, time.Now().Add(time.Hour))}}, "! tls\n! hang",
			delayed + "the certificate of mx.example.org names its host in the common name alone (mx.example.org), which no longer counts..."},
		{"unknown authority", smtp.TLSImplicit, other.server(t, "mx.example.org"), "! tls\n! hang",
			delayed + "the certificate of mx.example.org is signed by an authority that is not trusted here (test authority; another..."},
		{"expired", smtp.TLSImplicit, &tls.Config{Certificates: []tls.Certificate{ca.sign(t, "mx.example.org", time.Now().Add(-time.Hour))}}, "! tls\n! hang",
			delayed + "the certificate of mx.example.org is not valid now..."},
		{"wrong name behind STARTTLS", smtp.TLSStartTLS, ca.server(t, "www.example.net"), beforeTLS + "S: 220 go\n! tls\n! hang",
			delayed + "the certificate is not for mx.example.org..."},
		{"old TLS", smtp.TLSImplicit, &tls.Config{Certificates: good.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "! tls\n! hang",
			delayed + "TLS with mx.example.org failed: ..."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.script, c.config)
			h := s.host()
			h.config.TLS, h.config.TLSConfig = c.mode, tlsFiles{ca: ca.file}.config
			run(t, h, messages(1)...).expect(c.want)
		})
	}
}

// TestForgottenExtensions: what was offered in clear counts for nothing in TLS.
func TestForgottenExtensions(t *testing.T) {
	ca := newAuthority(t)
	s := serve(t, beforeTLS+"S: 220 go\n! tls"+ehlo+"! hang", ca.server(t, "mx.example.org"))
	h := s.host()
	h.config.TLS, h.config.TLSConfig = smtp.TLSStartTLS, tlsFiles{ca: ca.file}.config
	h.config.Login = &secrets{}
	run(t, h, messages(1)...).expect("1 x1@example.com delayed/identity 4.7.0 mx.example.org offers no login (AUTH)...")
}

// TestClientCertificate logs in with a certificate, in a file of its own or with its key.
func TestClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	config := ca.server(t, "mx.example.org")
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = x509.NewCertPool()
	config.ClientCAs.AddCert(ca.cert)
	client := ca.sign(t, "me", time.Now().Add(time.Hour))
	der, err := x509.MarshalECPrivateKey(client.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	cert, key := &pem.Block{Type: "CERTIFICATE", Bytes: client.Certificate[0]}, &pem.Block{Type: "EC PRIVATE KEY", Bytes: der}
	//lint:ignore SA1019 it is the old encryption that is tested
	locked, err := x509.EncryptPEMBlock(rand.Reader, key.Type, der, []byte("passphrase"), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	writePEM(t, file("both"), cert, key)
	writePEM(t, file("cert"), cert)
	writePEM(t, file("key"), key)
	writePEM(t, file("locked"), locked)
	writePEM(t, file("pkcs8"), &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})

	const dialogue = `
		! tls
		S: 220 mx
		C: EHLO client.example.org
		S: 250-mx
		S: 250 AUTH EXTERNAL PLAIN
		C: AUTH EXTERNAL =
		S: 235 welcome` + oneMessage
	for _, c := range []struct {
		files tlsFiles
		want  string
	}{
		{tlsFiles{cert: file("both")}, sent},
		{tlsFiles{cert: file("cert"), key: file("key")}, sent},
		{tlsFiles{cert: file("cert"), key: file("locked"), passphrase: identity.NewSecret("passphrase")}, sent},
		{tlsFiles{cert: file("cert"), key: file("locked"), passphrase: identity.NewSecret("wrong")}, "1 x1@example.com delayed/identity 4.3.5 client key ..."},
		{tlsFiles{cert: file("cert"), key: file("pkcs8")}, "1 x1@example.com delayed/identity 4.3.5 client key ..."},
		{tlsFiles{cert: file("missing")}, "1 x1@example.com delayed/identity 4.3.5 cannot read the client certificate..."},
		{tlsFiles{cert: file("cert"), ca: file("key")}, "1 x1@example.com delayed/identity 4.3.5 ..."},
	} {
		script := dialogue
		if c.want != sent {
			script = "! hang"
		}
		s := serve(t, script, config)
		h := s.host()
		if c.files.ca == "" {
			c.files.ca = ca.file
		}
		h.config.TLS, h.config.TLSConfig, h.config.External = smtp.TLSImplicit, c.files.config, true
		run(t, h, messages(1)...).expect(c.want)
		s.close()
	}
}

// TestUnreachable: no connection is the identity's trouble, and says why.
func TestUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := ln.Addr().String()
	ln.Close()
	for _, c := range []struct {
		h    *host
		want string
	}{
		{&host{name: "mx", addr: free}, "4.4.1 cannot connect to mx (" + free + "): ..."},
		{&host{name: "mx", addr: "nonsense"}, "4.4.3 host mx: ..."},
		{&host{name: "mx", dial: func(context.Context) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "mx.example.org", IsNotFound: true}
		}}, "4.4.3 cannot look up host mx.example.org: no such host"},
		{&host{name: "mx", dial: func(context.Context) (net.Conn, error) {
			return nil, os.ErrPermission
		}}, "4.4.1 cannot reach mx: permission denied"},
	} {
		c.h.dialTime = patience
		c.h.config = smtp.Config{Name: c.h.name, Limits: smtp.NewLimits(patience / 2)}
		run(t, c.h, messages(2)...).expect("1 x1@example.com delayed/identity " + c.want)
	}
}
