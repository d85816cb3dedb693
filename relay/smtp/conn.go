package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// A Conn is one connection to a host, from its greeting to QUIT.
type Conn struct {
	ctx  context.Context
	cfg  *Config
	raw  net.Conn // the connection that was dialled
	conn net.Conn // the connection in use: raw, or TLS over it
	stop func() bool
	// owed says that the end of a message may have been sent, and its reply has not come yet.
	owed atomic.Bool

	r *replyReader
	w *wire

	greeting string
	ext      Extensions
	print    string  // Fingerprint
	login    bool    // AUTH was offered at some time
	logged   bool    // a login has succeeded
	effort   *effort // to log in
	again    bool    // EHLO has been sent again after the login
	verified bool    // the session is TLS with a host whose certificate counts
	resumed  bool    // an earlier TLS session was resumed
	// reset is the shape of this host's replies to RSET in this session; "" if it is not known
	// yet.
	reset string
	// guessed says that it may be that of another's: it was learned in a series.
	guessed bool
	// mail is likewise the shape of its replies to MAIL.
	mail string
	// taken is likewise the shape of its replies to the end of a message that it took, once one
	// of them is confirmed.
	taken string

	// Ride lets the envelope of a message that is not sent in chunks go behind the final dot of
	// the one before, as RFC 2920 allows. It has no effect without PIPELINING.
	Ride bool
	// RideProven says that the host is known to answer such an envelope; otherwise we only wait a
	// few seconds for its answer.
	RideProven bool
	// RideRefused is set, and Ride cleared, when the host refuses such an envelope for being out
	// of place.
	RideRefused bool
	// RideLost is set when the session is lost while such an envelope is in flight and RideProven
	// is not set.
	RideLost bool
	// Steady says that the host answers RSET in the same words each time. In the place of another
	// reply they show that we are out of step, unless the host is Uniform. Probe sets it.
	Steady bool
	cipher string // see Cipher
	// Begun is the number of messages begun: each MAIL counts.
	Begun int
	// MaxMessages is how many may be begun; 0 means any number. At first it is the host's MAILMAX
	// (RFC 9422).
	MaxMessages int
}

// Open opens a session up to the point where MAIL can follow. If that fails, the connection is
// closed.
func Open(ctx context.Context, cfg *Config) (*Conn, *Error) {
	return session(ctx, cfg, &effort{})
}

// session opens a session over as many connections as the login takes.
func session(ctx context.Context, cfg *Config, e *effort) (*Conn, *Error) {
	if ctx.Err() != nil {
		return nil, stopped(StageConnect)
	}
	if cfg.Limits == (Limits{}) {
		with := *cfg
		with.Limits, cfg = NewLimits(0), &with
	}
	for {
		c, err := open(ctx, cfg, e)
		if err == nil || !e.again {
			return c, err
		}
	}
}

// open opens a session over one connection.
func open(ctx context.Context, cfg *Config, e *effort) (*Conn, *Error) {
	e.conns, e.again = e.conns+1, false
	raw, err := cfg.Dial(ctx)
	if err != nil {
		return nil, DialError(ctx, cfg.Name, err)
	}
	c := &Conn{ctx: ctx, cfg: cfg, raw: raw, effort: e}
	c.stop = context.AfterFunc(ctx, c.interrupt)
	c.use(&deadlineConn{Conn: raw, limit: cfg.Limits.Block, dead: deadTime})
	if err := c.establish(); err != nil {
		if c.resumed && err.Kind == KindLost && (err.At == StageGreeting || err.At == StageEHLO) {
			c.beginAnew("the host closes the resumed TLS session")
		}
		e.seen = c.view(err)
		c.Abort()
		return nil, err
	}
	c.MaxMessages = c.ext.Limit("MAILMAX")
	c.print = Fingerprint(c.greeting, c.ext)
	return c, nil
}

// DialError returns why there is no connection with a host.
func DialError(ctx context.Context, name string, err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{At: StageConnect, Kind: KindLost, Text: "cannot reach " + name + ": " + err.Error()}
	}
	if ctx.Err() != nil {
		return stopped(e.At)
	}
	return e
}

// Extensions returns what the host offers now.
func (c *Conn) Extensions() Extensions { return c.ext }

// Fingerprint returns a short text that changes when the host's greeting or its reply to EHLO
// changes, except for words that differ each time.
func (c *Conn) Fingerprint() string { return c.print }

// Cipher returns the version of TLS and the cipher of the session, "" in clear.
func (c *Conn) Cipher() string { return c.cipher }

// Pipelining reports whether several commands may be in flight.
func (c *Conn) Pipelining() bool { return c.ext.Has("PIPELINING") }

// LoginOffered reports whether the host offered a login at any time of this session.
func (c *Conn) LoginOffered() bool { return c.login }

// LoggedIn reports whether a login has succeeded.
func (c *Conn) LoggedIn() bool { return c.logged }

// Verified reports whether the session is TLS, with a host whose certificate counts.
func (c *Conn) Verified() bool { return c.verified }

// Worn reports whether the session has had as many messages as it may.
func (c *Conn) Worn() bool { return c.MaxMessages > 0 && c.Begun >= c.MaxMessages }

// Note writes a remark into the transcript.
func (c *Conn) Note(text string) {
	if c.cfg.Trace != nil {
		c.cfg.Trace('*', text)
	}
}

// interruptTime is how long an interrupted session waits for the reply to the end of a message:
// without the reply nobody knows whether the message was taken, and it would be sent again.
const interruptTime = 3 * time.Second

// interrupt ends a session whose context has ended.
func (c *Conn) interrupt() {
	if c.owed.Load() {
		time.AfterFunc(interruptTime, func() { c.raw.Close() })
		return
	}
	c.raw.Close()
}

// owe notes that the end of a message is about to be sent. It returns false if the end must no
// longer be sent. An interruption after owe leaves time for the reply.
func (c *Conn) owe() bool {
	c.owed.Store(true)
	return c.ctx.Err() == nil
}

// use makes conn the connection in use. Octets buffered from the old one are dropped.
func (c *Conn) use(conn net.Conn) {
	c.conn = conn
	c.r = newReplyReader(conn, c.cfg.Trace)
	c.w = newWire(conn, c.cfg.Trace)
}

func (c *Conn) encrypted() bool {
	_, ok := c.conn.(*tls.Conn)
	return ok
}

// private reports whether a password may be sent in clear: the connection does
// not leave this machine, or it runs inside something that protects it.
func (c *Conn) private() bool {
	if c.cfg.Private || c.cfg.Exposed {
		return c.cfg.Private
	}
	tcp, ok := c.raw.RemoteAddr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// ask sends one command and waits for its reply.
func (c *Conn) ask(at Stage, line, shown string) (*Reply, *Error) {
	if err := c.quiet(at); err != nil {
		return nil, err
	}
	if err := c.w.secret(line, shown); err != nil {
		return nil, c.broken(at, err)
	}
	if err := c.w.flush(); err != nil {
		return nil, c.broken(at, err)
	}
	return c.expect(at, c.cfg.Limits.EHLO)
}

// expect reads one reply, all of which must have come within limit. One that is buffered still counts when the connection
// has been closed.
func (c *Conn) expect(at Stage, limit time.Duration) (*Reply, *Error) {
	if err := c.raw.SetReadDeadline(time.Now().Add(limit)); err != nil && c.r.br.Buffered() == 0 {
		return nil, c.broken(at, err)
	}
	r, err := c.r.next()
	if err != nil {
		return nil, c.unread(at, limit, err)
	}
	return r, nil
}

// quiet makes sure, while nothing is in flight, that the host has not sent anything unasked,
// which would be taken for the reply to the next command.
func (c *Conn) quiet(at Stage) *Error {
	c.r.skipEmpty()
	if c.r.br.Buffered() == 0 {
		if said, err := c.peek(); err != nil {
			return c.broken(at, err)
		} else if !said {
			return nil
		}
	}
	// A host may say at any time that it is closing (RFC 5321, 3.8), and some refuse a content in
	// the middle.
	r, err := c.expect(at, c.cfg.Limits.Quit)
	if err == nil && (r.Code == 421 || at == StageDATA && r.Negative()) {
		return c.refused(at, r)
	}
	return &Error{At: at, Kind: KindGarbage, Text: c.cfg.Name + " sent " + string(errUnsolicited), Host: c.cfg.Name}
}

const (
	// ticketTime is how long the rest of a TLS record may take when its start has come.
	ticketTime = 20 * time.Millisecond
	// peekTime is how long to look if that takes waiting.
	peekTime = time.Millisecond
)

// peek reports whether the host has sent anything that has not been read. Inside TLS the octets
// may be a session ticket, so they must be read. A connection that is no socket, such as that of
// a helper, must be read as well.
func (c *Conn) peek() (bool, error) {
	found, known := pending(c.raw)
	wait := ticketTime
	switch {
	case known && !found:
		return false, nil
	case !known:
		wait = peekTime
	}
	c.raw.SetReadDeadline(time.Now().Add(wait))
	if _, err := c.r.br.Peek(1); err != nil {
		if timedOut(err) && c.ctx.Err() == nil {
			err = nil
		}
		return false, err
	}
	c.r.skipEmpty()
	return c.r.br.Buffered() > 0, nil
}

// LocalAddr returns the address that the session is from.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// Lose closes the connection under whoever uses it.
func (c *Conn) Lose() { c.raw.Close() }

// quitTime is how long to wait for the reply to QUIT. Everything that matters is over, and
// someone may be waiting for our end.
const quitTime = time.Second

// Quit ends a session properly. Whether the host answers changes nothing.
func (c *Conn) Quit() {
	if c.w.command("QUIT") == nil && c.w.flush() == nil {
		c.expect(StageQUIT, min(quitTime, c.cfg.Limits.Quit))
	}
	c.raw.SetDeadline(time.Now().Add(min(quitTime, c.cfg.Limits.Quit)))
	c.ended()
	c.conn.Close()
	c.close()
}

// Abort closes the connection at once.
func (c *Conn) Abort() {
	c.ended()
	c.close()
}

func (c *Conn) ended() {
	if c.cfg.Ended != nil {
		c.cfg.Ended(c.conn)
	}
}

func (c *Conn) close() {
	c.stop()
	c.raw.Close()
}

// giveUpAfter closes the connection after a while, unless it is stopped before.
func (c *Conn) giveUpAfter(d time.Duration) *time.Timer {
	return time.AfterFunc(d, func() { c.raw.Close() })
}

// deadTime is how long nothing may be acknowledged of what is under way before the link counts as dead.
const deadTime = 45 * time.Second

// errDead is the end of a connection over a link that carries nothing any more.
var errDead = errors.New("the link is dead: nothing is acknowledged any more")

// A deadlineConn gives each write its own time limit, and less where the link is dead.
type deadlineConn struct {
	net.Conn
	limit, dead time.Duration
}

// Write implements net.Conn.
func (c *deadlineConn) Write(p []byte) (n int, err error) {
	end := time.Now().Add(c.limit)
	for {
		look := end
		if _, ok := c.Conn.(syscall.Conn); ok && c.dead/3 < time.Until(end) {
			look = time.Now().Add(c.dead / 3)
		}
		if err := c.SetWriteDeadline(look); err != nil {
			return n, err
		}
		took, err := c.Conn.Write(p[n:])
		n += took
		switch {
		case err == nil || !timedOut(err) || look == end:
			return n, err
		case silence(c.Conn) >= c.dead:
			return n, errDead
		}
	}
}
