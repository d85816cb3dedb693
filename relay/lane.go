package relay

import (
	"context"
	"time"

	"esmtpq/queue"
)

// A lane carries the deliveries of one run, over one session at a time.
type lane struct {
	ctx  context.Context
	host *host
	src  queue.Source

	crew   *crew // who else works for the same source; nil for nobody
	helper bool  // it is not the first of the crew

	s      *session       // nil while there is none
	ahead  []*transaction // drawn, and to be carried before any other
	barren int            // sessions in a row that came to nothing

	parked     *queue.Report // why nothing more of the identity can go out
	unrecorded error         // why nothing more may be sent
	notBefore  time.Time     // when the next session may be opened
}

// run carries deliveries until there are no more or the lane is of no use.
func (l *lane) run() {
	defer l.end()
	for tx := l.next(); tx != nil; tx = l.next() {
		if !l.carry(tx) {
			return
		}
	}
}

// idleTime is how long a session is kept for mail that is known to be on its way.
const idleTime = 3 * time.Second

// next returns the next transaction, nil when there is none and none is to come soon.
func (l *lane) next() *transaction {
	for {
		if tx := l.take(true); tx != nil {
			return tx
		}
		if l.s == nil || l.over() || !l.src.Wait(l.ctx, idleTime) {
			return nil
		}
	}
}

// take returns the first transaction drawn ahead, or a new one, for which it may wait.
func (l *lane) take(wait bool) *transaction {
	if len(l.ahead) > 0 {
		tx := l.ahead[0]
		l.ahead = l.ahead[1:]
		return tx
	}
	if d := l.src.Next(wait); d != nil {
		return newTransaction(d)
	}
	return nil
}

// putBack makes transactions the next to be taken, and to be begun anew.
func (l *lane) putBack(all ...*transaction) {
	for _, tx := range all {
		tx.rewind()
	}
	l.ahead = append(all, l.ahead...)
}

// waiting returns how many messages wait, as far as the source says.
func (l *lane) waiting() int {
	return len(l.ahead) + l.src.Backlog()
}

// record reports transactions, in order, and notes what follows for the lane.
func (l *lane) record(all ...*transaction) {
	if len(all) == 0 {
		return
	}
	outcomes := make([]queue.Outcome, len(all))
	for i, tx := range all {
		tx.close()
		outcomes[i] = queue.Outcome{Delivery: tx.d, Reports: tx.reports}
	}
	if err := l.src.Record(outcomes); err != nil && l.unrecorded == nil {
		l.unrecorded = err
	}
	for _, tx := range all {
		if l.parked == nil {
			l.parked = tx.parked()
		}
	}
}

// over tells whether nothing more is to be begun.
func (l *lane) over() bool {
	return l.unrecorded != nil || l.parked != nil || l.ctx.Err() != nil
}

// goesOn tells whether the lane goes on. If not, what was drawn ahead is answered with the reason.
func (l *lane) goesOn() bool {
	if !l.over() {
		return true
	}
	if l.unrecorded != nil || len(l.ahead) > 0 {
		// Nothing more is to be sent, QUIT included; and the envelope of the next may be
		// with the host, which must not be led to wait for its content.
		l.drop()
	}
	for _, tx := range l.ahead {
		tx.rewind()
		switch {
		case l.parked != nil:
			for i := range tx.reports {
				tx.reports[i] = *l.parked
				tx.reports[i].Unsure = false
			}
		case l.unrecorded != nil:
			tx.settle(local(eventUnrecorded, "progress cannot be recorded: %v", l.unrecorded))
		default:
			tx.settle(stopped(stageMAIL))
		}
		l.src.Record([]queue.Outcome{{Delivery: tx.d, Reports: tx.reports}})
	}
	l.ahead = nil
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
	for _, tx := range l.ahead {
		tx.rewind()
	}
}

// carry brings a transaction to an answer for every recipient, over as many sessions
// as that may take, and reports it; or it leaves it to a burst. It returns whether the lane goes on.
func (l *lane) carry(tx *transaction) bool {
	for !tx.settled() {
		if !tx.begun() && l.s != nil && l.s.worn() {
			l.end()
			l.notBefore = time.Now().Add(l.host.reloginDelay)
		}
		if l.s == nil {
			if t := l.open(); t != nil {
				if l.helper && l.ctx.Err() == nil {
					l.crew.handBack(append([]*transaction{tx}, l.ahead...)...)
					return false
				}
				tx.settle(t)
				break
			}
		}
		burst, t := l.wantsBurst(tx)
		switch {
		case t != nil:
			l.lost(tx, t)
		case burst:
			l.putBack(tx)
			return l.burst()
		default:
			l.crew.grow(l)
			if t := l.attempt(tx); t != nil {
				l.lost(tx, t)
			}
		}
	}
	l.record(tx)
	return l.goesOn()
}

// open opens a session, after the pause that the host asks for.
func (l *lane) open() *trouble {
	if wait := time.Until(l.notBefore); wait > 0 {
		pause := time.NewTimer(wait)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-l.ctx.Done():
		}
	}
	var t *trouble
	l.s, t = open(l.ctx, l.host)
	return t
}

// wantsBurst tells whether a transaction is to begin a burst. Trouble is what ended the session
// meanwhile.
func (l *lane) wantsBurst(tx *transaction) (bool, *trouble) {
	s := l.s
	if s.drains == drainsNot || !tx.fitsBurst() || l.waiting()+1 < minBurst {
		return false, nil
	}
	if t := s.quiet(stageMAIL); t != nil {
		return false, t
	}
	if s.drains == drainsUnknown {
		if t := s.probe(); t != nil {
			return false, t
		}
	}
	return s.drains == drainsYes, nil
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
	var next *transaction
	if l.rides() {
		// It may have been drawn already, for a session that was lost.
		if next = l.take(false); next != nil {
			next.prepare(l.host.name, s.ext)
			l.ahead = append([]*transaction{next}, l.ahead...)
		}
	}
	if t := s.quiet(stageDATA); t != nil {
		return t
	}
	defer s.owed.Store(false)
	if !s.owe() {
		return stopped(stageDATA)
	}
	if err := l.src.Sending(tx.d, nil); err != nil {
		return local(eventUnrecorded, "progress cannot be recorded: %v", err)
	}
	s.w.endContent()
	if next != nil && !next.settled() {
		if t := s.send(next); t != nil {
			return s.broken(stageFinal, s.w.err) // the final dot may have gone out with what failed
		}
		next.rode = true
	}
	if err := s.w.flush(); err != nil {
		return s.broken(stageFinal, err)
	}
	return s.final(tx)
}

// rides tells whether the next envelope goes behind a final dot. It does not where the next
// message may go in a burst, or must go over another session.
func (l *lane) rides() bool {
	s := l.s
	if s.level < pipelined || s.worn() || !l.host.riding.allowed() {
		return false
	}
	return s.drains == drainsNot || l.waiting() < minBurst
}
