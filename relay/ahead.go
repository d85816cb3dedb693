package relay

import (
	"fmt"
	"time"

	"esmtpq/queue"
)

// Mail that is to be sent at a time may go to the host ahead of it, which then holds it until then
// (RFC 4865). Nothing can be lost by trying: what the host does not take that way waits here, uncharged,
// and goes at its time as any other mail.

const (
	// holdMargin is how far below its limit a host is asked: clocks differ.
	holdMargin = time.Minute
	// aheadAgain is when to try again what a session has come to an end over.
	aheadAgain = time.Hour
)

// hold returns until when the host is to hold a message, zero for one that goes at once, or the report
// of one that is not sent now.
func (w *worker) hold(t *task) (until time.Time, no *queue.Report) {
	until = t.d.HoldUntil
	if until.IsZero() {
		return until, nil
	}
	now := time.Now()
	limit := w.conn.Extensions().HoldLimit(now)
	rep := &queue.Report{Action: queue.Delayed, Scope: queue.ScopeMessage, Status: "4.3.3", Until: until}
	switch left := until.Sub(now); {
	case left <= holdMargin:
		rep.Text = "its time is near: it waits here" // the host may find that it has come, and refuse it
	case limit <= holdMargin:
		rep.Text = w.host.name + " does not hold mail until its time (FUTURERELEASE): it waits here"
	case left > limit-holdMargin:
		rep.Until = until.Add(holdMargin - limit)
		rep.Text = fmt.Sprintf("%s holds mail for %v at most (FUTURERELEASE): until then it waits here", w.host.name, limit.Round(time.Minute))
	default:
		return until, nil
	}
	return time.Time{}, rep
}

// ahead rewrites the reports of a message that went ahead of its time: what has not been taken, and is not
// the identity's trouble, waits for it.
func ahead(o *queue.Outcome, now time.Time) {
	until := o.Delivery.HoldUntil
	if until.IsZero() {
		return
	}
	for i := range o.Reports {
		rep := &o.Reports[i]
		switch {
		case rep.Action == queue.Relayed:
			rep.Remark = "the host holds it until " + until.UTC().Format(time.RFC3339)
		case rep.Unsure || rep.Scope == queue.ScopeIdentity || !rep.Until.IsZero():
		default:
			rep.Action, rep.Until = queue.Delayed, until
			if rep.Code == 0 && rep.Scope == queue.ScopeSession {
				rep.Until = earliest(until, now.Add(aheadAgain))
			}
			rep.Scope, rep.Remark = queue.ScopeMessage, "it waits here until its time"
		}
	}
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
