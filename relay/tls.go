package relay

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"esmtpq/identity"
)

// tlsFiles are the PEM files of an identity for TLS.
type tlsFiles struct {
	ca         string // authorities to trust instead of the system's; "" means those
	cert, key  string // client certificate; key "" means that it is in cert
	passphrase identity.Secret
	pins       []string // as identity.Identity.Fingerprints
	min        string   // as identity.Identity.TLSMin
	compat     []string // as identity.Identity.TLSCompat
}

func filesOf(id *identity.Identity) tlsFiles {
	return tlsFiles{ca: id.CAFile, cert: id.ClientCertificate, key: id.ClientKey, passphrase: id.CertificatePassphrase,
		pins: id.Fingerprints, min: id.TLSMin, compat: id.TLSCompat}
}

// config returns the TLS settings for a session with a host that must show a certificate for
// name. The system's authorities are those of crypto/x509, so SSL_CERT_FILE and SSL_CERT_DIR
// apply.
func (f tlsFiles) config(name string) (*tls.Config, error) {
	c := &tls.Config{ServerName: name, MinVersion: oldest(f.min)}
	f.concede(c)
	if len(f.pins) > 0 {
		c.InsecureSkipVerify, c.VerifyConnection = true, f.pinned
	}
	if f.ca != "" {
		text, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, fmt.Errorf("cannot read the file of authorities: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", f.ca)
		}
	}
	if f.cert != "" {
		cert, err := f.clientCertificate()
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// concede makes the concessions that are configured.
func (f tlsFiles) concede(c *tls.Config) {
	if slices.Contains(f.compat, identity.CompatRSA) {
		for _, suite := range tls.CipherSuites() {
			c.CipherSuites = append(c.CipherSuites, suite.ID)
		}
		c.CipherSuites = append(c.CipherSuites, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
	}
	if slices.Contains(f.compat, identity.CompatSmall) {
		c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
}

// oldest returns the oldest version that is taken.
func oldest(version string) uint16 {
	switch version {
	case "1.0":
		return tls.VersionTLS10
	case "1.1":
		return tls.VersionTLS11
	case "1.3":
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// pinned returns an error unless the host has shown one of the certificates, or public keys, that
// are configured. It is called for a resumed session, too, with the certificate of the first one.
func (f tlsFiles) pinned(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the host has shown no certificate")
	}
	leaf := state.PeerCertificates[0]
	whole, key := sha256.Sum256(leaf.Raw), sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	shown := "sha256:" + hex.EncodeToString(whole[:])
	if slices.Contains(f.pins, shown) || slices.Contains(f.pins, "sha256//"+base64.StdEncoding.EncodeToString(key[:])) {
		return nil
	}
	return fmt.Errorf("the certificate is not the one of tls_fingerprint: if its operator says that it is new, set tls_fingerprint: %s", shown)
}

// clientCertificate reads certificate and key.
func (f tlsFiles) clientCertificate() (tls.Certificate, error) {
	certText, err := os.ReadFile(f.cert)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot read the client certificate: %w", err)
	}
	keyText, keyFile := certText, f.cert
	if f.key != "" {
		keyFile = f.key
		if keyText, err = os.ReadFile(f.key); err != nil {
			return tls.Certificate{}, fmt.Errorf("cannot read the client key: %w", err)
		}
	}
	if keyText, err = f.decrypt(keyText); err != nil {
		return tls.Certificate{}, fmt.Errorf("client key %s: %w", keyFile, err)
	}
	cert, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client certificate %s: %w", f.cert, err)
	}
	return cert, nil
}

// decrypt returns the key of text in clear. It knows PKCS #8 and OpenSSL's old way of encrypting a
// key, which classic configurations have.
func (f tlsFiles) decrypt(text []byte) ([]byte, error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return text, nil
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" {
			der, err := decryptPKCS8(block.Bytes, f.passphrase.Reveal())
			if err != nil {
				return nil, err
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
		}
		//lint:ignore SA1019 weak as it is, it is what existing keys use; the file's mode is the protection
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") || !x509.IsEncryptedPEMBlock(block) {
			continue
		}
		//lint:ignore SA1019 as above
		der, err := x509.DecryptPEMBlock(block, []byte(f.passphrase.Reveal()))
		if err != nil {
			return nil, errPassphrase
		}
		return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), nil
	}
}
