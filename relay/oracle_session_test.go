package relay_test

import (
	"bytes"
	"time"
)

// A session is one connection as the host sees it.
type session struct {
	w      *world
	p      *plan
	conn   *memConn
	number int // in the dialogue
	run    int

	hello    verb // 0, ehlo, helo
	commands []*command
	replies  []said
	all      []*txn
	cur      *txn
	begun    int // MAIL commands accepted
	txns     int // ends taken
	errors   int
	resets   int // since a message was taken

	inData bool
	chunk  int // octets of it still to come
	isLast bool
	bad503 int // commands behind a dot still to be answered 503, in octets of input

	silent  bool
	stopped bool // reads nothing more
	over    bool // closed, by either side
	by      string
	unheard []byte // written to it when it had closed

	irregular int  // index of the first command with an irregular kind, -1 for none
	shifted   int  // likewise, out of step
	stayed    bool // it said 421 and went on
	moreSent  bool // when the host closed, it had not read everything
}

// add notes a command.
func (s *session) add(v verb, line string) *command {
	c := &command{s: s, verb: v, line: line, txn: s.cur, rcpt: -1, at: len(s.commands), own: -1}
	s.commands = append(s.commands, c)
	if s.cur != nil {
		s.cur.commands = append(s.cur.commands, c)
	}
	return c
}

func (s *session) lastTxn() *txn {
	if len(s.all) == 0 {
		return nil
	}
	return s.all[len(s.all)-1]
}

// work reads what there is as far as it goes. It is called with the world locked.
func (s *session) work() {
	c := s.conn
	limit := int64(64 << 10)
	if s.p.small {
		limit = 2 << 10
	}
	for !s.over && !s.stopped && c.waiting() < limit {
		if s.inData {
			if !s.readContent() {
				return
			}
			continue
		}
		if s.chunk > 0 {
			if !s.readChunk() {
				return
			}
			continue
		}
		end := bytes.IndexByte(c.in, '\n')
		if end < 0 {
			if len(c.in) > 4096 {
				s.w.violate("A", "a command longer than 4096 octets")
				s.close("violation", false)
			}
			return
		}
		line := string(c.in[:end+1])
		c.in = c.in[end+1:]
		s.command(line)
	}
}

// readContent reads what follows DATA, as far as it is there.
func (s *session) readContent() bool {
	c := s.conn
	for {
		end := bytes.IndexByte(c.in, '\n')
		if end < 0 {
			if len(c.in) == c.inCap { // a line longer than the buffer
				s.cur.content = append(s.cur.content, c.in...)
				c.in = c.in[:0]
			}
			return false
		}
		line := c.in[:end+1]
		if s.p.poison != "" && bytes.Contains(line, []byte(s.p.poison)) {
			s.inData = false
			s.choke(s.add(dot, "."))
			return false
		}
		if string(line) == ".\r\n" && (len(s.cur.content) == 0 || bytes.HasSuffix(s.cur.content, []byte("\r\n"))) {
			c.in = c.in[end+1:]
			break
		}
		if line[0] == '.' && (len(s.cur.content) == 0 || bytes.HasSuffix(s.cur.content, []byte("\r\n"))) {
			line = line[1:]
		}
		s.cur.content = append(s.cur.content, line...)
		c.in = c.in[end+1:]
	}
	s.inData = false
	t := s.cur
	cmd := s.add(dot, ".")
	s.finish(t, cmd)
	if !s.over && s.p.riders == swallow {
		c.in = c.in[:0]
	}
	if s.p.riders == say503 {
		s.bad503 = len(c.in)
	}
	return true
}

// readChunk reads a chunk, as far as it is there.
func (s *session) readChunk() bool {
	c := s.conn
	n := min(s.chunk, len(c.in))
	if t := s.cur; t != nil {
		t.content = append(t.content, c.in[:n]...)
	}
	c.in = c.in[n:]
	if s.chunk -= n; s.chunk > 0 {
		return false
	}
	s.endChunk()
	return true
}

// checkSync looks for commands that were sent before their time.
func (s *session) checkSync(v verb, more bool) {
	if s.shifted >= 0 || s.stayed || s.silent {
		return
	}
	// In a session without PIPELINING nothing is sent before the reply to what was sent has been
	// read.
	serial := s.p.mode == lockstep || s.hello != ehlo
	if serial && s.conn.waiting() > 0 && v != quit {
		s.w.violate("A", "%v before the reply to the command before was read, without PIPELINING", v)
	}
	switch v {
	case data, ehlo, helo, noop, quit, other:
	default:
		if !serial {
			return
		}
	}
	if more && v != quit && !(v == noop && s.p.floods) {
		s.w.violate("A", "more was sent in one write behind %v", v)
	}
}

// close is the host's own end of the connection.
func (s *session) close(by string, reset bool) {
	if s.over {
		return
	}
	s.w.trace(s, '*', "(the host closes: "+by+")")
	s.over, s.by = true, by
	s.moreSent = len(s.conn.in) > 0
	s.conn.noisy = s.moreSent && s.number%2 == 0
	s.conn.close(reset)
}

// clientGone is the client's end of the connection.
func (s *session) clientGone() {
	if s.over {
		return
	}
	s.w.trace(s, '*', "(the client closes)")
	s.over, s.by = true, "client"
	if t := s.cur; s.p.cuts && t != nil && s.chunk > 0 && s.isLast && t.mailed && len(t.accepted) > 0 && !t.bad {
		t.took, t.complete = true, true
		s.w.tookCut(t)
	}
}

// A command is one that the host has read, or an end of a content.
type command struct {
	s    *session
	verb verb
	line string
	txn  *txn // that it belongs to; nil for none
	rcpt int  // for RCPT: index into the recipients of txn.msg
	kind kind // what was done about its reply
	ok   bool // carried out
	at   int  // index in session.commands
	own  int  // index in session.replies of its own reply, -1 for none
}

func (c *command) from() string {
	if c.txn == nil || c.txn.msg == nil {
		return ""
	}
	return c.txn.msg.from
}

func (c *command) to() string {
	if c.verb != rcpt || c.txn == nil || c.txn.msg == nil || c.rcpt < 0 {
		return ""
	}
	return c.txn.msg.rcpts[c.rcpt].addr
}

// move makes a command one of another transaction, nil for none.
func (c *command) move(t *txn) {
	if c.txn == t {
		return
	}
	if old := c.txn; old != nil {
		old.commands = old.commands[:len(old.commands)-1] // it was the last
	}
	if c.txn = t; t != nil {
		t.commands = append(t.commands, c)
	}
}

// A said is one reply that went out.
type said struct {
	reply
	end         int64 // octets of the session up to its end
	unsolicited bool  // nothing that was sent was without an answer
	late        bool  // and it came by itself
}

// A txn is a transaction as the host sees it: from MAIL to its end.
type txn struct {
	s         *session
	msg       *message
	commands  []*command
	first     int  // index of MAIL in session.commands
	end       int  // index of the end, -1 while there is none
	mailed    bool // MAIL was accepted
	accepted  []int
	tried     []int // recipients of RCPT commands, accepted or not
	bad       bool  // a chunk was refused
	chunked   bool
	content   []byte // all that was sent, whatever was said to it
	complete  bool   // the client has sent its end
	completed time.Time
	took      bool
}
