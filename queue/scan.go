package queue

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"esmtpq/queue/spool"
)

// How a run finds what there is to do.

// rescan looks for new mail if the directory has changed since the last look. The change time is
// only a hint: the next run finds the mail that it hides.
//
// It returns false if another goroutine is looking at the moment, perhaps since before the mail
// came that the caller is to find.
func (r *run) rescan() bool {
	changed, err := r.q.Changed()
	r.mu.Lock()
	ripe := !r.ripe.IsZero() && !r.now().Before(r.ripe) // growing old enough does not change the directory
	unchanged := err == nil && r.settled && changed.Equal(r.changeTime)
	scanning, skip := r.scanning, r.ended || r.ctx.Err() != nil || unchanged && !ripe
	r.mu.Unlock()
	if !skip && !scanning {
		r.scan(false)
	}
	return skip || !scanning
}

// interrupted is the reason of messages that an interrupted run did not reach.
const interrupted = "the queue run was ended"

// scan goes through the queue once and hands messages that are to be tried to their destinations,
// which begin while the scan goes on.
func (r *run) scan(first bool) {
	r.mu.Lock()
	for r.scanning {
		r.idle.Wait()
	}
	if r.ended {
		r.mu.Unlock()
		return
	}
	r.scanning, r.ripe = true, time.Time{}
	r.mu.Unlock()
	changed, err := r.q.Changed()
	r.mu.Lock()
	// A name that comes within the same tick of the clock would not change the time any more. Any
	// other time is another one, whichever way the clock was set.
	r.changeTime, r.settled = changed, err == nil && time.Since(changed).Abs() > time.Second
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.scanning = false
		r.idle.Broadcast()
		r.mu.Unlock()
	}()

	v, err := r.q.Inventory()
	if first && err == nil && len(v.Legacy) > 0 && r.opt.Legacy != nil {
		r.opt.Legacy(v.Legacy)
		v, err = r.q.Inventory()
	}
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if first {
			r.blind = err
		} else {
			r.trouble("list queue: %v", err)
		}
		return
	}
	if first {
		r.takeStock(v)
	}
	at := 0
	for _, id := range v.IDs {
		r.mu.Lock()
		_, seen := r.seen[id]
		stop := r.ctx.Err() != nil
		if stop && first {
			r.count("", interrupted)
		}
		pass := seen || stop
		if !seen {
			var old int
			old, at = r.findings.find(id, at)
			pass = old >= 0 && r.stillWaits(old, first) || stop
		}
		r.mu.Unlock()
		if !pass {
			r.consider(id, first)
		}
	}
}

// takeStock sweeps, and reports what does not belong into the queue directory.
func (r *run) takeStock(v *spool.Inventory) {
	if r.opt.Keeper != nil {
		r.q.EachSent(v, r.recoverCopy)
	}
	err := r.q.Sweep(v)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.trouble("remove what a dead submission left: %v", err)
	}
	if len(v.Foreign) > 0 {
		r.trouble("%s: skipped", r.q.Foreign(v.Foreign))
	}
}

// consider decides what this run does about an entry that it has not seen before. It is called
// without mu.
func (r *run) consider(number uint64, first bool) {
	id := spool.IDText(number)
	m, err := r.q.ReadWith(&r.envelope, id)
	if errors.Is(err, fs.ErrNotExist) && r.q.SweepEmpty(id) {
		return
	}
	now := r.now()
	if err == nil && !first && r.tooYoung(m, now) {
		return
	}
	r.mu.Lock()
	r.seen[number] = struct{}{}
	if err == nil {
		r.usable(id)
	} else if r.opt.Select == nil || r.opt.Select(stub(id)) {
		r.unusable(id, "", err)
	}
	r.mu.Unlock()
	if err != nil || r.opt.Select != nil && !r.opt.Select(m) && (first || !m.Envelope.Notice) {
		return
	}
	r.imposed(m)
	if r.opt.Observer != nil && m.Foreign == "" && !m.Held && untried(m) {
		r.opt.Observer.Found(m)
	}
	switch r.judge(m, now) {
	case toSweep:
		r.sweepDone(id)
	case toTry:
		r.dispatch(m, now)
	}
}

// These are what a run is to do about an entry.
type verdict byte

const (
	toLeave verdict = iota
	toSweep
	toTry
)

// judge decides what to do about a message that this run is for, and counts or notes a message
// that is left.
func (r *run) judge(m *spool.Message, now time.Time) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	notable := r.notable(m, now)
	if notable {
		r.noted = append(r.noted, m.ID)
	}
	switch {
	case m.Served():
		return toSweep
	case m.Held || !m.Pending():
		if r.opt.Select != nil && m.Held {
			r.sum.Held = append(r.sum.Held, m.ID)
		} else if r.opt.Select != nil {
			r.sum.Refused = append(r.sum.Refused, m.ID)
		}
		if !notable {
			r.findings.note(m, waitsOwner, r.nothingUntil(m, now), now)
		}
	case !r.opt.Early && !m.Envelope.ReleaseAt(now).IsZero() && !r.mayGoAhead(m, now):
		r.schedule(m, m.Envelope.ReleaseAt(now), now)
	case r.opt.All && r.triedMeanwhile(m.Last, now):
		r.leave(m)
	case !r.opt.All && !due(m.Next, now):
		r.leave(m)
		r.findings.note(m, waitsItsTime, r.nothingUntil(m, now), now)
	default:
		return toTry
	}
	return toLeave
}

// notable reports whether the owner may have to be told of a message before this run ends. A
// message that fails in this run is noted then.
func (r *run) notable(m *spool.Message, now time.Time) bool {
	l := &r.opt.Limits
	return !m.DelayTold && m.Pending() && m.Scheduled(now).IsZero() && (late(waitingSince(m, now), now, l.delayNotice()) || stuck(m)) ||
		hasUntold(m) || l.forgotten(m, now)
}

// tooYoung reports whether an entry that has arrived meanwhile is left to the process that its
// submission has started, and notes when the entry will be old enough.
func (r *run) tooYoung(m *spool.Message, now time.Time) bool {
	if m.Envelope.Notice || !untried(m) || now.Sub(m.Envelope.Arrival) >= r.opt.Age || m.Envelope.Arrival.After(now) {
		return false
	}
	until := m.Envelope.Arrival.Add(r.opt.Age)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ripe.IsZero() || until.Before(r.ripe) {
		r.ripe = until
	}
	return true
}

// untried reports whether a message is new: neither tried nor refused together with others.
func untried(m *spool.Message) bool {
	return m.Last.IsZero() && !slices.ContainsFunc(m.Progress, func(p spool.Progress) bool {
		return p.State != spool.Untried && p.State != spool.Refused
	})
}

// triedMeanwhile reports whether the run that this one had to wait for made an attempt. Times are
// recorded in seconds. A time in the future comes from a clock that has been set back since.
func (r *run) triedMeanwhile(last, now time.Time) bool {
	return r.waited && !last.Before(r.called.Truncate(time.Second)) && !last.After(now)
}

// sweepDone completes the removal of an entry whose recipients are all served.
func (r *run) sweepDone(id string) {
	e, err := r.q.OpenEntry(id)
	if err != nil {
		return // another process works on it
	}
	defer e.Close()
	r.recoverCopy(e.Message(), e.Content)
	if err := e.Remove(); err != nil {
		r.troubled("remove %s, which has been sent: %v", id, err)
	}
}
