package queue

import (
	"fmt"
	"os"
	"time"

	"esmtpq/queue/spool"
)

// How a run relies on the agenda, and what it writes into the next one.

// setup stands for all that the agenda depends on beside the entries.
func (r *run) setup() string {
	l := &r.opt.Limits
	return fmt.Sprint(r.opt.Setup, " ", l.expire(), l.delayNotice(), l.keepFailed())
}

// beginNotes reads the agenda, for a run that relies on it: one for everything, or for some messages, opens them.
func (r *run) beginNotes() {
	r.notes = notes{old: &agenda{}, rests: map[uint64]rest{}}
	if r.q.ForgetEdited() == nil && !r.opt.All && r.opt.Select == nil {
		r.notes.old = readAgenda(r.q, r.setup(), r.called)
	}
	r.notes.lanes = r.notes.old.lanes
}

// rests tells whether there is nothing to do about entry i of the agenda, and counts it. Called with mu held.
func (r *run) rests(i int, first bool) bool {
	n := &r.notes
	line := &n.old.lines[i]
	now := time.Now()
	if n.old.fate[i] == fateKept && !first {
		return true // counted by this run: what becomes due meanwhile is for the next
	}
	if n.old.fate[i] == fateOver || now.Unix() >= int64(line.until) {
		return false
	}
	switch {
	case line.lane == restIdle:
	case line.lane == restLater:
		if first {
			r.count("", notDue)
		}
	default:
		if !r.parks(n.old.lanes[line.lane], now) {
			return false
		}
		r.seen[line.id] = struct{}{}
		l := r.laneOf(n.old.lanes[line.lane])
		l.parked = append(l.parked, waiting{id: line.id, again: line.again, noted: true})
	}
	n.old.fate[i] = fateKept
	return true
}

// parks tells whether a lane is left alone by this run, for all that it knows now.
func (r *run) parks(name string, now time.Time) bool {
	p := r.parked[name]
	return p != nil && r.laneOf(name).idle() && r.laneOf(name).dead == nil && p.waits(false, r.opt.Mended, now)
}

// rest notes that nothing is to be done about a message until something changes. Called with mu held.
func (r *run) rest(m *spool.Message, lane int16, now time.Time) {
	until := r.nothingUntil(m, now)
	if until.After(now) {
		r.notes.keep(spool.Number(m.ID), rest{until: uint32(until.Unix()), lane: lane, again: m.Attempts > 0})
	}
}

// restParked notes the same for a message all of which has just been given to one lane, if it waits there with its
// identity, as stands in the entry. A configuration of its own may change unnoticed.
func (r *run) restParked(name string, m *spool.Message, now time.Time) {
	waiting := r.lanes[name].parked
	if len(waiting) == 0 || waiting[len(waiting)-1].id != spool.Number(m.ID) || !waiting[len(waiting)-1].noted {
		return
	}
	r.restOn(name, m, now)
}

// restRefused notes the same for a message of which all that is pending has just been refused together with its lane.
func (r *run) restRefused(name string, m *spool.Message, now time.Time) {
	if r.parked[name] != nil && !m.Held && m.Pending() {
		r.restOn(name, m, now)
	}
}

// restTried notes the same for a message that has just been tried, and that no lane works on any more.
func (r *run) restTried(e *openEntry, now time.Time) {
	e.View(func(m *spool.Message) {
		switch {
		case m.Held || !m.Pending():
			r.rest(m, restIdle, now)
		case m.Next.After(now):
			r.rest(m, restLater, now)
		}
	})
}

// restOn notes that a message waits for its identity; but one whose own next attempt is not due is not to go along
// when another finds the host.
func (r *run) restOn(name string, m *spool.Message, now time.Time) {
	if !due(m.Next, now) {
		r.rest(m, restLater, now)
		return
	}
	if lane, ok := r.notes.lane(name); ok && m.Envelope.Config == "" {
		r.rest(m, lane, now)
	}
}

// nothingUntil returns the first instant at which a run has something to do about a message that it leaves now, while
// nobody changes it and its identity, if it waits for that, stays out of order.
func (r *run) nothingUntil(m *spool.Message, now time.Time) time.Time {
	until := now.Add(agendaTrust)
	sooner := func(t time.Time) {
		if t.Before(until) {
			until = t
		}
	}
	l := &r.opt.Limits
	if m.Pending() && m.Next.After(now) && !m.Held {
		sooner(m.Next)
	}
	if m.Pending() && !m.DelayTold && l.delayNotice() >= 0 {
		sooner(m.Envelope.Arrival.Add(l.delayNotice()))
	}
	if hasUntold(m) {
		sooner(now)
	}
	if l.keepFailed() >= 0 && !m.Pending() {
		sooner(failedSince(m).Add(l.keepFailed()))
	}
	return until
}

// disturb notes that an entry is about to be changed by this run. The old agenda goes: if this process dies, it would
// tell of a state that is past. Called with mu held.
func (r *run) disturb(id string) {
	if !r.notes.gone {
		os.Remove(r.q.Dir + "/" + agendaFile)
		r.notes.gone = true
	}
	r.notes.changed = true
	r.notes.forget(spool.Number(id))
}

// saveAgenda writes what is known now for the next run. Where that fails, be it for a full disk, the next run
// takes longer, and that is all.
func (r *run) saveAgenda() {
	if r.notes.changed {
		writeAgenda(r.q, r.notes.agenda(), r.setup(), time.Now())
	}
}
