package relay_test

import (
	"strings"
	"time"
)

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

// respond says r, or what the plan has in its place. Where do is nil there is nothing that could be
// done.
func (s *session) respond(c *command, r reply, good bool, do, refused func(), closing bool) {
	s.w.number++
	k := natural
	if s.p.crashes && c.verb == dot && len(s.conn.in) > 0 {
		k = doneCloses
	} else if s.p.fault != nil {
		k = s.p.fault(s, c)
	}
	k, r, good, do = s.instead(k, c, r, good, do)
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
			r, closing = s.p.flavour.bad(421, c.verb, c), true
			c.ok = false
		}
	}
	s.speak(c, r, k)
	if closing || k == say421Close || k == say5xxClose {
		s.close("reply", false)
	}
}

// instead returns what a kind makes of a reply, and of what is done.
func (s *session) instead(k kind, c *command, r reply, good bool, do func()) (kind, reply, bool, func()) {
	f := s.p.flavour
	switch k {
	case say2xx:
		if r.class() == 2 {
			return natural, r, good, do
		}
		r, good = f.good(c.verb, c), do != nil && c.verb != data
		r.code = 250
	case say3xx:
		if r.code == 354 {
			return natural, r, good, do
		}
		r, good = f.bad(354, c.verb, c), false
		if t := s.lastTxn(); c.verb == data && t != nil {
			if s.cur == nil {
				s.cur = t
			}
			good, do = true, func() { s.inData, s.cur.content = true, nil }
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
		r, good = reply{550, "5.4.5", limitWords}, false
	case say421Close, say421Stay:
		r, good = f.bad(421, c.verb, c), false
	case closes:
		good = false
	}
	// RSET is carried out whatever is said to it: with a host that kept the envelope no two
	// messages could be sent in one write, and no client could know.
	return k, r, good || c.verb == rset && do != nil, do
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
