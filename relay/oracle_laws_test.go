package relay_test

import (
	"esmtpq/queue"
	"strings"
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
	if !w.spool.suspended && len(w.spool.left) > 0 && w.dials <= maxDials {
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
		if !w.refused(r, rep, false) && !w.excused(r) && !w.seemsRefused(r, rep) && !w.cancelsOut(r, rep) {
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
	if failed := !rep.Until.IsZero() && (w.seemsRefused(r, rep) || w.cancelsOut(r, rep)); failed {
		return // a failure that waits for its time
	}
	if rep.Code != 0 && !w.refused(r, rep, true) && !w.excused(r) {
		w.violate("B", "%s: recorded %q, which nobody said to it", r.addr, show(rep))
	}
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
		if !t.s.inStep(len(t.s.commands)) || t.unconfirmed() || t.contradictory() || t.asked() || t.halfRefused() {
			return true
		}
		refused, lost := false, t.lostBehind354()
		for _, c := range t.commands {
			a := c.answered()
			if lost {
				break
			}
			if a == nil || a.class() < 4 || a.code == 421 || c.verb != mail && (c.verb != rcpt || c.rcpt != r.at) {
				continue
			}
			if last := c.own == len(t.s.replies)-1 && t.s.moreSent; last && t.s.txns > 0 {
				continue // it may be about something else, and what is behind it may have been taken
			}
			refused = true
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

// permanent reports whether a reply fails a recipient or a message: what concerns the session,
// the identity, or the number of recipients does not.
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

// refused reports whether the host has given a reply such as recorded to a recipient or its
// message; with any, a temporary one, or one to the session or the identity, will do.
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
			// A refusal of another recipient of the message tells why the transaction came to
			// nothing.
			if own || wide || any && a.code == 421 || any && c.txn != nil && c.txn.msg == r.msg {
				return true
			}
		}
	}
	return false
}

// judgeRefusals: a refusal that was read for a recipient is recorded, whatever became of the
// session.
func (w *world) judgeRefusals(r *recipient, rep queue.Report) {
	if rep.Action != queue.Delayed || w.plan.auth || !rep.Until.IsZero() {
		return
	}
	for _, t := range r.tries {
		s := t.s
		for _, c := range t.commands {
			a := c.answered()
			if c.verb != rcpt || c.rcpt != r.at || a == nil || !a.permanent(rcpt) || !t.mailed {
				continue
			}
			if s.p.flavour == terse && t.unconfirmed() {
				continue // all might be one reply late
			}
			if c.own == len(s.replies)-1 && s.over && s.by != "client" || w.dead || !t.sane() || s.overBefore(t) {
				continue
			}
			if w.ended && s.replies[c.own].end > s.conn.before {
				continue // the client was interrupted before it came to the end of what it had read
			}
			w.violate("B", "%s: the host refused it with %q, recorded %q", r.addr, a.text, show(rep))
		}
	}
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
			if c.kind != natural && (c.verb != rcpt || c.kind.irregular() && c.kind != say503 && c.kind != say530) {
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
