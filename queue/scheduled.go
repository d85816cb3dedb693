package queue

import (
	"time"

	"esmtpq/queue/spool"
)

// How a run leaves mail alone that is not to be sent yet: before a time that its submitter has named,
// while it can be taken back, or outside of the hours of its identity. Such mail is not late, and does
// not count as waiting.

// shut reports whether a route is closed at the moment.
func (r *run) shut(route *Route, now time.Time) bool { return !r.opt.Early && route.Opens.After(now) }

// earlier returns the earlier of two times; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// wakeAt notes that there is mail to be sent at some time. It is called with mu held.
func (r *run) wakeAt(at time.Time) { r.sum.Wake = earlier(r.sum.Wake, at) }

// schedule leaves a message until some time. It is called with mu held.
func (r *run) schedule(m *spool.Message, at, now time.Time) {
	r.wakeAt(at)
	if r.opt.Select != nil {
		r.sum.Scheduled = append(r.sum.Scheduled, Scheduled{m.ID, at})
	}
	until := r.nothingUntil(m, now)
	if at.Before(until) {
		until = at
	}
	r.findings.note(m, waitsRelease, until, now)
}

// noteWindow records when the first of the routes of a message opens that are closed; zero if all are
// open. whole says that no other of its routes can be used. It is called without mu.
func (r *run) noteWindow(m *spool.Message, opens time.Time, whole bool, now time.Time) {
	if opens.IsZero() && !m.Opens.After(now) {
		return // when it was open last is worth knowing: it is late only from then on
	}
	if !opens.Equal(m.Opens) {
		if e, err := r.acquire(m.ID); err == nil {
			if err := e.SetOpens(opens); err != nil {
				r.troubled("note when %s may go: %v", m.ID, err)
			}
			r.release(e)
		}
		m.Opens = opens
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case opens.IsZero():
	case whole:
		r.schedule(m, opens, now)
	default:
		r.wakeAt(opens)
	}
}

// saveSchedule notes for others when the next message is to be sent that waits for its time. A run that
// has not looked at everything only knows of an earlier one.
func (r *run) saveSchedule() {
	at := r.sum.Wake
	if r.opt.Select != nil || r.ctx.Err() != nil {
		at = earlier(at, r.q.Schedule())
	}
	if err := r.q.SetSchedule(at); err != nil {
		r.trouble("note when mail is to be sent: %v", err)
	}
	r.sum.Wake = at
}
