package relay

import (
	"context"
	"strconv"

	"esmtpq/queue"
)

const (
	// maxDeaths is over how many sessions' ends a message is tried in one run.
	maxDeaths = 2
	// maxBarren is how many sessions in a row may end without the host having
	// decided about any message.
	maxBarren = 3
)

// A lane carries the deliveries of one run.
type lane struct {
	ctx  context.Context
	host *host
	src  queue.Source

	s      *session     // nil while there is none
	ahead  *transaction // drawn while its predecessor was on the wire
	barren int          // sessions in a row that came to nothing
}

// run carries deliveries until there are no more or the lane is of no use.
func (l *lane) run() {
	defer l.end()
	for tx := l.draw(); tx != nil; tx = l.take() {
		l.carry(tx)
		if !l.done(tx) {
			return
		}
	}
}

// draw takes a new delivery from the source.
func (l *lane) draw() *transaction {
	if d := l.src.Next(); d != nil {
		return newTransaction(d)
	}
	return nil
}

// take returns the transaction drawn ahead, or a new one.
func (l *lane) take() *transaction {
	if tx := l.ahead; tx != nil {
		l.ahead = nil
		return tx
	}
	return l.draw()
}

// done reports a transaction, and tells whether the lane goes on. If not, the one
// drawn ahead is answered with the same.
func (l *lane) done(tx *transaction) bool {
	tx.close()
	err := l.src.Done(tx.d, tx.reports)
	if err != nil {
		l.drop() // nothing more is to be sent, QUIT included
	}
	parked := tx.parked()
	if err == nil && parked == nil && l.ctx.Err() == nil {
		return true
	}
	next := l.ahead
	if next == nil {
		return false
	}
	l.ahead = nil
	next.rewind()
	var t *trouble
	switch {
	case parked != nil:
		for i := range next.reports {
			next.reports[i] = *parked
			next.reports[i].Unsure = false
		}
	case err != nil:
		t = local(eventUnrecorded, "progress cannot be recorded: %v", err)
	default:
		t = stopped(stageMAIL)
	}
	if t != nil {
		next.settle(t)
	}
	// The envelope of this one is with the host, which must not be led to
	// wait for its content.
	l.drop()
	l.src.Done(next.d, next.reports)
	return false
}

// end closes what is open.
func (l *lane) end() {
	if l.s != nil {
		l.s.quit()
		l.s = nil
	}
}

// drop closes the session as it is.
func (l *lane) drop() {
	if l.s != nil {
		l.s.abort()
		l.s = nil
	}
	if l.ahead != nil {
		l.ahead.rewind()
	}
}

// carry brings a transaction to an answer for every recipient, over as many sessions
// as that may take.
func (l *lane) carry(tx *transaction) {
	for !tx.settled() {
		if l.s == nil {
			var t *trouble
			if l.s, t = open(l.ctx, l.host); t != nil {
				tx.settle(t)
				return
			}
		}
		t := l.attempt(tx)
		if t == nil {
			continue
		}
		l.lost(tx, t)
	}
}

// attempt carries a transaction over the present session. Trouble means that the
// session is of no more use.
func (l *lane) attempt(tx *transaction) *trouble {
	s := l.s
	if !tx.begun() {
		tx.prepare(l.host.name, s.ext)
		if tx.settled() {
			return nil
		}
		if t := s.quiet(stageMAIL); t != nil {
			return t
		}
	}
	wanted, t := s.envelope(tx)
	if t != nil || !wanted {
		return t
	}
	if t := s.content(tx); t != nil {
		return t
	}
	return l.finish(tx)
}

// finish sends the final dot, and behind it the envelope of the next message where
// the host allows that.
func (l *lane) finish(tx *transaction) *trouble {
	s := l.s
	if s.level >= pipelined {
		// It may have been drawn already, for a session that was lost.
		if l.ahead = l.take(); l.ahead != nil {
			l.ahead.prepare(l.host.name, s.ext)
		}
	}
	if t := s.quiet(stageDATA); t != nil {
		return t
	}
	if err := l.src.Sending(tx.d); err != nil {
		return local(eventUnrecorded, "progress cannot be recorded: %v", err)
	}
	s.w.endContent()
	if l.ahead != nil && !l.ahead.settled() {
		if t := s.send(l.ahead); t != nil {
			return t
		}
	}
	if err := s.w.flush(); err != nil {
		return s.broken(stageFinal, err)
	}
	return s.final(tx)
}

// lost does the accounts of a session that is over: what becomes of the transaction
// that was on it. Whatever happened after the final dot is told as it is;
// before it, the message may have another try.
func (l *lane) lost(tx *transaction, t *trouble) {
	l.count(t)
	l.drop()
	tx.deaths++
	if l.barren >= maxBarren && l.ctx.Err() == nil {
		if t.event != eventReply {
			t.text = strconv.Itoa(l.barren) + " sessions in a row came to nothing; in the last, " + t.text
		}
		tx.settle(t)
		tx.rescope(queue.ScopeIdentity)
		return
	}
	rule := t.rule()
	switch {
	case l.ctx.Err() != nil, rule.unsure, rule.scope == queue.ScopeMessage, rule.scope == queue.ScopeIdentity:
		tx.settle(t)
	case t.event == eventTimeout, tx.deaths >= maxDeaths:
		// It is this message that the host does not get along with.
		tx.settle(t)
		tx.rescope(queue.ScopeMessage)
	default:
		tx.rewind()
	}
}

// count counts the sessions that came to nothing by the host's doing.
func (l *lane) count(t *trouble) {
	scope := t.rule().scope
	switch {
	case t.at == stageLocal:
	case l.s.settled, t.event == eventReply && (scope == queue.ScopeMessage || scope == queue.ScopeIdentity):
		l.barren = 0
	default:
		l.barren++
	}
}

// rescope charges to somebody else what the session was to blame for.
func (tx *transaction) rescope(scope queue.Scope) {
	for i := range tx.reports {
		if r := &tx.reports[i]; r.Action == queue.Delayed && r.Scope == queue.ScopeSession {
			r.Scope = scope
		}
	}
}
