package queue

import (
	"slices"
	"time"

	"esmtpq/queue/spool"
)

// How a message gets to its destinations, or why it does not.

// dispatch hands a message to the destinations of its recipients. It is called without mu.
func (r *run) dispatch(m *spool.Message, now time.Time) {
	var names []string
	var indexes []int
	var reports []Report
	var opens time.Time
	early := !r.opt.Early && m.Envelope.NotBefore.After(now)
	for i, rcpt := range m.Envelope.Recipients {
		if !m.Progress[i].State.Pending() {
			continue
		}
		route, err := r.router.Route(&m.Envelope, rcpt)
		if err != nil {
			indexes = append(indexes, i)
			reports = append(reports, Report{Action: Delayed, Scope: ScopeIdentity, Status: "4.3.5", Text: err.Error()})
			continue
		}
		switch {
		case r.shut(m, &route, now):
			if !early {
				opens = earlier(opens, route.Opens)
			}
		case !slices.Contains(names, route.Destination):
			names = append(names, route.Destination)
		}
	}
	if whole := len(names)+len(indexes) == 0; early {
		r.noteEarly(m, whole, now)
	} else {
		r.noteWindow(m, opens, whole, now)
	}
	r.refuseRecipients(m.ID, "", indexes, reports)
	if len(names) > 0 {
		r.mu.Lock()
		r.stands.Of, r.stands.OfOctets = r.stands.Of+1, r.stands.OfOctets+m.Envelope.Size
		r.mu.Unlock()
	}
	for _, name := range names {
		if t, why := r.enqueue(name, m, now); why != nil {
			r.setAside(t, waiting{id: spool.Number(m.ID), again: m.Attempts > 0}, *why)
		}
	}
	if len(names) == 1 && len(indexes) == 0 && opens.IsZero() {
		r.noteBackoff(names[0], m, now)
	}
}

// enqueue gives a message to a destination, which begins to work unless it works already; or it
// returns why the message is not tried. It is called without mu.
func (r *run) enqueue(name string, m *spool.Message, now time.Time) (t *destination, why *Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t = r.destination(name)
	if t.dead != nil && !r.isNews(t, m, now) {
		return t, t.dead
	}
	if b := r.backoffs[name]; b != nil && t.idle() {
		if r.opt.All && r.triedMeanwhile(b.Last, now) {
			return t, &b.Report
		}
		if !r.opt.All && r.opt.waits(b, untried(m), now) {
			if t.reason == nil {
				t.reason = b.Report.Reason()
			}
			t.backoff = append(t.backoff, waiting{spool.Number(m.ID), m.Attempts > 0, m.WaitsFor(t.reason)})
			return t, nil
		}
	}
	t.backoff = append(t.backoff, waiting{id: spool.Number(m.ID), again: m.Attempts > 0})
	r.start(t)
	r.idle.Broadcast()
	return t, nil
}

// destination returns the destination of a name. It is called with mu held.
func (r *run) destination(name string) *destination {
	t := r.destinations[name]
	if t == nil {
		t = &destination{run: r, name: name}
		r.destinations[name] = t
	}
	return t
}

// refuseBackoffs leaves the mail of identities that wait in the queue. It is for the end of the
// run: until then, new mail can find that the host works and take the old mail along.
func (r *run) refuseBackoffs() {
	for name, t := range r.destinations {
		why := t.dead
		if b := r.backoffs[name]; b != nil && why == nil {
			why = &b.Report
		}
		for _, w := range t.backoff {
			if w.noted || r.noteRefusal(spool.IDText(w.id), name, *why) {
				r.mu.Lock()
				r.count(name, why.Explain())
				r.block(name, spool.IDText(w.id))
				r.mu.Unlock()
			}
		}
		t.backoff = nil
	}
}

// noteRefusal notes in its entry why a message was not tried at a destination, without charging the
// message, and reports whether it waits for that. It is called without mu.
func (r *run) noteRefusal(id, destination string, report Report) (waits bool) {
	e, err := r.acquire(id)
	if err != nil {
		// The entry is gone, or another process works on it: the reason is not worth a wait.
		return true
	}
	defer r.release(e)
	indexes, reports := []int(nil), []Report(nil)
	e.View(func(m *spool.Message) {
		for i, rcpt := range m.Envelope.Recipients {
			if !m.Progress[i].State.Pending() {
				continue
			}
			if route, err := r.router.Route(&m.Envelope, rcpt); err == nil && route.Destination == destination {
				indexes, reports = append(indexes, i), append(reports, report)
			}
		}
	})
	waits = r.noteRecipients(id, indexes, reports)
	e.View(func(m *spool.Message) { // another destination may be recording
		pending := m.Indexes(func(i int) bool { return m.Progress[i].State.Pending() })
		if len(indexes) == len(pending) {
			r.noteRefused(destination, m, r.now())
		}
	})
	return waits
}

// refuseRecipients notes why some recipients of a message were not tried. The message counts
// once for each reason. It is called without mu.
func (r *run) refuseRecipients(id, destination string, indexes []int, reports []Report) {
	if !r.noteRecipients(id, indexes, reports) {
		return
	}
	counted := map[string]bool{}
	for k := range reports {
		if text := reports[k].Explain(); !counted[text] {
			counted[text] = true
			r.counted(destination, text)
		}
	}
}

// noteRecipients notes why some recipients of a message were not tried, and reports whether the message
// waits for that. It is called without mu.
func (r *run) noteRecipients(id string, indexes []int, reports []Report) (waits bool) {
	if len(indexes) == 0 {
		return false
	}
	e, err := r.acquire(id)
	if err != nil {
		return true
	}
	defer r.release(e)
	held := false
	e.View(func(m *spool.Message) { held = m.Held })
	if held {
		return false // nothing of it is to be tried
	}
	if slices.ContainsFunc(reports, func(rep Report) bool { return rep.Stuck() }) {
		r.mu.Lock()
		r.noted = append(r.noted, id)
		r.mu.Unlock()
	}
	if err := e.Note(indexes, reports, r.now()); err != nil {
		r.troubled("note why %s waits: %v", id, err)
	}
	return true
}
