package queue

import (
	"fmt"
	"time"

	"esmtpq/queue/spool"
)

// How a run relies on the due index, and what it writes into the next one.

// setup returns a text for everything that the index depends on besides the entries.
func (r *run) setup() string {
	l := &r.opt.Limits
	return fmt.Sprint(r.opt.Setup, " ", l.expire(), l.delayNotice(), l.keepFailed())
}

// beginFindings reads the index for a run that relies on it. A run for everything, or for chosen
// messages, opens the entries instead.
func (r *run) beginFindings() {
	r.findings = findings{old: &dueIndex{}, waits: map[uint64]wait{}}
	if r.q.ForgetEdited() == nil && !r.opt.All && r.opt.Select == nil {
		r.findings.old = readDueIndex(r.q, r.setup(), r.called)
	}
	r.findings.destinations = r.findings.old.destinations
}

// stillWaits reports whether there is nothing to do about line i of the index, and counts the
// message. It is called with mu held.
func (r *run) stillWaits(i int, first bool) bool {
	old := r.findings.old
	line := &old.lines[i]
	now := r.now()
	if old.disposition[i] == waitsOn && !first {
		return true // counted by this run: if it becomes due meanwhile, the next run tries it
	}
	if old.disposition[i] == over || now.Unix() >= int64(line.until) {
		return false
	}
	switch {
	case line.why == waitsOwner:
	case line.why == waitsRelease:
		r.wakeAt(time.Unix(int64(line.until), 0))
	case line.why == waitsItsTime:
		if first {
			r.count("", notDue)
		}
	default:
		t := r.destination(old.destinations[line.why])
		if !r.inBackoff(t, now) {
			return false
		}
		r.seen[line.id] = struct{}{}
		t.backoff = append(t.backoff, waiting{id: line.id, again: line.again, noted: true})
	}
	old.disposition[i] = waitsOn
	return true
}

// inBackoff reports whether this run leaves a destination alone, as far as is known now. It is
// called with mu held.
func (r *run) inBackoff(t *destination, now time.Time) bool {
	b := r.backoffs[t.name]
	return b != nil && t.idle() && t.dead == nil && r.opt.waits(b, false, now)
}

// noteBackoff notes that a message, all of which has just been given to one destination, waits
// for its identity, provided that its entry says so.
func (r *run) noteBackoff(name string, m *spool.Message, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := r.destination(name).backoff
	if len(waiting) == 0 || waiting[len(waiting)-1].id != spool.Number(m.ID) || !waiting[len(waiting)-1].noted {
		return
	}
	r.noteIdentity(name, m, now)
}

// noteRefused notes the same for a message whose pending recipients have all just been refused
// together with their destination.
func (r *run) noteRefused(name string, m *spool.Message, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.backoffs[name] != nil && !m.Held && m.Pending() {
		r.noteIdentity(name, m, now)
	}
}

// noteTried notes until when a message waits that has just been tried, and that no destination
// works on any more.
func (r *run) noteTried(e *openEntry, now time.Time) {
	e.View(func(m *spool.Message) {
		until := r.nothingUntil(m, now)
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case m.Held || !m.Pending():
			r.findings.note(m, waitsOwner, until, now)
		case m.Next.After(now):
			r.findings.note(m, waitsItsTime, until, now)
		}
	})
}

// noteIdentity notes that a message waits for its identity, with two exceptions: a message whose
// own next attempt is not due must not go along when another finds that the host works, and a
// message with a configuration of its own, which may change unnoticed. It is called with mu held.
func (r *run) noteIdentity(name string, m *spool.Message, now time.Time) {
	until := r.nothingUntil(m, now)
	if !m.Scheduled(now).IsZero() {
		delete(r.findings.waits, spool.Number(m.ID)) // both the identity and a time are to be looked at
		return
	}
	if !due(m.Next, now) {
		r.findings.note(m, waitsItsTime, until, now)
		return
	}
	if m.Envelope.Config != "" {
		return
	}
	if number, ok := r.findings.number(name); ok {
		r.findings.note(m, number, until, now)
	}
}

// nothingUntil returns the first instant at which a run has something to do about a message that
// it leaves now, provided that nobody changes the message and that its identity, if it waits for
// one, goes on waiting.
func (r *run) nothingUntil(m *spool.Message, now time.Time) time.Time {
	until := now.Add(dueIndexTrust)
	sooner := func(t time.Time) {
		if t.Before(until) {
			until = t
		}
	}
	l := &r.opt.Limits
	if m.Pending() && m.Next.After(now) && !m.Held {
		sooner(m.Next)
	}
	if at := m.Scheduled(now); !at.IsZero() {
		sooner(at)
		if ahead, ok := m.Envelope.AheadAt(now); ok && ahead.After(now) {
			sooner(ahead)
		}
		if m.Opens.After(now) {
			sooner(m.Opens)
		}
	}
	if m.Pending() && !m.DelayTold && l.delayNotice() >= 0 {
		sooner(waitingSince(m, now).Add(l.delayNotice()))
	}
	if hasUntold(m) {
		sooner(now)
	}
	if l.keepFailed() >= 0 && !m.Pending() {
		sooner(failedSince(m).Add(l.keepFailed()))
	}
	return until
}

// saveDueIndex writes what is known now for the next run. If that fails, as with a full disk, the
// next run only takes longer.
func (r *run) saveDueIndex() {
	if r.findings.changed {
		writeDueIndex(r.q, r.findings.index(), r.setup(), r.now())
	}
}
