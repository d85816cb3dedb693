package relay_test

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

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
	if strings.Contains(rest, " HOLDUNTIL=") != s.p.holds {
		s.w.violate("A", "ahead of its time %v: MAIL %s", s.p.holds, rest)
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
