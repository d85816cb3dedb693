package smtpd

import (
	"io"
	"net"
	"sync"
	"time"
)

const (
	// stepLimit is how long a client may take for a command line, for stepSize octets of a message and
	// to read a reply: RFC 5321, 4.5.3.2.7.
	stepLimit = 5 * time.Minute
	stepSize  = 64 << 10
	// lingering is how long the client's end of a connection is waited for. Without that, it may not
	// get the last reply.
	lingering = time.Second
)

// A wire is the connection of a client, with limits of time and an end of our own.
type wire struct {
	net.Conn
	limit time.Duration // of a step
	gone  func()        // called once, at the end

	mu     sync.Mutex
	busy   bool      // a transaction goes on
	ending bool      // after that there is to be no other
	last   bool      // the next reply is the last one
	over   bool      // it has been said
	moved  int       // octets of a message since the limit began
	since  time.Time // when the limit began
	once   sync.Once
}

// renew begins the limit of a step. w.mu is held.
func (w *wire) renew() {
	w.moved, w.since = 0, time.Now()
	if !w.over {
		w.Conn.SetDeadline(w.since.Add(w.limit))
	}
}

// progress is told how much of a message has come.
func (w *wire) progress(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.moved += n; w.moved >= stepSize {
		w.renew()
	}
}

// Write says a reply. After the last one nothing is said.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return len(p), nil
	}
	w.renew()
	n, err := w.Conn.Write(p)
	if w.last || err != nil {
		w.shut()
	}
	return n, err
}

// shut makes sure that nothing more is said, and ends the reading. w.mu is held.
func (w *wire) shut() {
	w.over = true
	if c, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
	w.Conn.SetDeadline(time.Now())
}

// end says some last words, or none.
func (w *wire) end(words string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endLocked(words)
}

func (w *wire) endLocked(words string) {
	if w.over {
		return
	}
	if words != "" {
		w.Conn.SetWriteDeadline(time.Now().Add(lingering))
		io.WriteString(w.Conn, words+"\r\n")
	}
	w.shut()
}

// hangUp makes the next reply the last one.
func (w *wire) hangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = true
}

// begin is told that a transaction begins, and reports whether it may.
func (w *wire) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = !w.over && !w.ending
	return w.busy
}

// done is told that no transaction goes on, and its last reply has been said.
func (w *wire) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = false
	if w.ending {
		w.endLocked(goodbye)
	}
}

// goodbye is said at the end of the listener.
const goodbye = "421 4.3.2 The listener ends: try again later"

// bye ends the connection, after the transaction that goes on.
func (w *wire) bye() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ending = true
	if !w.busy {
		w.endLocked(goodbye)
	}
}

// idleSince returns since when nothing has happened; ok is false while a transaction goes on.
func (w *wire) idleSince() (since time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.since, !w.busy && !w.over
}

// Close ends the connection once the client has, or soon.
func (w *wire) Close() error {
	w.once.Do(func() {
		w.mu.Lock()
		w.shut()
		w.mu.Unlock()
		w.Conn.SetDeadline(time.Now().Add(lingering))
		io.CopyN(io.Discard, w.Conn, 1<<20)
		w.Conn.Close()
		w.gone()
	})
	return nil
}

// A wireConn is the net.Conn for the library on a connection.
type wireConn struct {
	*screen
	w        *wire
	stranger bool // has to log in
}

func (c wireConn) Close() error         { return c.w.Close() }
func (c wireConn) LocalAddr() net.Addr  { return c.w.LocalAddr() }
func (c wireConn) RemoteAddr() net.Addr { return c.w.RemoteAddr() }

// The limits are ours.
func (c wireConn) SetDeadline(time.Time) error      { return nil }
func (c wireConn) SetReadDeadline(time.Time) error  { return nil }
func (c wireConn) SetWriteDeadline(time.Time) error { return nil }
