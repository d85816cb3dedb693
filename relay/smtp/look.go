package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// A View is what a session shows of a host, up to the point where it ended.
type View struct {
	Address     net.Addr             // of the host; nil if there was no connection
	TLS         *tls.ConnectionState // nil for a session in clear, or one that has not come so far
	Chain       []*x509.Certificate  // as the host sent them, also where they do not count
	Greeting    string
	Extensions  Extensions // offered last; nil if it has not come so far
	Mechanism   string     // of the login that succeeded, or else of the last one; "" for none
	LoggedIn    bool
	Connections int // it took
}

// Look opens a session as Open does, and ends it. Nothing is sent that a session without mail does not
// send. The View is of the last connection, also where there is an error.
func Look(ctx context.Context, cfg *Config) (*View, *Error) {
	e := &effort{}
	c, err := session(ctx, cfg, e)
	if err == nil {
		e.seen = c.view(nil)
		c.Quit()
	}
	if e.seen == nil {
		e.seen = &View{}
	}
	e.seen.Connections = e.conns
	return e.seen, err
}

// view returns what the session has shown.
func (c *Conn) view(failed *Error) *View {
	v := &View{Address: c.raw.RemoteAddr(), Greeting: c.greeting, Extensions: c.ext, LoggedIn: c.logged}
	if conn, ok := c.conn.(*tls.Conn); ok {
		state := conn.ConnectionState()
		v.TLS, v.Chain = &state, state.PeerCertificates
	}
	var bad *tls.CertificateVerificationError
	if failed != nil && errors.As(failed.cause, &bad) {
		v.Chain = bad.UnverifiedCertificates
	}
	switch {
	case c.logged:
		v.Mechanism = c.effort.known.Mechanism
	case c.effort.last != nil:
		v.Mechanism = c.effort.lastWay.Mechanism
	}
	return v
}
