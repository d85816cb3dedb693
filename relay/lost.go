package relay

import (
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

// lost does the accounts of a session that is over: what becomes of the transaction
// that was on it. Whatever happened after the final dot is told as it is;
// before it, the message may have another try.
func (l *lane) lost(tx *transaction, t *trouble) {
	l.count(t)
	l.drop()
	l.decide(tx, t)
}

// decide tells what becomes of the transaction that a session ended over.
func (l *lane) decide(tx *transaction, t *trouble) {
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
