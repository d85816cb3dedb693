package stage

import (
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
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// A Certificate is one for localhost, signed by an authority of its own.
type Certificate struct {
	Authority string // file that SSL_CERT_FILE can name
	CertFile  string
	KeyFile   string
	pair      tls.Certificate
}

// NewCertificate makes an authority and a certificate for localhost, 127.0.0.1 and further names.
func NewCertificate(t testing.TB, names ...string) Certificate {
	t.Helper()
	dir := t.TempDir()
	caKey, leafKey := NewKey(t), NewKey(t)
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "throw-away authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		DNSNames: append([]string{"localhost"}, names...), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
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
	return Certificate{
		Authority: WritePEM(t, dir, "ca.pem", "CERTIFICATE", caDER),
		CertFile:  WritePEM(t, dir, "fullchain.pem", "CERTIFICATE", leafDER),
		KeyFile:   WritePEM(t, dir, "privkey.pem", "PRIVATE KEY", keyDER),
		pair:      tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey},
	}
}

// NewKey makes a private key.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// WritePEM writes a certificate or a key to a file and returns its path.
func WritePEM(t testing.TB, dir, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// WithTLS lets a smart host offer STARTTLS, and take mail only from User.
func WithTLS(cert Certificate) func(*smtp.Server) {
	return func(server *smtp.Server) {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert.pair}}
	}
}
