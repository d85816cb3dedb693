package smtp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A pair is a certificate with its key.
type pair struct {
	cert *x509.Certificate
	key  any
}

// made makes a certificate, signed by another or, if that is nil, by itself.
func made(t testing.TB, by *pair, change func(*x509.Certificate)) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return madeWith(t, by, key, &key.PublicKey, change)
}

func madeWith(t testing.TB, by *pair, key, public any, change func(*x509.Certificate)) *pair {
	t.Helper()
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		BasicConstraintsValid: true,
	}
	change(template)
	if by == nil {
		by = &pair{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, public, by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{cert, key}
}

func authority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.KeyUsage = pkix.Name{CommonName: name}, true, x509.KeyUsageCertSign
	}
}

func forHost(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// sends returns the settings of a server that sends these certificates.
func sends(all ...*pair) *tls.Config {
	c := tls.Certificate{PrivateKey: all[0].key}
	for _, p := range all {
		c.Certificate = append(c.Certificate, p.cert.Raw)
	}
	return &tls.Config{Certificates: []tls.Certificate{c}}
}

// beginTLS returns what a session with TLS from the start comes to at a port where serve answers.
func beginTLS(t *testing.T, name string, roots *x509.CertPool, serve func(net.Conn)) *Error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	defer served.Wait()
	defer l.Close()
	served.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		serve(conn)
	})
	limits := NewLimits(patience)
	limits.EHLO = 2 * time.Second
	_, failure := Open(t.Context(), &Config{
		Name: name, TLS: TLSImplicit, TLSName: name, Limits: limits,
		Dial: func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		},
		TLSConfig: func(name string) (*tls.Config, error) {
			return &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
		},
	})
	if failure == nil {
		t.Fatal("no failure")
	}
	return failure
}

// Each kind of trouble with TLS is named as what it is, and with what helps.
func TestTLSReasons(t *testing.T) {
	const mx, day = "mx.example.org", "2006-01-02"
	now := time.Now()
	year := 365 * 24 * time.Hour
	root := made(t, nil, authority("Test Root"))
	mid := made(t, root, authority("Test Middle"))
	old := made(t, root, func(c *x509.Certificate) {
		authority("Old Middle")(c)
		c.NotBefore, c.NotAfter = now.Add(-2*year), now.Add(-year)
	})
	other := made(t, nil, authority("Other Root"))
	unknownMid := made(t, other, authority("Unknown Middle"))
	noCA := made(t, root, func(c *x509.Certificate) { c.Subject.CommonName = "No Authority" })
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaRoot := madeWith(t, nil, rsaKey, &rsaKey.PublicKey, authority("RSA Root"))
	good := made(t, root, forHost(mx))
	roots := x509.NewCertPool()
	for _, p := range []*pair{root, noCA, rsaRoot} {
		roots.AddCert(p.cert)
	}
	rsaOnly := sends(madeWith(t, rsaRoot, rsaKey, &rsaKey.PublicKey, forHost(mx)))
	rsaOnly.MaxVersion, rsaOnly.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
	oldTLS := sends(good)
	oldTLS.MinVersion, oldTLS.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	// TLS 1.2 refuses a missing client certificate in the handshake, TLS 1.3 behind it.
	wants := sends(good)
	wants.ClientAuth, wants.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12

	for _, c := range []struct {
		name, host string
		server     *tls.Config
		want       []string // parts, in this order
	}{
		{"no intermediate", mx, sends(made(t, mid, forHost(mx))), []string{"mx.example.org sends its own certificate alone", "issuer (Test Middle)", "operator must add", "ca_file"}},
		{"intermediate, unknown root", mx, sends(made(t, unknownMid, forHost(mx)), unknownMid),
			[]string{"authority that is not trusted here (Other Root)", "ca_file"}},
		{"root sent, unknown", mx, sends(made(t, other, forHost(mx)), other), []string{"authority that is not trusted here (Other Root)", "ca_file"}},
		{"signed by itself", mx, sends(made(t, nil, forHost(mx))), []string{"signed by itself alone", "ca_file"}},
		{"SHA-1", mx, sends(madeWith(t, rsaRoot, rsaKey, &rsaKey.PublicKey, func(c *x509.Certificate) {
			forHost(mx)(c)
			c.SignatureAlgorithm = x509.SHA1WithRSA
		})), []string{"signed with SHA1-RSA, which no longer counts", "made anew"}},
		{"another root of the name", mx, sends(made(t, made(t, nil, authority("Test Root")), forHost(mx))), []string{"not trusted here (Test Root; another of this name is, with another key)", "ca_file"}},
		{"issuer is no authority", mx, sends(made(t, noCA, forHost(mx))), []string{"(No Authority)", "cannot sign"}},
		{"address as a DNS name", "127.0.0.1", sends(made(t, root, forHost("127.0.0.1"))), []string{"has 127.0.0.1 as the name of a host", "IP entry"}},
		{"address, other name", "127.0.0.1", sends(good), []string{"not for 127.0.0.1 but for mx.example.org", "tls_name"}},
		{"common name alone", mx, sends(made(t, root, func(c *x509.Certificate) { c.Subject.CommonName = mx })), []string{"in the common name alone (mx.example.org)", "RFC 9525"}},
		{"no name", mx, sends(made(t, root, func(*x509.Certificate) {})), []string{"names no host", "made anew"}},
		{"expired intermediate", mx, sends(made(t, old, forHost(mx)), old),
			[]string{"the certificate of Old Middle, which stands behind that of mx.example.org, is not valid now (from " + now.Add(-2*year).UTC().Format(day), "renew", "clock says " + now.Format(day)}},
		{"expired", mx, sends(made(t, root, func(c *x509.Certificate) {
			forHost(mx)(c)
			c.NotBefore, c.NotAfter = now.Add(-2*year), now.Add(-year)
		})), []string{"the certificate of mx.example.org is not valid now (from", "renew it, unless this machine's clock is wrong (this machine's clock says " + now.Format(day)}},
		{"a clock a year behind", mx, sends(made(t, root, func(c *x509.Certificate) {
			forHost(mx)(c)
			c.NotBefore, c.NotAfter = now.Add(year), now.Add(2*year)
		})), []string{"not valid now (from", "clock says " + now.Format(day), "set the clock"}},
		{"made for clients", mx, sends(made(t, root, func(c *x509.Certificate) {
			forHost(mx)(c)
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		})), []string{"was not made for a server"}},
		{"RSA key exchange only", mx, rsaOnly, []string{"handshake failure", "RSA key exchange", "tls_compat: rsa_key_exchange"}},
		{"old TLS", mx, oldTLS, []string{"protocol version", "older than 1.2"}},
		{"client certificate wanted", mx, wants, []string{"client_certificate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := beginTLS(t, c.host, roots, func(conn net.Conn) { tls.Server(conn, c.server).Handshake() })
			says(t, e, c.want)
			if e.At != StageTLS || e.Kind != KindLost {
				t.Errorf("%s, %s", e.At, e.Kind)
			}
		})
	}
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
		want  []string
	}{
		{"SMTP in clear", func(conn net.Conn) { conn.Write([]byte("220 mx ESMTP\r\n")); conn.Read(make([]byte, 9)) }, []string{"SMTP begins in clear", "tls: starttls"}},
		{"HTTP", func(conn net.Conn) {
			conn.Read(make([]byte, 9))
			conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		}, []string{"HTTP proxy answers"}},
		{"something else", func(conn net.Conn) { conn.Write([]byte("+OK ready\r\n")); conn.Read(make([]byte, 9)) }, []string{"a port that begins in clear needs starttls"}},
		{"silence", func(conn net.Conn) { io.Copy(io.Discard, conn) }, []string{"did not answer to the beginning of TLS within 2s", "proxy"}},
		{"hangs up", func(conn net.Conn) { conn.Read(make([]byte, 4096)) }, []string{"hung up", "tls_compat: small_hello"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			says(t, beginTLS(t, mx, roots, c.serve), c.want)
		})
	}
	late := sends(good)
	late.ClientAuth = tls.RequireAnyClientCert
	says(t, beginTLS(t, mx, roots, func(conn net.Conn) { tls.Server(conn, late).Handshake(); io.Copy(io.Discard, conn) }),
		[]string{"lost at greeting", "certificate required", "client_certificate"})
}

// says checks that a reason has some parts in their order.
func says(t *testing.T, e *Error, parts []string) {
	t.Helper()
	t.Log(e)
	rest := e.Error()
	for _, part := range parts {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			t.Fatalf("%s\nlacks %q", e, part)
		}
		rest = after
	}
}
