package relay_test

import (
	"esmtpq/queue"
	"slices"
	"strings"
)

// seen is the reply that the client takes for that to a command: replies are read in their order.
func (s *session) seen(at int) *said {
	if at < 0 || at >= len(s.replies) || s.replies[at].end > s.conn.consumed {
		return nil
	}
	return &s.replies[at]
}

// inStep reports whether up to a command replies and commands belong together.
func (s *session) inStep(at int) bool {
	return s.shifted < 0 || at <= s.shifted && s.commands[s.shifted].own >= 0 || at < s.shifted
}

// answered is the host's own reply to a command, nil where the client has not read it.
func (c *command) answered() *said {
	if c.own < 0 {
		return nil
	}
	return c.s.seen(c.own)
}

// invited reports whether what the client has seen of the replies lets it send the content: MAIL
// and a recipient accepted, 354.
func (t *txn) invited() bool {
	mailed, some, go354 := false, false, false
	for _, c := range t.commands {
		r := t.s.seen(c.at)
		if r == nil {
			continue
		}
		switch c.verb {
		case mail:
			mailed = r.class() == 2
		case rcpt:
			some = some || r.class() == 2
		case data:
			go354 = r.code == 354
		}
	}
	return mailed && some && go354
}

// A host can lie without any client being able to notice: where it gives one reply too many, or
// too few, what a client reads as the replies to a transaction may be just what another host, an
// honest one, would have said. credible reports whether the replies to a transaction are of that
// kind: out of step, and yet each of a class that its command can have, agreeing with each other
// (no MAIL refused and 354, no chunk refused and the end accepted), none missing, none too many
// by the end of it, and RSET behind it answered with 2xx in the words that RSET was answered in
// before. Of such transactions alone the laws ask nothing; one reply that does not fit, and a
// client has to know that nothing is known.
func (t *txn) credible() bool { return t.plausible(false) }

// plausible is credible, or, in part, as much of it as there is of a session that was lost.
func (t *txn) plausible(part bool) bool {
	s := t.s
	if s.shifted < 0 {
		return false
	}
	all := t.commands
	if len(all) == 0 {
		return false
	}
	end := all[len(all)-1].at
	if s.shifted > end {
		return false
	}
	if ok, whole := t.fits(); !ok || !whole {
		return ok && part
	}
	if end+1 < len(s.commands) && s.commands[end+1].verb == rset {
		r := s.seen(end + 1)
		if r == nil {
			return s.over && s.by != "client" && s.by != "QUIT" // as where the host closes behind its reply
		}
		if r.class() != 2 {
			return false
		}
		if known := s.rsetWords(end + 1); known != "" && r.text != known {
			return false
		}
		end++
	}
	for i, r := range s.replies {
		if r.unsolicited && !r.late && r.code != 421 && i <= end+1 && s.p.delay == 0 && s.p.frag == 0 {
			return false
		}
	}
	return true
}

// fits reports whether the replies that a client takes for those to a transaction are such as an
// honest host may give, and whether they are all there.
func (t *txn) fits() (ok, whole bool) {
	mailed, some, chunks := false, false, true
	for _, c := range t.commands {
		r := t.s.seen(c.at)
		if r == nil {
			return true, false
		}
		if r.class() == 3 && (c.verb != data || r.code != 354) {
			return false, false
		}
		switch c.verb {
		case mail:
			mailed = r.class() == 2
		case rcpt:
			some = some || r.class() == 2
		case data:
			if r.class() == 2 || r.code == 354 && !mailed {
				return false, false
			}
		case bdat:
			chunks = chunks && r.class() == 2
		case last:
			if r.class() == 2 && !(mailed && some && chunks) {
				return false, false
			}
		}
	}
	return true, true
}

// rsetWords is what the client has seen in answer to the RSETs before a command, "" for nothing.
func (s *session) rsetWords(before int) string {
	for _, c := range s.commands[:before] {
		if c.verb != rset || s.shifted >= 0 && c.at >= s.shifted {
			continue
		}
		if r := s.seen(c.at); r != nil && r.class() == 2 {
			return r.text
		}
	}
	return ""
}

// excused reports whether the laws ask nothing of what became of a recipient, since the host has
// lied about it unnoticeably.
func (w *world) excused(r *recipient) bool {
	for _, t := range r.tries {
		if t.credible() {
			return true
		}
	}
	return false
}

// seemsRefused reports whether a recipient was given a refusal that was said to another,
// unnoticeably, before the session was lost.
func (w *world) seemsRefused(r *recipient, rep queue.Report) bool {
	for _, t := range r.tries {
		if !t.plausible(true) {
			continue
		}
		for _, c := range t.commands {
			if a := t.s.seen(c.at); c.verb == rcpt && c.rcpt == r.at && a != nil && a.code == rep.Code && a.class() == 5 {
				return true
			}
		}
	}
	return w.unreadRefused(r, rep)
}

// cancelsOut reports whether the reply that fails a recipient was read in place of that to MAIL or to RCPT since one reply
// was missing before and one was too many, before the host said 354 to DATA in its place: 354 is the one reply that shows
// where both sides are, and they are in step there.
func (w *world) cancelsOut(r *recipient, rep queue.Report) bool {
	for _, t := range r.tries {
		found := false
		for _, c := range t.commands {
			a := t.s.seen(c.at)
			switch {
			case a == nil:
			case c.verb == mail || c.verb == rcpt && c.rcpt == r.at:
				found = found || a.code == rep.Code && a.class() == 5 && strings.Contains(rep.Text, a.text)
			case c.verb == data && found && a.code == 354 && c.own == c.at && t.s.shifted >= 0:
				return true
			}
		}
	}
	return false
}

// unreadRefused reports whether a recipient was given a refusal that was said to another of its message: replies were too
// many by then, and the host has ended, or reads no more, before it came to the command that it was taken for.
func (w *world) unreadRefused(r *recipient, rep queue.Report) bool {
	for _, s := range w.ofRun {
		t := s.lastTxn()
		if t == nil || t.msg != r.msg || !t.plausible(true) {
			continue
		}
		before, _, found := strings.Cut(string(s.conn.in)+string(s.unheard), "RCPT TO:<"+r.addr+">")
		a := s.seen(len(s.commands) + strings.Count(before, "\n"))
		if found && a != nil && a.code == rep.Code && strings.Contains(rep.Text, a.text) {
			return true
		}
	}
	return false
}

// unconfirmed reports whether what was sent behind a message in chunks to see whether both sides
// are in step (RSET, BDAT that has to be refused) was answered in a way that puts into question
// whether the replies before it are what they seem to be: all of them are 250.
func (t *txn) unconfirmed() bool {
	if t.end < 0 {
		return false
	}
	if t.s.commands[t.end].verb == dot {
		return t.garbledBehind() || t.refusedBehind()
	}
	for _, c := range t.s.commands[t.end+1:] {
		if c.verb != rset && (c.verb != last || c.txn != nil && c.txn.mailed) {
			break
		}
		if r := t.s.seen(c.at); r != nil && (r.class() != 2 && c.verb == rset || r.class() != 5 && c.verb == last || t.s.shifted >= 0) {
			return true
		}
	}
	return false
}

// asked reports whether 354 was said to a command of a message in chunks. It may stand in the place of a reply, or one is
// missing before it: nothing shows which.
func (t *txn) asked() bool {
	return t.chunked && slices.ContainsFunc(t.commands, func(c *command) bool {
		a := c.answered()
		return a != nil && a.class() == 3
	})
}

// garbledBehind reports whether a dot was answered behind a line that is no reply, where nothing in the words shows what
// that is the answer to (all are the same, or none have been seen before), and 354 stands behind it where it makes no
// sense. It all looks as if the line had been the reply to the dot, and all that came behind it one reply early.
func (t *txn) garbledBehind() bool {
	s := t.s
	if s.p.flavour != terse && s.all[0] != t || s.commands[t.end].kind != junk {
		return false
	}
	for _, c := range s.commands[t.end+1:] {
		if r := s.seen(c.at); r != nil && r.class() == 3 {
			return c.verb != data
		}
	}
	return false
}

// halfRefused reports whether the end of a message in chunks was refused, and the host fell silent at the RSET behind it: a
// reply may be missing, and the refusal be that of RSET.
func (t *txn) halfRefused() bool {
	if !t.chunked || t.end < 0 || t.s.over && t.s.by != "client" {
		return false
	}
	r := t.s.seen(t.end)
	return r != nil && r.class() >= 4 && t.s.seen(t.end+1) == nil
}

// refusedBehind reports whether all behind a dot was refused, and a reply is missing at the end: that may be the reply to the
// dot, and what is read as such that to the command behind it, unless its words show that it is not.
func (t *txn) refusedBehind() bool {
	s := t.s
	if len(s.replies) >= len(s.commands) && len(s.conn.in) == 0 || t.end+1 >= len(s.commands) {
		return false
	}
	if r := s.seen(t.end); r != nil && r.class() == 2 && s.p.flavour != terse && s.rsetWords(t.end) != "" {
		return false
	}
	for _, c := range s.commands[t.end+1:] {
		if r := s.seen(c.at); r != nil && r.class() < 4 {
			return false
		}
	}
	return s.seen(t.end+1) != nil
}

// contradictory reports whether the host has said that it took a message of which it had refused a chunk, or
// not accepted it in any way that makes sense: one of the two is not true.
func (t *txn) contradictory() bool {
	if t.end < 0 {
		return false
	}
	a, chunks := t.s.commands[t.end].answered(), true
	for _, c := range t.commands {
		if b := c.answered(); c.verb == bdat && b != nil {
			chunks = chunks && b.class() == 2
		}
	}
	return a != nil && a.class() == 2 && !chunks
}

// lostBehind354 reports whether 354 was said to a command of a series, and the session ended before the reply to the end:
// nothing shows any more which reply of the transaction was one too many, or is missing.
func (t *txn) lostBehind354() bool {
	if t.end >= 0 && t.s.commands[t.end].answered() != nil {
		return false
	}
	for _, c := range t.commands {
		if a := c.answered(); t.chunked && c.verb != data && a != nil && a.class() == 3 {
			return true
		}
	}
	return false
}

// hiddenBehind421 reports whether a transaction was taken behind a 421 or a refusal after which
// the client saw nothing but the end of the connection. A host that has closed after such a reply
// has taken nothing behind it, and this one looks the same.
func (t *txn) hiddenBehind421() bool {
	s := t.s
	c := s.commands[t.end]
	if c.answered() != nil {
		return false
	}
	for i := c.at - 1; i > 0; i-- {
		if r := s.seen(i); r != nil {
			return r.class() >= 4
		}
	}
	return false
}

// closedOver reports whether the host has closed the connection behind its reply to c with more
// sent than answered, so that the reply may be about something else: other messages, or this one,
// which had not been tried alone before.
func (c *command) closedOver() bool {
	s := c.s
	if c.own != len(s.replies)-1 || s.by != "reply" || !s.moreSent || c.verb == dot {
		return false
	}
	if strings.Contains(string(s.conn.in), "MAIL FROM:<") {
		return true
	}
	for _, before := range s.w.ofRun {
		for _, t := range before.all {
			if before != s && t.msg == c.txn.msg {
				return false
			}
		}
	}
	return true
}

// sane reports whether no reply to a transaction is one that makes a client doubt the others.
func (t *txn) sane() bool {
	if t.s.shifted >= 0 {
		return false
	}
	for _, c := range t.commands {
		switch c.kind {
		case say2xx, say3xx, junk, say503, say530:
			return false
		}
	}
	return true
}

// overBefore reports whether a session has come to its end for the client before a transaction:
// what it has received behind that need not have been read.
func (s *session) overBefore(t *txn) bool {
	for _, c := range s.commands[:t.first] {
		if c.kind.irregular() || c.kind == sayLimit {
			return true
		}
	}
	return false
}
