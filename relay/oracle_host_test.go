package relay_test

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

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

func (s *session) endChunk() {
	t := s.cur
	if !s.isLast {
		cmd := s.add(bdat, "BDAT")
		good := t != nil && t.mailed && len(t.accepted) > 0 && !t.bad
		do := func() {}
		if !good {
			do = nil
		}
		s.answer(cmd, good, 503, do, func() {
			if t != nil {
				t.bad = true
			}
		})
		return
	}
	cmd := s.add(last, "BDAT LAST")
	if t == nil {
		s.answer(cmd, false, 503, nil, nil)
		return
	}
	s.finish(t, cmd)
}

// choke is what a host does that cannot read a line.
func (s *session) choke(c *command) {
	if c.verb != dot {
		c.move(nil) // it is not about that
	}
	s.respond(c, reply{500, "5.4.0", "Too long line, closing connection"}, false, nil, nil, true)
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

// finish is for the end of a content.
func (s *session) finish(t *txn, cmd *command) {
	t.complete, t.end, t.completed = true, cmd.at, time.Now()
	s.w.completed(t, cmd)
	good := t.mailed && len(t.accepted) > 0 && !t.bad
	code := 503
	do := func() {
		t.took = true
		s.txns++
		s.resets = 0
		s.w.took(t)
		s.cur = nil
	}
	if !good {
		do = nil
	}
	if good && t.msg.refusal != 0 && t.msg.refusedAt == dot {
		good, code = false, t.msg.refusal
	}
	r := s.p.flavour.good(cmd.verb, cmd)
	switch {
	case good && s.p.soft != nil:
		good, r = false, s.p.soft()
	case !good:
		r = s.p.flavour.bad(code, cmd.verb, cmd)
	}
	s.respond(cmd, r, good, do, func() {
		if s.p.keeps {
			// The envelope stays, and its next content is another.
			again := *t
			again.content, again.tried, again.commands, again.complete, again.bad, again.end = nil, nil, nil, false, false, -1
			s.cur = &again
			s.all = append(s.all, &again)
			return
		}
		if t.chunked && t.bad {
			return
		}
		s.cur = nil
	}, false)
}

// command carries a command out.
func (s *session) command(line string) {
	more := len(s.conn.in) > 0
	if !strings.HasSuffix(line, "\r\n") || len(line) > 1000 {
		s.w.violate("A", "a command that is none: %.60q", line)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	word, rest, _ := strings.Cut(line, " ")
	v := other
	switch strings.ToUpper(word) {
	case "EHLO":
		v = ehlo
	case "HELO":
		v = helo
	case "MAIL":
		v = mail
	case "RCPT":
		v = rcpt
	case "DATA":
		v = data
	case "BDAT":
		v = bdat
	case "RSET":
		v = rset
	case "NOOP":
		v = noop
	case "QUIT":
		v = quit
	}
	s.w.trace(s, '>', line)
	s.checkSync(v, more)
	if s.p.poison != "" && bytes.Contains(s.conn.in[:min(4096, len(s.conn.in))], []byte(s.p.poison)) {
		s.choke(s.add(v, line))
		return
	}
	if v == bdat {
		s.beginChunk(rest)
		return
	}
	if v == mail {
		s.mail(rest)
		return
	}
	c := s.add(v, line)
	if s.bad503 > 0 {
		s.bad503 -= len(line) + 2
		s.answer(c, false, 503, nil, nil)
		return
	}
	switch v {
	case ehlo, helo:
		s.answer(c, true, 0, func() { s.hello, s.cur = v, nil }, nil)
	case rcpt:
		s.rcpt(c, rest)
	case data:
		t := s.cur
		good := t != nil && t.mailed && len(t.accepted) > 0
		s.answer(c, good, 503, func() { s.inData, t.content = true, nil }, nil)
	case rset:
		if s.resets++; s.p.nonmail > 0 && s.resets > s.p.nonmail {
			s.respond(c, reply{554, "", "Too many nonmail commands"}, false, nil, nil, true)
			return
		}
		s.answer(c, true, 0, func() { s.cur = nil }, nil)
	case noop:
		s.answer(c, true, 0, func() {}, nil)
	case quit:
		s.answer(c, true, 0, func() {}, nil)
		s.close("QUIT", false)
	default:
		s.w.violate("A", "an unknown command: %.60q", line)
		s.answer(c, false, 500, nil, nil)
	}
}

// checkSync looks for commands that were sent before their time.
func (s *session) checkSync(v verb, more bool) {
	if s.shifted >= 0 || s.stayed || s.silent {
		return
	}
	// In a session without PIPELINING nothing is sent before the reply to what was sent has been read.
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

// beginChunk begins a chunk.
func (s *session) beginChunk(rest string) {
	size, word, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(size)
	if err != nil || word != "" && word != "LAST" || s.p.mode != chunked {
		s.w.violate("A", "BDAT %s", rest)
	}
	t := s.cur
	if s.p.floods && (t == nil || !t.mailed || len(t.accepted) == 0) {
		c := s.add(bdat, "BDAT")
		if word == "LAST" {
			c.verb = last
		}
		s.answer(c, false, 503, nil, nil)
		return
	}
	if t != nil {
		t.chunked = true
	}
	s.chunk, s.isLast = n, word == "LAST"
	if n == 0 {
		s.endChunk()
	}
}

// mail begins a transaction.
func (s *session) mail(rest string) {
	addr, _, _ := strings.Cut(strings.TrimPrefix(rest, "FROM:<"), ">")
	old := s.cur
	msg := s.w.byFrom[addr]
	if msg == nil {
		s.w.violate("A", "MAIL %s", rest)
		msg = s.w.msgs[0]
	}
	t := &txn{s: s, msg: msg, first: len(s.commands), end: -1}
	good, code := true, 503
	var over *reply
	switch {
	case s.bad503 > 0:
		s.bad503 -= len("MAIL ") + len(rest) + 2
		good = false
	case old != nil && old.mailed && !s.p.restarts:
		good = false
	case s.p.maxMsgs > 0 && s.counted() >= s.p.maxMsgs || s.p.mailMax > 0 && s.begun >= s.p.mailMax:
		good, over = false, &s.p.overMsg
	case msg.refusal != 0 && msg.refusedAt == mail:
		good, code = false, msg.refusal
	}
	if code == 503 && !good && over == nil {
		// The transaction before stays what it is; this command is one of it.
		s.all = append(s.all, t)
		c := s.add(mail, "MAIL")
		c.move(t)
		s.answer(c, false, 503, nil, nil)
		return
	}
	s.cur = t
	s.all = append(s.all, t)
	c := s.add(mail, "MAIL")
	do := func() { t.mailed = true; s.begun++ }
	if over != nil {
		s.respond(c, *over, false, do, nil, s.p.closing)
		return
	}
	s.answer(c, good, code, do, nil)
}

// counted is how many messages the session has had, as hosts count: with 452, those taken.
func (s *session) counted() int {
	if s.p.overMsg.code == 452 {
		return s.txns
	}
	return s.begun
}

// rcpt adds a recipient.
func (s *session) rcpt(c *command, rest string) {
	addr, _, _ := strings.Cut(strings.TrimPrefix(rest, "TO:<"), ">")
	r := s.w.byAddr[addr]
	if r == nil {
		s.w.violate("A", "RCPT %s", rest)
		s.answer(c, false, 501, nil, nil)
		return
	}
	// What it belongs to for the client is the last MAIL, whatever was said to that.
	if t := s.lastTxn(); t != nil {
		c.move(t)
	}
	t := s.cur
	if c.txn == nil || c.txn.msg != r.msg {
		s.w.violate("A", "RCPT %s in a transaction of another message", rest)
		s.answer(c, false, 503, nil, nil)
		return
	}
	c.rcpt = r.at
	c.txn.tried = append(c.txn.tried, r.at)
	if n := len(r.tries); n == 0 || r.tries[n-1] != c.txn {
		r.tries = append(r.tries, c.txn)
	}
	if t == nil || !t.mailed {
		s.answer(c, false, 503, nil, nil)
		return
	}
	if t.msg != r.msg {
		if c.txn.first == 0 || s.commands[c.txn.first-1].verb != rset {
			s.w.violate("A", "RCPT %s joins the envelope of %s, which the host has kept", rest, t.msg.id)
		}
		s.answer(c, true, 0, nil, nil)
		return
	}
	do := func() { t.accepted = append(t.accepted, r.at) }
	if s.p.maxRcpts > 0 && len(t.accepted) >= s.p.maxRcpts {
		s.respond(c, s.p.overRcpt, false, do, nil, false)
		return
	}
	if r.refusal != 0 && r.words != "" {
		s.respond(c, reply{r.refusal, "", r.words}, false, do, nil, false)
		return
	}
	s.answer(c, r.refusal == 0, r.refusal, do, nil)
}

func (s *session) lastTxn() *txn {
	if len(s.all) == 0 {
		return nil
	}
	return s.all[len(s.all)-1]
}

// answer answers a command as is natural, or as the plan has it.
func (s *session) answer(c *command, good bool, code int, do, refused func()) {
	r := reply{}
	if good {
		r = s.p.flavour.good(c.verb, c)
	} else {
		r = s.p.flavour.bad(code, c.verb, c)
	}
	s.respond(c, r, good, do, refused, false)
}

// respond says r, or what the plan has in its place. Where do is nil there is nothing that could be done.
func (s *session) respond(c *command, r reply, good bool, do, refused func(), closing bool) {
	s.w.number++
	k := natural
	if s.p.crashes && c.verb == dot && len(s.conn.in) > 0 {
		k = doneCloses
	} else if s.p.fault != nil {
		k = s.p.fault(s, c)
	}
	f := s.p.flavour
	switch k {
	case say2xx:
		if r.class() == 2 {
			k = natural
		} else {
			r, good = f.good(c.verb, c), do != nil && c.verb != data
			r.code = 250
		}
	case say3xx:
		if r.code == 354 {
			k = natural
		} else {
			r = f.bad(354, c.verb, c)
			good = false
			if c.verb == data && s.lastTxn() != nil {
				if s.cur == nil {
					s.cur = s.lastTxn()
				}
				t := s.cur
				good, do = true, func() { s.inData, t.content = true, nil }
			}
		}
	case say4xx:
		r, good = f.bad(451, c.verb, c), false
	case say5xx, say5xxClose:
		code := 554
		if c.verb == rcpt {
			code = 550
		}
		r, good = f.bad(code, c.verb, c), false
	case say503:
		r, good = f.bad(503, c.verb, c), false
	case say530:
		r, good = f.bad(530, c.verb, c), false
	case sayLimit:
		r, good = reply{550, "5.4.5", "Daily user sending limit exceeded"}, false
	case say421Close, say421Stay:
		r, good = f.bad(421, c.verb, c), false
	case closes:
		good = false
	}
	c.kind = k
	if k.irregular() && s.irregular < 0 {
		s.irregular = c.at
	}
	if k.shifts() && s.shifted < 0 {
		s.shifted = c.at
	}
	if k == deaf {
		s.stopped = true
		return
	}
	if c.verb == rset && do != nil {
		good = true // whatever it says to it: with one that kept the envelope no two messages could be sent in one write
	}
	c.ok = good
	switch {
	case good && do != nil:
		do()
	case !good && refused != nil:
		refused()
	}
	if r.class() >= 4 && c.verb != quit && !s.silent {
		s.errors++
		if s.p.errors > 0 && s.errors > s.p.errors && k == natural {
			r, closing = f.bad(421, c.verb, c), true
			c.ok = false
		}
	}
	s.speak(c, r, k)
	if closing || k == say421Close || k == say5xxClose {
		s.close("reply", false)
	}
}

// speak sends the reply to a command, in the manner of a kind.
func (s *session) speak(c *command, r reply, k kind) {
	delay := s.p.delay
	switch k {
	case closes, doneCloses:
		s.close("closed", false)
		return
	case doneResets:
		s.close("reset", true)
		return
	case mute:
		s.silent = true
	case swallow:
		s.w.trace(s, '*', "(no reply)")
		return
	case garbage:
		s.raw("hello, who is there?\r\n", delay)
		return
	case junk:
		s.raw("this is no reply\r\n", delay)
	case emptyLine:
		s.raw("\r\n", delay)
	case slow:
		delay += 31 * time.Second
	case say421Stay:
		s.stayed = true
	}
	if s.silent {
		return
	}
	c.own = len(s.replies)
	s.send(r, c.verb, delay, false)
	switch k {
	case extra:
		s.send(r, c.verb, delay, false)
	case extraLate:
		s.send(r, other, delay+50*time.Millisecond, true)
	case extraOther:
		o := s.p.flavour.good(rset, c)
		if s.w.number%3 == 0 {
			o = s.p.flavour.bad(550, rcpt, c)
		} else if s.w.number%3 == 1 {
			o = s.p.flavour.good(data, c)
		}
		s.send(o, other, delay, false)
	}
}

func (s *session) send(r reply, v verb, delay time.Duration, late bool) {
	text := r.lines(s.p.two && v != data)
	if v == ehlo && r.code == 250 {
		text = s.p.greets()
	}
	// The greeting is the reply to command 0.
	x := said{reply: r, unsolicited: len(s.replies) >= len(s.commands) && len(s.conn.in) == 0, late: late}
	s.raw(text, delay)
	x.end = s.conn.said
	s.replies = append(s.replies, x)
}

func (s *session) raw(text string, delay time.Duration) {
	if s.silent {
		return
	}
	s.w.trace(s, '<', strings.TrimRight(text, "\r\n"))
	s.conn.say(text, delay)
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
