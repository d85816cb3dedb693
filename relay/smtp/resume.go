package smtp

import "crypto/tls"

// A SessionCache is a cache of TLS sessions that is told when they are of no use.
type SessionCache interface {
	tls.ClientSessionCache
	// Unusable says that a session was not resumed, and that a new one came about.
	Unusable()
}

// An earlierSession is a cache of TLS sessions as one handshake uses it: some hosts give tickets and
// then fail where they are used.
type earlierSession struct {
	tls.ClientSessionCache
	whole   bool // none is to be resumed
	offered bool // one was offered to the host
}

// Get implements tls.ClientSessionCache.
func (s *earlierSession) Get(key string) (*tls.ClientSessionState, bool) {
	if s.whole {
		return nil, false
	}
	state, ok := s.ClientSessionCache.Get(key)
	s.offered = ok && state != nil
	return state, ok
}

// unusable tells the cache that its sessions are of no use.
func (s *earlierSession) unusable() {
	if cache, ok := s.ClientSessionCache.(SessionCache); ok {
		cache.Unusable()
	}
}

// earlier puts an earlierSession into the settings of a handshake, if they have a cache.
func (c *Conn) earlier(config *tls.Config) *earlierSession {
	s := &earlierSession{config.ClientSessionCache, c.effort.whole, false}
	if s.ClientSessionCache != nil {
		config.ClientSessionCache = s
	}
	return s
}

// beginAnew asks for another connection, without an earlier TLS session, once.
func (c *Conn) beginAnew(why string) {
	if e := c.effort; !e.whole && c.ctx.Err() == nil {
		c.Note(why + ": once more, with a whole handshake")
		e.again, e.whole = true, true
	}
}
