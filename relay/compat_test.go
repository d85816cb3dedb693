package relay

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"encoding/pem"

	"esmtpq/identity"
	"esmtpq/relay/smtp"
)

// A host that has RSA key exchange only is reached by the concession that the reason names, and not
// without it.
func TestRSAKeyExchange(t *testing.T) {
	config, ca := rsaServer(t)
	config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
	for _, test := range []struct {
		compat       []string
		script, want string
	}{
		{nil, "! tls\n! hang", "1 x1@example.com delayed/identity 4.7.5 TLS with mx.example.org failed: remote error: tls: handshake failure: " +
			"the host has no cipher or key exchange in common with this program, or wants a client certificate (client_certificate); " +
			"for an old host with RSA key exchange only, tls_compat: rsa_key_exchange..."},
		{[]string{identity.CompatRSA}, "! tls\nS: 220 mx" + ehlo + oneMessage, sent},
	} {
		h := serve(t, test.script, config).host()
		h.config.TLS, h.config.TLSConfig = smtp.TLSImplicit, tlsFiles{ca: ca, compat: test.compat}.config
		run(t, h, messages(1)...).expect(test.want)
	}
}

// rsaServer returns the settings of a server whose key is RSA, and the file of its authority.
func rsaServer(t *testing.T) (config *tls.Config, ca string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "own"}, DNSNames: []string{"mx.example.org"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, ca
}

// The beginning of TLS fits into one packet by the concession, and otherwise does not.
func TestSmallHello(t *testing.T) {
	for _, test := range []struct {
		compat []string
		small  bool
	}{{nil, false}, {[]string{identity.CompatSmall}, true}, {[]string{identity.CompatSmall, identity.CompatRSA}, true}} {
		config, err := tlsFiles{compat: test.compat}.config("mx.example.org")
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		go func() {
			tls.Client(near, config).Handshake()
			near.Close()
		}()
		n, err := far.Read(make([]byte, 8192))
		far.Close()
		if err != nil || (n < 600) != test.small {
			t.Errorf("%v: the first message has %d octets, %v", test.compat, n, err)
		}
	}
}
