package smtp

import (
	"context"
	"crypto/tls"
	"errors"
)

// startTLS changes to TLS (RFC 3207). If TLS is not required, the session goes on in clear with a
// host that does not offer or refuses it; a password is then not sent, see logIn.
func (c *Conn) startTLS(required bool) *Error {
	seen := c.seenTLS()
	if !c.ext.Has("STARTTLS") {
		if seen > 0 && !required {
			return c.below(seen, "offers none")
		}
		if required {
			return c.refuse(StageTLS, c.cfg.Name+" does not offer STARTTLS: check the port, or try port 465 with implicit TLS; someone between may have removed the offer")
		}
		return nil
	}
	r, err := c.ask(StageTLS, "STARTTLS", "STARTTLS")
	switch {
	case err != nil:
		return err
	case r.Code != 220 && r.Code != 421 && !required && seen == 0:
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
		return &Error{At: StageTLS, Kind: KindConfig, Text: err.Error(), cause: err}
	}
	earlier := c.earlier(config)
	conn := tls.Client(c.conn, config)
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Limits.EHLO)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		if c.ctx.Err() != nil {
			return stopped(StageTLS)
		}
		if earlier.offered && !errors.Is(err, context.DeadlineExceeded) {
			c.beginAnew("the earlier TLS session cannot be resumed")
		}
		why := tlsReason{name: c.cfg.TLSName, limit: c.cfg.Limits.EHLO, system: config.RootCAs == nil}
		return &Error{At: StageTLS, Kind: KindLost, Text: why.explain(err), Host: c.cfg.Name, cause: err}
	}
	c.use(conn)
	state := conn.ConnectionState()
	if seen := c.seenTLS(); state.Version < seen {
		return c.below(seen, "speaks "+tls.VersionName(state.Version))
	}
	c.verified = c.cfg.TLS != TLSOpportunistic || c.cfg.Login != nil || config.VerifyConnection != nil
	how := ""
	if c.resumed = state.DidResume; c.resumed {
		how = ", resumed"
	}
	if c.effort.whole {
		earlier.unusable()
	}
	c.cipher = tls.VersionName(state.Version) + ", " + tls.CipherSuiteName(state.CipherSuite)
	c.Note(c.cipher + how)
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
	config.InsecureSkipVerify = config.InsecureSkipVerify || c.cfg.TLS == TLSOpportunistic && c.cfg.Login == nil
	return config, nil
}
