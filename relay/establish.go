package relay

import (
	"context"
	"crypto/tls"

	"esmtpq/identity"
)

// establish does all that precedes the first transaction.
func (s *session) establish() *trouble {
	mode := s.host.tls
	if mode == identity.TLSImplicit {
		if t := s.handshake(); t != nil {
			return t
		}
	}
	if t := s.greeting(); t != nil {
		return t
	}
	if t := s.hello(); t != nil {
		return t
	}
	if mode == identity.TLSStartTLS || mode == identity.TLSOpportunistic {
		if t := s.startTLS(mode == identity.TLSStartTLS); t != nil {
			return t
		}
	}
	return s.login()
}

// greeting reads the host's first reply (RFC 5321, 3.1).
func (s *session) greeting() *trouble {
	r, t := s.expect(stageGreeting, s.host.limits.greeting)
	if t != nil {
		return t
	}
	return s.want(stageGreeting, r, 220)
}

// hello says EHLO and learns what is offered. A host that does not know the command
// is greeted with HELO (RFC 5321, 3.2).
func (s *session) hello() *trouble {
	name := s.host.heloName(s.raw.LocalAddr())
	r, t := s.ask(stageEHLO, "EHLO "+name, "EHLO "+name)
	if t != nil {
		return t
	}
	s.ext = extensions{}
	if r.class() == 5 {
		if r, t = s.ask(stageEHLO, "HELO "+name, "HELO "+name); t != nil {
			return t
		}
		return s.want(stageEHLO, r, 250)
	}
	if r.code == 250 {
		s.ext = parseExtensions(r)
	}
	return s.want(stageEHLO, r, 250)
}

// startTLS changes to TLS (RFC 3207). Where it is not required, a host that
// does not offer it or refuses goes on in clear; a password is then not sent, see login.
func (s *session) startTLS(required bool) *trouble {
	if !s.ext.has("STARTTLS") {
		if required {
			return s.refuse(stageTLS, s.host.name+" does not offer STARTTLS: check the port, or try port 465 with implicit TLS; someone between may have removed the offer")
		}
		return nil
	}
	r, t := s.ask(stageTLS, "STARTTLS", "STARTTLS")
	switch {
	case t != nil:
		return t
	case r.code != 220 && r.code != 421 && !required:
		return nil
	case r.code != 220:
		return s.want(stageTLS, r, 220)
	}
	// What lies behind the reply was said in clear, and must not be believed once
	// the session is encrypted.
	if s.r.br.Buffered() > 0 {
		return s.refuse(stageTLS, s.host.name+" sent more in clear behind its reply to STARTTLS; someone between may have put it there")
	}
	if t := s.handshake(); t != nil {
		return t
	}
	return s.hello() // what was offered in clear is forgotten (RFC 3207, 4.2)
}

// handshake begins TLS on the connection.
func (s *session) handshake() *trouble {
	name, err := asciiHost(s.host.tlsName)
	if err != nil {
		return s.refuse(stageTLS, err.Error())
	}
	config, err := s.host.files.config(name)
	if err != nil {
		return s.refuse(stageTLS, err.Error())
	}
	// Encryption is all that is asked for where the session may as well be
	// in clear (RFC 7435), and no password depends on it.
	config.InsecureSkipVerify = s.host.tls == identity.TLSOpportunistic && s.host.username == ""
	if s.host.tickets != nil {
		config.ClientSessionCache = s.host.tickets
	}

	conn := tls.Client(s.conn, config)
	ctx, cancel := context.WithTimeout(s.ctx, s.host.limits.ehlo)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		if s.ctx.Err() != nil {
			return stopped(stageTLS)
		}
		return &trouble{at: stageTLS, event: eventLost, text: explainTLS(s.host.tlsName, err), host: s.host.name}
	}
	s.use(conn)
	state := conn.ConnectionState()
	how := ""
	if state.DidResume {
		how = ", resumed"
	}
	s.note(tls.VersionName(state.Version) + ", " + tls.CipherSuiteName(state.CipherSuite) + how)
	return nil
}
