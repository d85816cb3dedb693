package queue

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"esmtpq/queue/spool"
)

// How a run takes the reports of its transports.

// maxUnsure is how often a message may be possibly delivered: then it is held, and its owner
// decides.
const maxUnsure = 3

// A part is what was reported of one delivery at a time.
type part struct {
	*Delivery
	which   []int // indexes into Recipients
	reports []Report
}

// Sending implements Source.
func (t *destination) Sending(d *Delivery, recipients []int) error {
	indexes := d.draw.indexes
	if recipients != nil {
		indexes = make([]int, len(recipients))
		for k, i := range recipients {
			indexes[k] = d.draw.indexes[i]
		}
	}
	err := d.draw.entry.Sending(indexes)
	if err != nil {
		t.stop(err)
	}
	return err
}

// stop ends a destination whose progress cannot be recorded.
func (t *destination) stop(err error) {
	t.run.mu.Lock()
	defer t.run.mu.Unlock()
	t.stopped = true
	t.run.trouble("%v: sending stopped", err)
}

// Record implements Source.
func (t *destination) Record(outcomes []Outcome) error {
	now := time.Now()
	parts := t.parts(outcomes)
	attempts := make([]spool.Attempt, len(parts))
	for i := range parts {
		p := &parts[i]
		p.reports = t.giveUp(p, now)
		attempts[i] = t.attempt(p, now)
	}
	var first error
	for i, err := range t.run.q.RecordAll(attempts, now) {
		if err != nil {
			t.stop(err)
			first = cmp.Or(first, err)
		}
		t.settle(&parts[i], err, now)
	}
	return first
}

// parts puts together what outcomes say of each delivery. What was reported before does not count.
func (t *destination) parts(outcomes []Outcome) []part {
	t.run.mu.Lock()
	defer t.run.mu.Unlock()
	parts := make([]part, 0, len(outcomes))
	for _, o := range outcomes {
		at := slices.IndexFunc(parts, func(p part) bool { return p.Delivery == o.Delivery })
		if at < 0 {
			at = len(parts)
			parts = append(parts, part{Delivery: o.Delivery})
		}
		p := &parts[at]
		for k := range o.Reports {
			i := k
			if o.Recipients != nil {
				i = o.Recipients[k]
			}
			if w := p.draw; w.left > 0 && !w.reported[i] {
				w.reported[i] = true
				p.which, p.reports = append(p.which, i), append(p.reports, o.Reports[k])
			}
		}
	}
	return slices.DeleteFunc(parts, func(p part) bool { return len(p.which) == 0 })
}

// attempt returns what is to be recorded of a part. Where an attempt fails for the message's own
// sake, that puts the message off, once.
func (t *destination) attempt(p *part, now time.Time) spool.Attempt {
	a := spool.Attempt{Entry: p.draw.entry.Entry, Recipients: make([]int, len(p.which)), Reports: p.reports}
	for k, i := range p.which {
		a.Recipients[k] = p.draw.indexes[i]
	}
	own := func(r Report) bool { return r.Action == Delayed && r.Scope != ScopeIdentity }
	if slices.ContainsFunc(p.reports, own) {
		t.run.mu.Lock()
		if !p.draw.charged {
			a.Next = nextAttempt(p.Envelope.Arrival, now)
		}
		p.draw.charged = true
		t.run.mu.Unlock()
	}
	return a
}

// giveUp returns the reports of a part, with failures in place of delays if the message has been
// tried for long enough. Trouble of its identity is never the message's.
func (t *destination) giveUp(p *part, now time.Time) []Report {
	if !t.run.opt.Limits.expired(p.draw.attempts, p.Envelope.Arrival, now) {
		return p.reports
	}
	p.draw.entry.View(func(m *spool.Message) {
		for k, i := range p.which {
			r := &p.reports[k]
			if r.Action != Delayed || r.Scope == ScopeIdentity {
				continue
			}
			if r.Unsure || m.Progress[p.draw.indexes[i]].State == spool.Unsure {
				r.Text, r.Unsure = fmt.Sprintf("possibly delivered: %s", r.Text), false
			}
			r.Action = Failed
		}
	})
	return p.reports
}

// settle takes a part into account that has been recorded, or could not be.
func (t *destination) settle(p *part, err error, now time.Time) {
	r, e := t.run, p.draw.entry
	if slices.ContainsFunc(p.reports, func(rep Report) bool { return rep.Unsure }) && r.tooUnsure(e.unsure(p)) {
		r.hold(e)
	}
	r.mu.Lock()
	t.tally(p, err, now)
	p.draw.left -= len(p.which)
	whole := p.draw.left == 0
	if whole {
		delete(t.out, p.Delivery)
	}
	last := whole && e.use == 1 && err == nil && !e.Served()
	r.mu.Unlock()
	if last {
		r.noteTried(e, now)
	}
	if whole {
		r.release(e)
	}
}

// unsure returns how often what a part is about was possibly delivered.
func (e *openEntry) unsure(p *part) (most int) {
	e.View(func(m *spool.Message) {
		for _, i := range p.which {
			if at := &m.Progress[p.draw.indexes[i]]; at.State == spool.Unsure {
				most = max(most, at.Unsure)
			}
		}
	})
	return most
}

// tooUnsure reports whether a message that was possibly delivered so often is to be held.
func (r *run) tooUnsure(often int) bool { return r.opt.HoldUnsure || often >= maxUnsure }

// hold holds an entry that was possibly delivered.
func (r *run) hold(e *openEntry) {
	if err := e.HoldUnsure(); err != nil {
		r.troubled("%v", err)
	}
}

// tally adds a part to the summary and to what is known of the identity. It is called with mu held.
func (t *destination) tally(p *part, err error, now time.Time) {
	r := t.run
	if err != nil {
		r.count(t.name, "its progress could not be recorded")
	}
	var delayed *Report
	for k := range p.reports {
		rep, i := &p.reports[k], p.which[k]
		switch rep.Action {
		case Relayed, Delivered:
			r.sum.Done++
		case Failed:
			r.sum.Failed = append(r.sum.Failed, Failure{p.ID, p.draw.indexes[i], p.Recipients[i].Address, *rep})
			r.noted = append(r.noted, p.ID)
		case Delayed:
			if delayed == nil || delayed.Scope != ScopeIdentity {
				delayed = rep
			}
		}
	}
	if delayed != nil && !p.draw.counted {
		p.draw.counted = true
		r.count(t.name, delayed.Explain())
	}
	if delayed != nil && delayed.Scope == ScopeIdentity {
		dead := *delayed
		dead.Unsure = false // that is this message's alone
		t.dead = &dead
		r.backoffs.failed(t.name, dead, now)
		r.changed = true
	} else if _, ok := r.backoffs[t.name]; ok && slices.ContainsFunc(p.reports, proves) {
		delete(r.backoffs, t.name)
		r.changed = true
	}
}

// proves reports whether a report shows that the identity works: the message got as far as being
// decided about.
func proves(r Report) bool { return r.Action != Delayed || r.Code != 0 }
