package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// A level says how transactions use the connection; see the package comment.
type level int

const (
	lockstep level = iota
	pipelined
)

// A session is one connection to a host, from its greeting to QUIT.
type session struct {
	ctx  context.Context
	host *host

	raw  net.Conn // what was dialled
	conn net.Conn // what is spoken on: raw, or TLS over it
	stop func() bool
	// owed says that the end of a message may have been sent, and the reply to it is not here.
	owed atomic.Bool

	r   *replyReader
	w   *wire
	src source // of the content that is sent
	ext extensions

	level level
	// reset says that the host may be inside a transaction that has come to
	// nothing: RSET goes before the next MAIL, which else would be answered
	// with 503.
	reset bool
	// begun counts the messages that were begun.
	begun int
	// drains is what is known of chunks on this session, see probe.
	drains drains
	// chunksWork says that a message sent in chunks was accepted.
	chunksWork bool
	// settled says that a reply of this session has decided about a message.
	settled bool
}

// open opens a session as far as MAIL. The trouble, if any, is the identity's,
// and the connection is closed.
func open(ctx context.Context, h *host) (*session, *trouble) {
	if ctx.Err() != nil {
		return nil, stopped(stageConnect)
	}
	conn, t := h.connect(ctx)
	if t != nil {
		if ctx.Err() != nil {
			t = stopped(t.at)
		}
		return nil, t
	}
	s := &session{ctx: ctx, host: h, raw: conn}
	s.stop = context.AfterFunc(ctx, s.interrupt)
	s.use(&deadlineConn{Conn: conn, limit: h.limits.block})
	if t := s.establish(); t != nil {
		s.abort()
		return nil, t
	}
	if s.ext.has("PIPELINING") {
		s.level = pipelined
	}
	s.drains = h.chunking.know(s)
	return s, nil
}

// interruptTime is how long an interrupted session waits for the reply to the end of a message: without
// it nobody knows whether the message was taken, and it would be sent again.
const interruptTime = 3 * time.Second

// interrupt ends a session whose context has ended.
func (s *session) interrupt() {
	if s.owed.Load() {
		time.AfterFunc(interruptTime, func() { s.raw.Close() })
		return
	}
	s.raw.Close()
}

// owe says that the end of a message is about to be sent. It returns false where that must not be any
// more: whoever interrupts from now on leaves time for the reply.
func (s *session) owe() bool {
	s.owed.Store(true)
	return s.ctx.Err() == nil
}

// use makes conn what is spoken on. What the old one had buffered is gone.
func (s *session) use(conn net.Conn) {
	s.conn = conn
	s.r = newReplyReader(conn, s.host.trace)
	s.w = newWire(conn, s.host.trace)
}

func (s *session) encrypted() bool {
	_, ok := s.conn.(*tls.Conn)
	return ok
}

// private tells whether a password may be sent in clear: the connection does
// not leave this machine, or it runs inside something that protects it.
func (s *session) private() bool {
	if s.host.private {
		return true
	}
	tcp, ok := s.raw.RemoteAddr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// note writes a remark of ours into the transcript.
func (s *session) note(text string) {
	if s.host.trace != nil {
		s.host.trace('*', text)
	}
}

// show writes into the transcript what stands for something sent.
func (s *session) show(text string) {
	if s.host.trace != nil {
		s.host.trace('>', text)
	}
}

// ask sends one command and waits for its reply.
func (s *session) ask(at stage, line, shown string) (*reply, *trouble) {
	if t := s.quiet(at); t != nil {
		return nil, t
	}
	if err := s.w.secret(line, shown); err != nil {
		return nil, s.broken(at, err)
	}
	if err := s.w.flush(); err != nil {
		return nil, s.broken(at, err)
	}
	return s.expect(at, s.host.limits.ehlo)
}

// expect reads one reply, all of which must have come within limit.
func (s *session) expect(at stage, limit time.Duration) (*reply, *trouble) {
	if err := s.raw.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return nil, s.broken(at, err)
	}
	r, err := s.r.next()
	if err != nil && s.ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &trouble{at: at, event: eventTimeout, host: s.host.name,
			text: s.host.name + " did not answer to " + string(at) + " within " + limit.String() + said(err)}
	}
	if err != nil {
		return nil, s.broken(at, err)
	}
	return r, nil
}

// want turns a reply other than code into trouble.
func (s *session) want(at stage, r *reply, code int) *trouble {
	switch {
	case r.code == code:
		return nil
	case r.class() >= 4:
		return s.refused(at, r)
	}
	return s.garbage(at, r)
}

// quiet makes sure that the host is not already saying something before it is
// asked: it would be taken for the answer to what comes next.
func (s *session) quiet(at stage) *trouble {
	if s.r.br.Buffered() == 0 {
		if !pending(s.raw) {
			return nil
		}
		// Within TLS this may be a session ticket; only reading tells.
		s.raw.SetReadDeadline(time.Now().Add(ticketTime))
		if _, err := s.r.br.Peek(1); errors.Is(err, os.ErrDeadlineExceeded) && s.ctx.Err() == nil {
			return nil
		} else if err != nil {
			return s.broken(at, err)
		}
	}
	// What a host may say at any time is that it is closing (RFC 5321, 3.8), and
	// some say in the middle of a content that they will not have it.
	r, t := s.expect(at, s.host.limits.quit)
	if t == nil && (r.code == 421 || at == stageDATA && r.class() >= 4) {
		return s.refused(at, r)
	}
	return &trouble{at: at, event: eventGarbage, text: s.host.name + " sent " + string(errUnsolicited), host: s.host.name}
}

// ticketTime is how long the rest of a TLS record may take whose start is there.
const ticketTime = 20 * time.Millisecond

// refused is trouble by a reply.
func (s *session) refused(at stage, r *reply) *trouble {
	return &trouble{at: at, event: eventReply, reply: r, host: s.host.name}
}

// refuse is trouble by a decision of ours.
func (s *session) refuse(at stage, text string) *trouble {
	return &trouble{at: at, event: eventRefused, text: text}
}

// garbage is trouble by a reply that cannot be there.
func (s *session) garbage(at stage, r *reply) *trouble {
	t := &trouble{at: at, event: eventGarbage, reply: r, host: s.host.name}
	t.text = s.host.name + " gave an answer to " + string(at) + " that makes no sense: " + codeText(r)
	return t
}

// broken is trouble by an error of the connection or of what came over it.
func (s *session) broken(at stage, err error) *trouble {
	t := &trouble{at: at, event: eventLost, host: s.host.name}
	var garbage garbageError
	switch {
	case s.ctx.Err() != nil:
		return stopped(at)
	case errors.Is(err, errCommand):
		return s.refuse(at, "nothing was sent at "+string(at)+": "+err.Error())
	case errors.As(err, &garbage):
		t.event = eventGarbage
		t.text = s.host.name + " sent " + err.Error() + " as its answer to " + string(at)
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.event = eventTimeout
		t.text = s.host.name + " took nothing for " + s.host.limits.block.String() + " at " + string(at) + said(err)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		t.text = s.host.name + " closed the connection at " + string(at)
	default:
		t.text = "the connection to " + s.host.name + " was lost at " + string(at) + ": " + err.Error()
	}
	return t
}

// said returns what the error of a connection has to add to a reason that names a limit of time: what a
// tunnel has printed while the host was waited for.
func said(err error) string {
	var adds interface{ Said() string }
	if errors.As(err, &adds) {
		return "; " + adds.Said()
	}
	return ""
}

// stopped is the trouble of being told to stop.
func stopped(at stage) *trouble {
	return &trouble{at: at, event: eventStopped, text: "the delivery was interrupted"}
}

// quitTime is how long the reply to QUIT is waited for. All that matters is over, and someone may
// be waiting for our end.
const quitTime = time.Second

// quit ends a session in order. Whether the host answers changes nothing.
func (s *session) quit() {
	if s.w.command("QUIT") == nil && s.w.flush() == nil {
		s.expect(stageQUIT, min(quitTime, s.host.limits.quit))
	}
	s.raw.SetDeadline(time.Now().Add(min(quitTime, s.host.limits.quit)))
	s.conn.Close()
	s.abort()
}

// worn tells whether the session has had as many messages as it may.
func (s *session) worn() bool {
	return s.host.maxMessages > 0 && s.begun >= s.host.maxMessages
}

// giveUpAfter closes the connection after a while, unless it is stopped before.
func (s *session) giveUpAfter(d time.Duration) *time.Timer {
	return time.AfterFunc(d, func() { s.raw.Close() })
}

// abort closes the connection as it is.
func (s *session) abort() {
	s.host.tickets.save(s.conn)
	s.stop()
	s.raw.Close()
}

// A deadlineConn gives each write its own time limit.
type deadlineConn struct {
	net.Conn
	limit time.Duration
}

// Write implements net.Conn.
func (c *deadlineConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
