package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A tlsReason says why a handshake has failed, and what helps.
type tlsReason struct {
	name   string        // that the certificate must be for
	limit  time.Duration // for the handshake
	system bool          // the authorities are those of the system
}

func (t tlsReason) explain(err error) string {
	var bad *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &bad) && len(bad.UnverifiedCertificates) > 0:
		return t.certificate(bad.Err, bad.UnverifiedCertificates)
	case errors.As(err, &noTLS):
		return t.name + " did not answer in TLS: " + inClear(noTLS.RecordHeader[:])
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("%s did not answer to the beginning of TLS within %v: check the port; a proxy may be there, or something between may drop TLS", t.name, t.limit)
	}
	return fmt.Sprintf("TLS with %s failed: %v%s", t.name, err, handshakeCure(err))
}

// inClear says what is at a port that was taken for one with TLS, by the first five octets that came
// from it.
func inClear(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("HTTP/")):
		return "a web server or an HTTP proxy answers at this port"
	case bytes.HasPrefix(head, []byte("220")):
		return "SMTP begins in clear at this port, which needs tls: starttls; port 465 needs implicit TLS"
	}
	return "a port that begins in clear needs starttls, port 465 needs implicit TLS"
}

const refusedCertificate = "the host does not take the client certificate (client_certificate)"

// handshakeCures are the words of failures before there is a certificate, and what helps.
var handshakeCures = []struct{ words, cure string }{
	{"handshake failure", "the host has no cipher or key exchange in common with this program, or wants a client certificate (client_certificate); " +
		"for an old host with RSA key exchange only, tls_compat: rsa_key_exchange helps until its operator has updated it"},
	{"no cipher suite supported", "the host has only ciphers that are no longer safe: its operator must update it"},
	{"protocol version", "the host speaks TLS older than 1.2 only, which is no longer safe: its operator must update it"},
	{"bad certificate", refusedCertificate}, {"unknown certificate authority", refusedCertificate},
	{"certificate required", "the host wants a client certificate: set client_certificate"},
	{"unrecognized name", "the host knows no such name: set tls_name to one that it has"},
}

// handshakeCure returns what helps, for the end of a sentence.
func handshakeCure(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return ": it was hung up on at the beginning of TLS; if something between cannot take so large a beginning, " +
			"tls_compat: small_hello makes it smaller"
	}
	for _, c := range handshakeCures {
		if strings.Contains(err.Error(), c.words) {
			return ": " + c.cure
		}
	}
	return ""
}

// certificate says why a certificate does not count; chain is what the host has sent.
func (t tlsReason) certificate(err error, chain []*x509.Certificate) string {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var noRoots x509.SystemRootsError
	switch {
	case errors.As(err, &invalid):
		return t.invalid(invalid, chain[0])
	case errors.As(err, &wrongName):
		return t.wrongName(wrongName.Certificate)
	case errors.As(err, &noRoots) || errors.As(err, &unknown) && t.system && noAuthorities():
		return "the certificate of " + t.name + " cannot be verified: this machine knows no authorities at all; install ca-certificates, or name a PEM file as ca_file of the identity"
	case errors.As(err, &unknown):
		return t.unknown(err, chain)
	}
	return fmt.Sprintf("the certificate of %s cannot be verified: %v", t.name, err)
}

// noAuthorities reports whether the system has none.
func noAuthorities() bool {
	pool, err := x509.SystemCertPool()
	return err != nil || pool.Equal(x509.NewCertPool())
}

// invalid says why a certificate in a chain that is signed properly does not count.
func (t tlsReason) invalid(e x509.CertificateInvalidError, leaf *x509.Certificate) string {
	whose := "the certificate of " + t.name
	if !e.Cert.Equal(leaf) {
		whose = "the certificate of " + called(e.Cert) + ", which stands behind that of " + t.name + ","
	}
	now := time.Now()
	const day = "2006-01-02"
	clock := "this machine's clock says " + now.Format(day)
	switch {
	case e.Reason == x509.Expired && now.Before(e.Cert.NotBefore):
		return fmt.Sprintf("%s is not valid now (from %s to %s), and %s: set the clock if that is wrong", whose, e.Cert.NotBefore.Format(day), e.Cert.NotAfter.Format(day), clock)
	case e.Reason == x509.Expired:
		return fmt.Sprintf("%s is not valid now (from %s to %s): its operator must renew it, unless this machine's clock is wrong (%s)",
			whose, e.Cert.NotBefore.Format(day), e.Cert.NotAfter.Format(day), clock)
	case e.Reason == x509.IncompatibleUsage:
		return whose + " was not made for a server (extended key usage): its operator must have it made anew"
	case e.Reason == x509.NotAuthorizedToSign:
		return whose + " must not sign others: its operator must have them made anew"
	}
	return fmt.Sprintf("%s does not count: %v", whose, e)
}

// unknown says why there is no way from a certificate to an authority.
func (t tlsReason) unknown(err error, chain []*x509.Certificate) string {
	leaf, last := chain[0], chain[len(chain)-1]
	_, hint, _ := strings.Cut(err.Error(), `possibly because of "`)
	hint, _, _ = strings.Cut(hint, `" while trying to verify candidate authority`)
	hint = strings.TrimPrefix(hint, "x509: ")
	_, algorithm, insecure := strings.Cut(hint, "insecure algorithm ")
	const known = "if you know it, name the PEM file of its certificate as ca_file of the identity"
	switch {
	case insecure:
		return fmt.Sprintf("the certificate of %s is signed with %s, which no longer counts: its operator must have it made anew", t.name, algorithm)
	case selfSigned(leaf):
		return fmt.Sprintf("the certificate of %s is signed by itself alone, which proves nothing: if you know it, name a PEM file of it as ca_file of the identity", t.name)
	case strings.Contains(hint, "verification"):
		return fmt.Sprintf("the certificate of %s is signed by an authority that is not trusted here (%s; another of this name is, with another key): %s", t.name, called(issuer(leaf)), known)
	case hint != "":
		return fmt.Sprintf("the certificate of %s is signed by an authority that is not trusted here (%s): %s", t.name, called(issuer(leaf)), shorten(hint, 200))
	case len(chain) == 1:
		return fmt.Sprintf("%s sends its own certificate alone, and that of its issuer (%s) is not known here: its operator must add that one; or %s",
			t.name, called(issuer(leaf)), strings.Replace(known, "it,", "the issuer,", 1))
	}
	authority := issuer(last)
	return fmt.Sprintf("the certificate of %s is signed by an authority that is not trusted here (%s): %s", t.name, called(authority), known)
}

// wrongName says for what a certificate is.
func (t tlsReason) wrongName(cert *x509.Certificate) string {
	listed := names(cert)
	switch {
	case listed == "" && cert.Subject.CommonName == "":
		return fmt.Sprintf("the certificate of %s names no host: it must be made anew with %s as a subject alternative name", t.name, t.name)
	case listed == "":
		return fmt.Sprintf("the certificate of %s names its host in the common name alone (%s), which no longer counts (RFC 9525): it must be made anew with %s as a subject alternative name",
			t.name, shorten(cert.Subject.CommonName, 100), t.name)
	case net.ParseIP(t.name) != nil && slices.Contains(cert.DNSNames, t.name):
		return fmt.Sprintf("the certificate has %s as the name of a host, and an address counts only as an address: it must be made anew with an IP entry, or reach the host by a name", t.name)
	}
	return fmt.Sprintf("the certificate is not for %s but for %s: configure the host by a name that the certificate is for (or tls_name, where it is reached as another)", t.name, listed)
}

// names lists the names that a certificate is for.
func names(cert *x509.Certificate) string {
	all := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) > 5 {
		all = append(all[:5], "others")
	}
	return strings.Join(all, ", ")
}

func selfSigned(cert *x509.Certificate) bool { return bytes.Equal(cert.RawIssuer, cert.RawSubject) }

// issuer returns as much of a certificate's issuer as the certificate has of it.
func issuer(cert *x509.Certificate) *x509.Certificate {
	return &x509.Certificate{Subject: cert.Issuer}
}

// called returns the name of an authority, for a person.
func called(cert *x509.Certificate) string {
	name := cert.Subject.CommonName
	if name == "" {
		name = cert.Subject.String()
	}
	return shorten(name, 100)
}
