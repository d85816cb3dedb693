package relay_test

import (
	"strings"

	"esmtpq/queue"
)

// completed is called when the client has sent the end of a message, before the host has
// decided about it.
func (w *world) completed(t *txn, cmd *command) {
	s := t.s
	m := t.msg
	w.trace(s, '>', "(content and end of "+m.id+")")
	switch {
	case m.damaged:
		w.violate("A", "%s was completed, though it cannot be read to its end", m.id)
	case !same(t.content, m.wire) && (cmd.verb == dot || t.mailed && len(t.accepted) > 0 && !t.bad):
		w.violate("A", "%s was completed with %d octets that are not its %d", m.id, len(t.content), len(m.wire))
	}
	for _, i := range t.accepted {
		if !m.rcpts[i].mark {
			w.violate("A", "%s was completed for %s without Sending", m.id, m.rcpts[i].addr)
		}
	}
	if cmd.verb == dot {
		if seen := s.lastTxn(); !seen.invited() {
			w.violate("A", "%s was completed, though MAIL or all of its recipients were refused", seen.msg.id)
		}
	}
	open := 0
	for _, u := range s.all {
		if u == t || u.end < 0 || !u.took {
			continue
		}
		unrecorded := false
		for _, i := range u.accepted {
			unrecorded = unrecorded || u.msg.rcpts[i].reported == 0
		}
		if unrecorded {
			open++
		}
		if unrecorded && s.commands[u.end].verb == dot {
			w.violate("B", "the end of %s was sent before what became of %s was recorded", m.id, u.msg.id)
		}
	}
	if open > 64 {
		w.violate("B", "%d messages in the window", open)
	}
}

// took is called when the host has accepted a message.
func (w *world) took(t *txn) {
	if !same(t.content, t.msg.wire) && !t.s.p.cuts {
		return // said already
	}
	for _, i := range t.accepted {
		r := t.msg.rcpts[i]
		r.takes = append(r.takes, t)
	}
}

// tookCut is called when it has made a message of one that was cut off.
func (w *world) tookCut(t *txn) {
	if rest := len(t.msg.wire) - len(t.content); rest > 2 || !same(t.content, t.msg.wire[:len(t.content)]) {
		w.violate("A", "%s was cut off %d octets before its end, where it can be taken for whole", t.msg.id, rest)
	}
	w.took(t)
}

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

// invited reports whether what the client has seen of the replies lets it send the content: MAIL and a recipient
// accepted, 354.
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

// A host can lie without any client being able to notice: where it gives one reply too many, or too few, what a client reads
// as the replies to a transaction may be just what another host, an honest one, would have said. credible
// reports whether the replies to a transaction are of that kind: out of step, and yet each of a class
// that its command can have, none missing, none too many by the end of it, and RSET behind it answered
// in the words that RSET was answered in before. Only of such transactions the laws ask nothing.
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
	mailed, some, chunks := false, false, true
	for _, c := range all {
		r := s.seen(c.at)
		if r == nil && part {
			return true
		}
		if r == nil || r.class() == 3 && (c.verb != data || r.code != 354) {
			return false
		}
		switch c.verb {
		case mail:
			mailed = r.class() == 2
		case rcpt:
			some = some || r.class() == 2
		case data:
			if r.class() == 2 || r.code == 354 && !(mailed && some) {
				return false
			}
		case bdat:
			chunks = chunks && r.class() == 2
		case last:
			if r.class() == 2 && !(mailed && some && chunks) {
				return false
			}
		}
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

// seemsRefused reports whether a recipient was given a refusal that was said to another, unnoticeably, before the session
// was lost.
func (r *recipient) seemsRefused(rep queue.Report) bool {
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
	return false
}

// judge holds a run against the laws.
func (w *world) judge() {
	for _, m := range w.spool.drawn {
		for _, i := range m.index {
			w.judgeRecipient(m.rcpts[i])
		}
	}
	if w.dead || w.ended || w.spool.failed {
		return
	}
	for _, s := range w.ofRun {
		for _, t := range s.all {
			w.judgeStarved(t)
		}
	}
	if !w.spool.parked && len(w.spool.left) > 0 && w.dials <= maxDials {
		w.violate("C", "%d messages were not drawn, without a reason", len(w.spool.left))
	}
}

func (w *world) judgeRecipient(r *recipient) {
	var takes []*txn
	for _, t := range r.takes {
		if t.s.run == w.run {
			takes = append(takes, t)
		}
	}
	for i, t := range takes[:max(0, len(takes)-1)] {
		if !t.credible() && !t.hiddenBehind421() {
			w.violate("A", "%s was taken twice in one run, in sessions %d and %d", r.addr, t.s.number, takes[i+1].s.number)
		}
	}
	switch {
	case r.reported == 0 && !w.dead:
		w.violate("A", "%s was drawn and not reported", r.addr)
		return
	case r.reported == 0 || r.lost:
		return
	}
	rep := *r.report
	w.judgeRefusals(r, rep)
	switch rep.Action {
	case queue.Relayed:
		if len(takes) == 0 && !w.excused(r) {
			w.violate("A", "%s is lost: recorded %q, and the host did not take it", r.addr, show(rep))
		}
	case queue.Failed:
		if !w.refused(r, rep, false) && !w.excused(r) && !r.seemsRefused(rep) {
			w.violate("B", "%s: recorded %q, which the host did not say to it", r.addr, show(rep))
		}
	case queue.Delayed:
		w.judgeDelayed(r, rep, takes)
	}
	if rep.Action != queue.Relayed && len(takes) > 0 {
		t := takes[len(takes)-1]
		c := t.s.commands[t.end]
		if c.answered() != nil && (t.s.irregular < 0 || t.s.irregular > c.at) && !(rep.Unsure && t.unconfirmed()) {
			w.violate("A", "%s: the host took it and said so, recorded %q", r.addr, show(rep))
		}
	}
}

func (w *world) judgeDelayed(r *recipient, rep queue.Report, takes []*txn) {
	if !rep.Unsure {
		for _, t := range takes {
			if !t.credible() && !t.hiddenBehind421() {
				w.violate("A", "%s: the host took it, and it is recorded as not delivered: %q", r.addr, show(rep))
			}
		}
	}
	if rep.Unsure && !w.doubtful(r) {
		w.violate("C", "%s is in doubt without cause: %q", r.addr, show(rep))
	}
	if rep.Code != 0 && !w.refused(r, rep, true) && !w.excused(r) {
		w.violate("B", "%s: recorded %q, which nobody said to it", r.addr, show(rep))
	}
}

// unconfirmed reports whether what was sent behind a message in chunks to see whether both sides are in step (RSET, BDAT that
// has to be refused) was answered in a way that puts into question whether the replies before it are what they seem to
// be: all of them are 250.
func (t *txn) unconfirmed() bool {
	if t.end < 0 || t.s.commands[t.end].verb != last {
		return false
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

// hiddenBehind421 reports whether a transaction was taken behind a 421 or a refusal after which the client saw nothing but the
// end of the connection. A host that has closed after such a reply has taken nothing behind it, and this one looks
// the same.
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

// doubtful reports whether the end of a message may have gone out unanswered for a recipient.
func (w *world) doubtful(r *recipient) bool {
	for _, s := range w.ofRun {
		rest := string(s.conn.in) + string(s.unheard)
		if strings.Contains(rest, "MAIL FROM:<"+r.msg.from+">") || strings.Contains(rest, "RCPT TO:<"+r.addr+">") {
			return true
		}
	}
	for _, t := range r.tries {
		if !t.s.inStep(len(t.s.commands)) || t.unconfirmed() {
			return true
		}
		refused := false
		for _, c := range t.commands {
			if a := c.answered(); a != nil && a.class() >= 4 && a.code != 421 && (c.verb == mail || c.verb == rcpt && c.rcpt == r.at) {
				refused = true
			}
		}
		if refused {
			continue
		}
		unread := len(t.s.conn.in) > 0 || len(t.s.unheard) > 0 || w.dead
		if t.end < 0 && unread || t.end >= 0 && t.s.commands[t.end].answered() == nil {
			return true
		}
		if t.end >= 0 && (t.s.commands[t.end].kind == say3xx || t.s.commands[t.end].kind == say421Stay) {
			return true // an answer that says nothing
		}
	}
	return false
}

// permanent reports whether a reply fails a recipient or a message: what concerns the session, the identity, or
// the number of recipients does not.
func (r *said) permanent(v verb) bool {
	switch {
	case r.class() != 5, r.code == 503, r.code == 530, r.status == "5.4.5", r.text == limitWords:
		return false
	case v == rcpt && (r.code == 552 || r.status == "5.5.3"):
		return false
	}
	return true
}

const limitWords = "Daily user sending limit exceeded"

// refused reports whether the host has given a reply such as recorded to a recipient or its message; with any,
// a temporary one, or one to the session or the identity, will do.
func (w *world) refused(r *recipient, rep queue.Report, any bool) bool {
	if rep.Code == 0 {
		return w.plan.size > 0 && len(r.msg.wire) > w.plan.size
	}
	for _, t := range r.tries {
		for i, a := range t.s.replies {
			if any && a.unsolicited && t.s.seen(i) != nil && a.code == rep.Code && strings.Contains(rep.Text, a.text) {
				return true // what it said without having been asked is why the session ended
			}
		}
	}
	wide := any && (rep.Scope == queue.ScopeSession || rep.Scope == queue.ScopeIdentity)
	for _, s := range w.ofRun {
		for _, c := range s.commands {
			a := c.answered()
			if a == nil || a.code != rep.Code || !strings.Contains(rep.Text, a.text) {
				continue
			}
			own := c.txn != nil && c.txn.msg == r.msg && (c.verb != rcpt || c.rcpt == r.at)
			if !any && (!own || !a.permanent(c.verb)) {
				continue
			}
			if !any && c.closedOver() {
				continue
			}
			// A refusal of another recipient of the message tells why the transaction came to nothing.
			if own || wide || any && a.code == 421 || any && c.txn != nil && c.txn.msg == r.msg {
				return true
			}
		}
	}
	return false
}

// closedOver reports whether the host has closed the connection behind its reply to c with more sent than answered, so
// that the reply may be about something else: other messages, or this one, which had not been tried alone before.
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

// judgeRefusals: a refusal that was read for a recipient is recorded, whatever became of the session.
func (w *world) judgeRefusals(r *recipient, rep queue.Report) {
	if rep.Action != queue.Delayed || w.plan.auth {
		return
	}
	for _, t := range r.tries {
		s := t.s
		for _, c := range t.commands {
			a := c.answered()
			if c.verb != rcpt || c.rcpt != r.at || a == nil || !a.permanent(rcpt) || !t.mailed {
				continue
			}
			if c.own == len(s.replies)-1 && s.over && s.by != "client" || w.dead || !t.sane() || s.overBefore(t) {
				continue
			}
			w.violate("B", "%s: the host refused it with %q, recorded %q", r.addr, a.text, show(rep))
		}
	}
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

// overBefore reports whether a session has come to its end for the client before a transaction: what it has received
// behind that need not have been read.
func (s *session) overBefore(t *txn) bool {
	for _, c := range s.commands[:t.first] {
		if c.kind.irregular() || c.kind == sayLimit {
			return true
		}
	}
	return false
}

// judgeStarved: who was accepted gets the content, whatever others got.
func (w *world) judgeStarved(t *txn) {
	s := t.s
	if t.end >= 0 || len(t.accepted) == 0 || s.by != "client" && s.by != "QUIT" || t.msg.damaged {
		return
	}
	for _, i := range t.accepted {
		for _, again := range t.msg.rcpts[i].tries {
			if again.end >= 0 {
				return // in another session
			}
		}
	}
	for _, other := range w.ofRun {
		for _, c := range other.commands {
			if c.kind != natural && c.verb <= helo {
				return // there may be no other session
			}
			if c.kind.irregular() && (c.verb != rcpt || c.kind != say503 && c.kind != say530) {
				return
			}
		}
	}
	for _, c := range t.commands {
		if c.verb == data && c.ok && c.answered() != nil {
			w.violate("A", "%s: the host has accepted recipients and said 354, and the content was not sent", t.msg.id)
		}
	}
}

// judgeHonest: a run with a host that keeps to the rules leaves nothing that it did not refuse.
func (w *world) judgeHonest() {
	if w.spool.parked {
		for _, m := range w.msgs {
			for _, r := range m.rcpts {
				if r.report != nil && r.report.Scope == queue.ScopeIdentity && (r.report.Code == 530 || r.report.Code == 503) {
					return // it says so to each of those that are left, and nothing else
				}
			}
		}
	}
	var order []int
	first := map[*message]bool{}
	for _, s := range w.ofRun {
		for _, t := range s.all {
			if t.took && !first[t.msg] {
				first[t.msg] = true
				order = append(order, t.msg.at)
			}
		}
	}
	for i := 1; i < len(order) && w.count <= 1; i++ {
		if order[i] < order[i-1] {
			w.violate("C", "%d was taken behind %d", order[i], order[i-1])
			break
		}
	}
	for _, m := range w.spool.drawn {
		for _, i := range m.index {
			r := m.rcpts[i]
			if r.reported == 0 {
				continue
			}
			want := w.due(r)
			ok := r.report.Action == want
			if m.refusal != 0 && m.refusedAt == dot && r.refusal != 0 && r.report.Action == outcomeOf(m.refusal, dot) {
				ok = true // it may be told of the message
			}
			if m.damaged || w.plan.size > 0 && len(m.wire) > w.plan.size {
				ok = r.report.Action != queue.Relayed
			}
			if !ok || r.report.Unsure {
				w.violate("C", "an honest host, and %s is %s, not %s", r.addr, show(*r.report), want)
			}
		}
	}
}

// due is what becomes of a recipient with a host that keeps to the rules.
func (w *world) due(r *recipient) queue.Action {
	m := r.msg
	switch {
	case m.refusal != 0 && (m.refusedAt == mail || r.refusal == 0):
		return outcomeOf(m.refusal, m.refusedAt)
	case r.refusal != 0:
		return outcomeOf(r.refusal, rcpt)
	}
	return queue.Relayed
}

// judgeSingle: one thing that goes wrong costs nobody a run but those it was said to, those
// whose end was not answered, and, where it was silence, the message that it met.
func (w *world) judgeSingle(k kind, at int) {
	switch {
	case at <= 2, w.spool.parked, k == mute, k == deaf, k == swallow, k == garbage, k == slow:
		return
	}
	for _, m := range w.spool.drawn {
		for _, i := range m.index {
			r := m.rcpts[i]
			if r.reported > 0 && r.report.Action == queue.Delayed && !r.report.Unsure && r.report.Code == 0 && w.due(r) != queue.Delayed {
				w.violate("C", "after a single %v, %s is %s", k, r.addr, show(*r.report))
			}
		}
	}
}

func outcomeOf(code int, at verb) queue.Action {
	r := said{reply: reply{code: code}}
	if r.permanent(at) {
		return queue.Failed
	}
	return queue.Delayed
}
