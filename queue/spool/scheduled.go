package spool

import (
	"os"
	"time"
)

// maxSetBack is how far a clock may be set back, as by NTP, before the time in which a message can be
// taken back counts as over: nobody means to wait for that a second time.
const maxSetBack = time.Minute

// ReleaseAt returns the time before which the message is not to be sent, if that is still to come;
// else the zero time. A time that its submitter has named holds by the clock of the wall, however it
// has been set since.
func (e *Envelope) ReleaseAt(now time.Time) time.Time {
	at := e.graceEnd(now)
	if e.NotBefore.After(now) && e.NotBefore.After(at) {
		at = e.NotBefore
	}
	return at
}

// AheadAt returns when the message, which is to be sent at a time that is still to come, may be handed
// to a host that keeps it until then: not while it can be taken back. ok is false where it has no such
// time.
func (e *Envelope) AheadAt(now time.Time) (at time.Time, ok bool) {
	if !e.NotBefore.After(now) {
		return at, false
	}
	if at = e.graceEnd(now); at.IsZero() {
		at = now
	}
	return at, at.Before(e.NotBefore)
}

// graceEnd returns until when the message can be taken back; the zero time if it cannot.
func (e *Envelope) graceEnd(now time.Time) (at time.Time) {
	if grace := time.Duration(min(e.Grace, maxGrace)) * time.Second; grace > 0 {
		until := e.Arrival.Add(grace)
		if left := until.Sub(now); left > 0 && left <= grace+maxSetBack {
			at = until
		}
	}
	return at
}

// maxGrace bounds what an envelope may say, in seconds.
const maxGrace = 366 * 24 * 3600

// Scheduled returns until when the message waits for its time: the one that its submitter has named, or
// the send window of its identity. It is zero if it waits for neither.
func (m *Message) Scheduled(now time.Time) time.Time {
	if m.Held || !m.Pending() {
		return time.Time{}
	}
	at := m.Envelope.ReleaseAt(now)
	if m.Opens.After(at) && m.Opens.After(now) {
		at = m.Opens
	}
	return at
}

// ScheduledText says until when the message waits for its time, and what for; "" if it does not.
func (m *Message) ScheduledText(now time.Time, stamp func(time.Time) string) string {
	at := m.Scheduled(now)
	switch {
	case at.IsZero():
		return ""
	case at.Equal(m.Envelope.NotBefore):
		return "to be sent " + stamp(at)
	case at.Equal(m.Opens):
		return "outside of the send window, which opens " + stamp(at)
	}
	return "held back until " + stamp(at) + ": esmtpq rm " + m.ID + " takes it back"
}

// Released returns when the message was free to go, by what its envelope says and the window of its
// identity; its arrival if that was at once.
func (m *Message) Released(now time.Time) time.Time {
	at := m.Envelope.Arrival
	for _, t := range [...]time.Time{m.Envelope.NotBefore, m.Opens} {
		if t.After(at) && !t.After(now) {
			at = t
		}
	}
	return at
}

// SetOpens records when the send window of the message's identity opens, or when a host may take the
// message ahead of its time; zero if that is now.
func (e *Entry) SetOpens(at time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.msg.Opens = at
	return e.writeMessageLine()
}

// The file of the schedule has the time at which the next message is to be sent that waits for it. The
// process that waits for that holds the lock of another file.
const (
	scheduleFile = ".schedule"
	alarmFile    = ".alarm"
)

// SetSchedule notes when the next message is to be sent; zero if none waits for its time. Only the run
// that has the lock calls it.
func (q *Queue) SetSchedule(at time.Time) error {
	if !at.IsZero() {
		at = at.Add(time.Second - 1).Truncate(time.Second)
	}
	if q.Schedule().Equal(at) {
		return nil
	}
	if at.IsZero() {
		return q.RemoveCache(scheduleFile)
	}
	b := appendNumber(nil, "", at.Unix())
	return q.ReplaceCache(scheduleFile, append(b, '\n'))
}

// Schedule returns what SetSchedule has noted, in whole seconds.
func (q *Queue) Schedule() time.Time {
	f, err := q.OpenCache(scheduleFile)
	if err != nil {
		return time.Time{}
	}
	defer f.Close()
	var b [20]byte
	n, _ := f.Read(b[:])
	s := &scanner{b: b[:n]}
	if at := s.number(); !s.lost {
		return timeOf(at)
	}
	return time.Time{}
}

// TryAlarm takes the lock of the one process that waits for the time of scheduled mail; nil if another
// one has it.
func (q *Queue) TryAlarm() *os.File {
	f, err := q.openLock(alarmFile)
	if err != nil {
		return nil
	}
	if tryLock(f) != nil {
		f.Close()
		return nil
	}
	return f
}
