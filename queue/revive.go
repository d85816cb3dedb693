package queue

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"esmtpq/queue/spool"
)

// How an identity that was in trouble gets another chance in the same run, which may go on for long with
// the mail of others.

// revive lets identities work whose wait is over. A refused login is left to the next run, which
// reads the configuration anew.
func (r *run) revive() {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, t := range r.destinations {
		b := r.backoffs[name]
		if b != nil && len(t.backoff) > 0 && !b.RefusedLogin() && due(b.Next, now) && r.goesOnWithout(t) && r.mayRevive(t) {
			r.start(t)
		}
	}
}

// mayRevive reports whether a destination can work again. It is called with mu held.
func (r *run) mayRevive(t *destination) bool {
	return !t.working && !t.stopped && !r.ended && r.ctx.Err() == nil
}

// goesOnWithout reports whether the run goes on in any case: identities that get another chance, and
// have not used it yet, do not keep a run alive for each other. It is called with mu held.
func (r *run) goesOnWithout(t *destination) bool {
	for name, other := range r.destinations {
		if other != t && other.working && !(other.revived && r.backoffs[name] != nil) {
			return true
		}
	}
	return false
}

// isNews reports whether a message is a reason to try an identity again that was in trouble, as it is for
// a run that begins now: it came after the last attempt. It is called with mu held.
func (r *run) isNews(t *destination, m *spool.Message, now time.Time) bool {
	b := r.backoffs[t.name]
	return b != nil && m.Envelope.Arrival.After(b.Last) && !m.Envelope.Arrival.After(now) && untried(m) && !b.RefusedLogin() && r.mayRevive(t)
}

// start lets a destination work, with the mail that waited for the identity, in order. It is called with
// mu held.
func (r *run) start(t *destination) {
	t.revived, t.dead = t.revived || t.dead != nil, nil
	slices.SortStableFunc(t.backoff, func(a, b waiting) int { return cmp.Compare(a.id, b.id) })
	for _, w := range t.backoff {
		t.add(w.id, w.again)
	}
	t.backoff = nil
	if !t.working {
		t.working = true
		r.busy++
		if r.started++; r.started > 1 && r.opt.Apart > 0 {
			t.pause = rand.N(r.opt.Apart)
		}
		go t.work()
	}
}

// setAside keeps a message, with the reason in its entry, for the case that its identity gets another
// chance in this run.
func (r *run) setAside(t *destination, w waiting, report Report) {
	if !r.noteRefusal(spool.IDText(w.id), t.name, report) {
		return
	}
	w.noted = true
	r.mu.Lock()
	defer r.mu.Unlock()
	t.backoff = append(t.backoff, w)
}
