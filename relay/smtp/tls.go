package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// startTLS changes to TLS (RFC 3207). If TLS is not required, the session goes on in clear with a
// host that does not offer or refuses it; a password is then not sent, see logIn.
func (c *Conn) startTLS(required bool) *Error {
	if !c.ext.Has("STARTTLS") {
		if required {
			return c.refuse(StageTLS, c.cfg.Name+" does not offer STARTTLS: check the port, or try port 465 with implicit TLS; someone between may have removed the offer")
		}
		return nil
	}
	r, err := c.ask(StageTLS, "STARTTLS", "STARTTLS")
	switch {
	case err != nil:
		return err
	case r.Code != 220 && r.Code != 421 && !required:
		return nil
	case r.Code != 220:
		return c.want(StageTLS, r, 220)
	}
	// Anything after the reply was said in clear, and must not be believed once the session is
	// encrypted.
	if c.r.br.Buffered() > 0 {
		return c.refuse(StageTLS, c.cfg.Name+" sent more in clear behind its reply to STARTTLS; someone between may have put it there")
	}
	if err := c.handshake(); err != nil {
		return err
	}
	return c.hello() // offers in clear are forgotten (RFC 3207, 4.2)
}

// handshake begins TLS on the connection.
func (c *Conn) handshake() *Error {
	config, err := c.tlsConfig()
	if err != nil {
		return c.refuse(StageTLS, err.Error())
	}
	conn := tls.Client(c.conn, config)
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Limits.EHLO)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		if c.ctx.Err() != nil {
			return stopped(StageTLS)
		}
		return &Error{At: StageTLS, Kind: KindLost, Text: explainTLS(c.cfg.TLSName, err), Host: c.cfg.Name}
	}
	c.use(conn)
	state := conn.ConnectionState()
	how := ""
	if state.DidResume {
		how = ", resumed"
	}
	c.Note(tls.VersionName(state.Version) + ", " + tls.CipherSuiteName(state.CipherSuite) + how)
	return nil
}

// tlsConfig returns the TLS settings.
func (c *Conn) tlsConfig() (*tls.Config, error) {
	name, err := ASCIIHost(c.cfg.TLSName)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12}
	if c.cfg.TLSConfig != nil {
		if config, err = c.cfg.TLSConfig(name); err != nil {
			return nil, err
		}
	}
	// If the session may also be in clear (RFC 7435) and no password depends on it, encryption
	// alone is enough.
	config.InsecureSkipVerify = c.cfg.TLS == TLSOpportunistic && c.cfg.Login == nil
	return config, nil
}

// explainTLS says what is wrong with a handshake, and what to do.
func explainTLS(name string, err error) string {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s is not valid now (from %s to %s): its operator must renew it, unless this machine's clock is wrong",
			name, invalid.Cert.NotBefore.Format("2006-01-02"), invalid.Cert.NotAfter.Format("2006-01-02"))
	case errors.As(err, &unknown) && unknown.Cert != nil && bytes.Equal(unknown.Cert.RawIssuer, unknown.Cert.RawSubject):
		return fmt.Sprintf("the certificate of %s is signed by itself alone, which proves nothing: if you know it, name a PEM file of it as ca_file of the identity", name)
	case errors.As(err, &unknown):
		return fmt.Sprintf("the certificate of %s is signed by an authority that is not trusted here: if you know it, name the PEM file of its certificate as ca_file of the identity", name)
	case errors.As(err, &wrongName) && names(wrongName.Certificate) == "":
		return fmt.Sprintf("the certificate of %s names its host in the common name alone (%s), which no longer counts (RFC 9525): it must be made anew with %s as a subject alternative name",
			name, shorten(wrongName.Certificate.Subject.CommonName, 100), name)
	case errors.As(err, &wrongName):
		return fmt.Sprintf("the certificate is not for %s but for %s: configure the host by a name that the certificate is for", name, names(wrongName.Certificate))
	case errors.As(err, &noTLS):
		return fmt.Sprintf("%s did not answer in TLS: a port that begins in clear needs starttls, port 465 needs implicit TLS", name)
	}
	return fmt.Sprintf("TLS with %s failed: %v", name, err)
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
