package smtpd

import (
	"net"
	"sync"
	"time"
)

// A stdioConn is a net.Conn for the library on a pair of pipes.
type stdioConn struct {
	*screen
	once sync.Once
	done chan struct{}
}

func newStdioConn(s *screen) *stdioConn { return &stdioConn{screen: s, done: make(chan struct{})} }

func (c *stdioConn) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

// stdioAddr is either end of a stdioConn.
type stdioAddr struct{}

func (stdioAddr) Network() string { return "stdio" }
func (stdioAddr) String() string  { return "stdio" }

func (c *stdioConn) LocalAddr() net.Addr  { return stdioAddr{} }
func (c *stdioConn) RemoteAddr() net.Addr { return stdioAddr{} }

// Deadlines have no meaning here: the session belongs to the program at the other end of
// the pipes, and ends with it.
func (c *stdioConn) SetDeadline(time.Time) error      { return nil }
func (c *stdioConn) SetReadDeadline(time.Time) error  { return nil }
func (c *stdioConn) SetWriteDeadline(time.Time) error { return nil }

// A stdioListener accepts one connection, and reports that there are no more when that has ended.
type stdioListener struct {
	conn     *stdioConn
	accepted bool
}

func (l *stdioListener) Accept() (net.Conn, error) {
	if !l.accepted {
		l.accepted = true
		return l.conn, nil
	}
	<-l.conn.done
	return nil, net.ErrClosed
}

func (l *stdioListener) Close() error   { return nil }
func (l *stdioListener) Addr() net.Addr { return stdioAddr{} }
