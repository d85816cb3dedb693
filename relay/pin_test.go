package relay

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"testing"
	"time"

	"esmtpq/relay/smtp"
)

// A fingerprint takes the place of name, authority and time; nothing else is taken beside it.
func TestFingerprint(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.sign(t, "www.example.net", time.Now().Add(-time.Hour)) // expired, and for another name
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	whole, key := sha256.Sum256(leaf.Raw), sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	shown := "sha256:" + hex.EncodeToString(whole[:])
	spki := "sha256//" + base64.StdEncoding.EncodeToString(key[:])
	other := "sha256:" + hex.EncodeToString(key[:])
	const refused = "1 x1@example.com delayed/identity 4.7.5 TLS with mx.example.org failed: the certificate is not the one of tls_fingerprint: " +
		"if its operator says that it is new, set tls_fingerprint: "
	for _, mode := range []smtp.TLSMode{smtp.TLSImplicit, smtp.TLSOpportunistic} {
		begin := "! tls\n"
		if mode == smtp.TLSOpportunistic {
			begin = beforeTLS + "S: 220 go\n! tls\n"
		}
		rest := ehlo + oneMessage
		if mode == smtp.TLSImplicit {
			rest = "S: 220 mx" + rest
		}
		for _, test := range []struct {
			pins []string
			want string
		}{
			{[]string{shown}, sent},
			{[]string{spki}, sent},
			{[]string{other, shown}, sent},
			{[]string{other}, refused + shown + "..."},
		} {
			script := begin + rest
			if test.want != sent {
				script = begin + "! hang"
			}
			h := serve(t, script, &tls.Config{Certificates: []tls.Certificate{cert}}).host()
			h.config.TLS, h.config.TLSConfig = mode, tlsFiles{pins: test.pins}.config
			run(t, h, messages(1)...).expect(test.want)
		}
	}
}

// The oldest version of TLS that is taken.
func TestTLSMin(t *testing.T) {
	ca := newAuthority(t)
	for _, test := range []struct {
		min   string
		host  uint16 // all that it knows
		taken bool
	}{
		{"", tls.VersionTLS11, false}, {"", tls.VersionTLS12, true}, {"", tls.VersionTLS13, true},
		{"1.3", tls.VersionTLS12, false}, {"1.3", tls.VersionTLS13, true},
		{"1.1", tls.VersionTLS11, true}, {"1.1", tls.VersionTLS10, false}, {"1.0", tls.VersionTLS10, true},
	} {
		config := ca.server(t, "mx.example.org")
		config.MinVersion, config.MaxVersion = test.host, test.host
		script, want := "! tls\nS: 220 mx"+ehlo+oneMessage, sent
		if !test.taken {
			script, want = "! tls\n! hang", "1 x1@example.com delayed/identity 4.7.5 ..."
		}
		h := serve(t, script, config).host()
		h.config.TLS, h.config.TLSConfig = smtp.TLSImplicit, tlsFiles{ca: ca.file, min: test.min}.config
		run(t, h, messages(1)...).expect(want)
	}
}
