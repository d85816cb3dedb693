package smtp

import "crypto/tls"

// A TLSMemory keeps the version of TLS that sessions with a host had: who stands between can take
// the offer of TLS away, but not what is remembered.
type TLSMemory interface {
	Recall() uint16 // 0 where none has been seen
	Learn(version uint16)
}

// seenTLS returns the version that is remembered, 0 for none.
func (c *Conn) seenTLS() uint16 {
	if c.cfg.TLSMemory == nil {
		return 0
	}
	return c.cfg.TLSMemory.Recall()
}

// below refuses a session that has less than was seen before. now says what the host does.
func (c *Conn) below(seen uint16, now string) *Error {
	text := c.cfg.Name + " has spoken " + tls.VersionName(seen) + " before and " + now + " now: someone between may be the cause"
	if c.cfg.Forget != "" {
		text += "; if its operator is, type: " + c.cfg.Forget
	}
	return c.refuse(StageTLS, text)
}

// rememberTLS notes the version of a session that has come about.
func (c *Conn) rememberTLS() {
	if conn, ok := c.conn.(*tls.Conn); ok && c.cfg.TLSMemory != nil {
		c.cfg.TLSMemory.Learn(conn.ConnectionState().Version)
	}
}

// forget says what makes the memories forget, before another way out.
func (c *Conn) forget() string {
	if c.cfg.Forget == "" {
		return ""
	}
	return "type " + c.cfg.Forget + ", or "
}
