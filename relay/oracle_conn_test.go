package relay_test

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// A memConn is the client's end of a connection to a session of the model host. Both directions
// are buffered, and the host works within the calls of the client: what it answers is there when
// Write returns, or as late as its plan says.
type memConn struct {
	w *world
	h *session

	in    []byte // written by the client, not yet read by the host
	inCap int

	ready    []byte // said by the host, not yet read by the client
	later    []segment
	last     time.Time // when the last of later may be read
	said     int64     // octets, all of ready and later and what was read
	consumed int64     // octets that the client has read
	before   int64     // likewise, before it read the last time
	frag     int       // octets that a Read returns at most; 0 for any number

	gone    bool // by the client
	shut    bool // by the host: what it said may still be read
	reset   bool // by the host: nothing may be read
	noisy   bool // shut: the end shows as a reset, behind what was said
	deafTo  int  // writes after shut that are swallowed
	readBy  time.Time
	writeBy time.Time
	readCh  chan struct{}
	writeCh chan struct{}
}

// A segment is said by the host, and arrives at a time.
type segment struct {
	at   time.Time
	text []byte
}

func newMemConn(w *world) *memConn {
	return &memConn{w: w, inCap: 64 << 10, readCh: make(chan struct{}, 1), writeCh: make(chan struct{}, 1)}
}

func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// say is called by the host, with the world locked.
func (c *memConn) say(text string, delay time.Duration) {
	if c.gone || c.reset {
		return
	}
	c.said += int64(len(text))
	if delay == 0 && len(c.later) == 0 {
		c.ready = append(c.ready, text...)
	} else {
		at := time.Now().Add(delay)
		if at.Before(c.last) {
			at = c.last
		}
		c.last = at
		c.later = append(c.later, segment{at, []byte(text)})
	}
	wake(c.readCh)
}

// waiting is how much the host has said that the client has not read.
func (c *memConn) waiting() int64 { return c.said - c.consumed }

// close is the host's; a reset loses what the client has not read.
func (c *memConn) close(reset bool) {
	c.shut = true
	if reset {
		c.reset = true
		c.ready, c.later = nil, nil
	}
	wake(c.readCh)
	wake(c.writeCh)
}

// arrive makes readable what has arrived.
func (c *memConn) arrive(now time.Time) {
	for len(c.later) > 0 && !c.later[0].at.After(now) {
		c.ready = append(c.ready, c.later[0].text...)
		c.later = c.later[1:]
	}
}

func expired(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// pause waits, with the world unlocked, for a signal or a time.
func (c *memConn) pause(ch chan struct{}, until time.Time) {
	c.w.mu.Unlock()
	defer c.w.mu.Lock()
	if until.IsZero() {
		<-ch
		return
	}
	timer := time.NewTimer(time.Until(until))
	select {
	case <-ch:
	case <-timer.C:
	}
	timer.Stop()
}

// Read implements net.Conn.
func (c *memConn) Read(p []byte) (int, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for {
		now := time.Now()
		c.arrive(now)
		switch {
		case c.gone:
			return 0, net.ErrClosed
		case c.w.dead:
			return 0, syscall.EIO
		case expired(c.readBy, now):
			return 0, os.ErrDeadlineExceeded
		case c.reset:
			return 0, &net.OpError{Op: "read", Net: "mem", Err: syscall.ECONNRESET}
		case len(p) == 0:
			return 0, nil
		case len(c.ready) > 0:
			if c.w.event(nil, nil); c.w.dead || c.gone {
				continue
			}
			if c.frag > 0 && len(p) > c.frag {
				p = p[:c.frag]
			}
			n := copy(p, c.ready)
			c.ready = c.ready[n:]
			c.before = c.consumed
			c.consumed += int64(n)
			c.h.work()
			wake(c.writeCh)
			return n, nil
		case c.shut && len(c.later) == 0 && c.noisy:
			return 0, &net.OpError{Op: "read", Net: "mem", Err: syscall.ECONNRESET}
		case c.shut && len(c.later) == 0:
			return 0, io.EOF
		}
		until := c.readBy
		if len(c.later) > 0 && (until.IsZero() || c.later[0].at.Before(until)) {
			until = c.later[0].at
		}
		c.pause(c.readCh, until)
	}
}

// Write implements net.Conn.
func (c *memConn) Write(p []byte) (n int, err error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.w.dead {
		return 0, syscall.EIO
	}
	c.w.event(c.h, &p)
	for {
		if len(p) == 0 && !c.w.dead {
			return n, nil
		}
		now := time.Now()
		switch {
		case c.gone:
			return n, net.ErrClosed
		case expired(c.writeBy, now):
			return n, os.ErrDeadlineExceeded
		case c.reset:
			return n, &net.OpError{Op: "write", Net: "mem", Err: syscall.EPIPE}
		case c.shut && c.deafTo <= 0:
			return n, &net.OpError{Op: "write", Net: "mem", Err: syscall.EPIPE}
		case c.shut:
			c.h.unheard = append(c.h.unheard, p...)
			c.deafTo--
			return n + len(p), nil
		}
		took := min(c.inCap-len(c.in), len(p))
		c.in = append(c.in, p[:took]...)
		p = p[took:]
		n += took
		left := len(c.in)
		c.h.work()
		if c.w.dead {
			c.h.clientGone()
			return n, syscall.EIO
		}
		if took == 0 && len(c.in) == left && !c.shut {
			c.pause(c.writeCh, c.writeBy)
		}
	}
}

// Close implements net.Conn.
func (c *memConn) Close() error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.gone {
		return net.ErrClosed
	}
	c.gone = true
	if !c.w.dead {
		c.h.clientGone()
	}
	wake(c.readCh)
	wake(c.writeCh)
	return nil
}

func (c *memConn) setDeadlines(read, write *time.Time) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.gone {
		return net.ErrClosed
	}
	if read != nil {
		c.readBy = *read
		wake(c.readCh)
	}
	if write != nil {
		c.writeBy = *write
		wake(c.writeCh)
	}
	return nil
}

// SetDeadline implements net.Conn.
func (c *memConn) SetDeadline(t time.Time) error { return c.setDeadlines(&t, &t) }

// SetReadDeadline implements net.Conn.
func (c *memConn) SetReadDeadline(t time.Time) error { return c.setDeadlines(&t, nil) }

// SetWriteDeadline implements net.Conn.
func (c *memConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(nil, &t) }

type memAddr struct{}

func (memAddr) Network() string { return "mem" }
func (memAddr) String() string  { return "mem" }

// LocalAddr implements net.Conn.
func (c *memConn) LocalAddr() net.Addr { return memAddr{} }

// RemoteAddr implements net.Conn.
func (c *memConn) RemoteAddr() net.Addr { return memAddr{} }
