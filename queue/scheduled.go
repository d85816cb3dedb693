package queue

import (
	"time"

	"esmtpq/queue/spool"
)

// How a run leaves mail alone that is not to be sent yet: before a time that its submitter has named,
// while it can be taken back, or outside of the hours of its identity. Such mail is not late, and does
// not count as waiting.

// shut reports whether a route is closed to a message at the moment.
func (r *run) shut(m *spool.Message, route *Route, now time.Time) bool {
	switch {
	case r.opt.Early:
		return false
	case m.Envelope.NotBefore.After(now):
		return !route.HoldUntil.After(now)
	}
	return route.Opens.After(now)
}

// mayGoAhead reports whether a message that is to be sent at a time may be handed to a host that keeps
// it until then.
func (r *run) mayGoAhead(m *spool.Message, now time.Time) bool {
	at, ok := m.Envelope.AheadAt(now)
	return ok && !at.After(now) && !m.Opens.After(now) && (r.opt.All || due(m.Next, now))
}

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
	if ahead, ok := m.Envelope.AheadAt(now); ok && ahead.After(now) {
		r.wakeAt(ahead)
	}
	if m.Opens.After(now) {
		r.wakeAt(m.Opens)
	}
	r.findings.note(m, waitsRelease, until, now)
}

// noteEarly notes that a message waits for the time that its submitter has named. whole says that no
// host is asked to take it ahead of that. It is called without mu.
func (r *run) noteEarly(m *spool.Message, whole bool, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if whole {
		r.schedule(m, m.Envelope.NotBefore, now)
		return
	}
	if r.early == nil {
		r.early = map[string]time.Time{}
	}
	r.early[m.ID] = m.Envelope.NotBefore
}

// putOff leaves a message that hosts do not take ahead of its time. It is called without mu.
func (r *run) putOff(e *openEntry, until, now time.Time) {
	if err := e.SetOpens(until); err != nil {
		r.troubled("note when %s may go: %v", e.ID(), err)
	}
	e.View(func(m *spool.Message) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.wakeAt(until)
		if at := m.Scheduled(now); !at.IsZero() {
			r.schedule(m, at, now)
		}
	})
}

// notYetUntil returns the first time that reports leave a message alone until; zero if none does.
func notYetUntil(reports []Report) (until time.Time) {
	for i := range reports {
		until = earlier(until, reports[i].Until)
	}
	return until
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
	for _, at := range r.early {
		r.wakeAt(at)
	}
	at := r.sum.Wake
	if r.opt.Select != nil || r.ctx.Err() != nil {
		at = earlier(at, r.q.Schedule())
	}
	if err := r.q.SetSchedule(at); err != nil {
		r.trouble("note when mail is to be sent: %v", err)
	}
	r.sum.Wake = at
}
