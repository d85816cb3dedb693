package queue

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"esmtpq/queue/spool"
)

// How a run takes the reports of its transports.

// maxUnsure is how often a message may be possibly delivered before it is held and its owner
// decides.
const maxUnsure = 3

// A part is what was reported of one delivery at one time.
type part struct {
	*Delivery
	which   []int // indexes into Recipients; nil: all of them, in order
	reports []Report
	session Session
}

// recipient returns the index of the recipient that report k is for.
func (p *part) recipient(k int) int {
	if p.which == nil {
		return k
	}
	return p.which[k]
}

// Sending implements Source.
func (t *destination) Sending(d *Delivery, recipients []int) error {
	err := d.draw.entry.Sending(d.draw.some(recipients))
	if err != nil {
		t.stop(err)
	}
	return err
}

// some returns the indexes in the envelope of some recipients of a delivery; nil stands for all.
func (w *draw) some(which []int) []int {
	if which == nil {
		return w.indexes
	}
	indexes := make([]int, len(which))
	for k, i := range which {
		indexes[k] = w.indexes[i]
	}
	return indexes
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
	now := t.run.now()
	parts := t.parts(outcomes)
	attempts := make([]spool.Attempt, len(parts))
	for i := range parts {
		p := &parts[i]
		p.reports = t.damaged(p)
		p.reports = t.giveUp(p, now)
		p.reports = t.thread(p, now)
		attempts[i] = t.attempt(p, now)
	}
	var trials []Trial
	if t.run.opt.Observer != nil {
		trials = t.trials(parts, now)
		t.run.opt.Observer.Tried(trials)
	}
	var first error
	errs := t.run.q.RecordAll(attempts, now)
	for i := range trials {
		trials[i].Served = errs[i] == nil && parts[i].draw.entry.Served()
	}
	if trials != nil {
		t.run.opt.Observer.Recorded(trials)
	}
	for i, err := range errs {
		if err != nil {
			t.stop(err)
			first = cmp.Or(first, err)
		}
		t.settle(&parts[i], err, now)
	}
	return first
}

// parts collects what outcomes report of each delivery. Recipients that were reported before are
// ignored.
func (t *destination) parts(outcomes []Outcome) []part {
	t.run.mu.Lock()
	defer t.run.mu.Unlock()
	parts := make([]part, 0, len(outcomes))
	for _, o := range outcomes {
		switch w := o.Delivery.draw; {
		case w.open == 0:
		case o.Recipients == nil && w.open == len(w.indexes):
			w.open = 0
			parts = append(parts, part{Delivery: o.Delivery, reports: o.Reports, session: o.Session})
		default:
			parts = addPart(parts, o)
		}
	}
	return slices.DeleteFunc(parts, func(p part) bool { return len(p.reports) == 0 })
}

// addPart adds an outcome of some recipients to what there is of its delivery.
func addPart(parts []part, o Outcome) []part {
	at := slices.IndexFunc(parts, func(p part) bool { return p.Delivery == o.Delivery })
	if at < 0 {
		at = len(parts)
		parts = append(parts, part{Delivery: o.Delivery, which: []int{}, session: o.Session})
	}
	p, w := &parts[at], o.Delivery.draw
	if w.reported == nil {
		w.reported = make([]bool, len(w.indexes))
	}
	for k := range o.Reports {
		i := k
		if o.Recipients != nil {
			i = o.Recipients[k]
		}
		if !w.reported[i] {
			w.reported[i] = true
			w.open--
			p.which, p.reports = append(p.which, i), append(p.reports, o.Reports[k])
		}
	}
	return parts
}

// attempt returns what is to be recorded of a part. An attempt that fails for the message's own
// sake puts the message off, once.
func (t *destination) attempt(p *part, now time.Time) spool.Attempt {
	a := spool.Attempt{Entry: p.draw.entry.Entry, Recipients: p.draw.some(p.which), Reports: p.reports}
	own := func(r Report) bool { return r.Action == Delayed && r.Scope != ScopeIdentity && r.Until.IsZero() }
	if slices.ContainsFunc(p.reports, own) {
		t.run.mu.Lock()
		if !p.draw.charged {
			a.Next = nextAttempt(p.draw.first, now)
		}
		p.draw.charged = true
		t.run.mu.Unlock()
	}
	return a
}

// giveUp returns the reports of a part, with failures in place of delays if the message has been
// tried for long enough. Trouble of the identity never counts for that.
func (t *destination) giveUp(p *part, now time.Time) []Report {
	if !p.draw.lastChance {
		return p.reports
	}
	reports := slices.Clone(p.reports) // they may be the transport's
	p.draw.entry.View(func(m *spool.Message) {
		for k := range reports {
			r := &reports[k]
			if r.Action != Delayed || r.Scope == ScopeIdentity || !r.Until.IsZero() {
				continue
			}
			if r.Unsure || m.Progress[p.draw.indexes[p.recipient(k)]].State == spool.Unsure {
				r.Text, r.Unsure = fmt.Sprintf("possibly delivered: %s", r.Text), false
			}
			r.Action = Failed
		}
	})
	return reports
}

// settle takes into account a part that has been recorded, or could not be.
func (t *destination) settle(p *part, err error, now time.Time) {
	r, e := t.run, p.draw.entry
	if slices.ContainsFunc(p.reports, func(rep Report) bool { return rep.Unsure }) && r.tooUnsure(e.unsure(p)) {
		r.hold(e)
	}
	until := notYetUntil(p.reports)
	if !until.IsZero() && err == nil {
		r.putOff(e, until, now)
	}
	r.mu.Lock()
	t.tally(p, err, now)
	p.draw.left -= len(p.reports)
	whole := p.draw.left == 0
	if whole {
		delete(t.out, p.Delivery)
	}
	if whole && e.use == 1 {
		r.stands.Messages, r.stands.Octets = r.stands.Messages+1, r.stands.Octets+p.Envelope.Size
	}
	if whole && e.Served() {
		delete(r.early, p.ID)
	}
	last := whole && e.use == 1 && err == nil && !e.Served()
	if err == nil && slices.ContainsFunc(p.reports, func(rep Report) bool { return rep.Action == Relayed }) {
		t.wantCopy(e, false)
	}
	r.mu.Unlock()
	if whole && !e.Served() {
		r.keepCopy(e)
	}
	if last && until.IsZero() {
		r.noteTried(e, now)
	}
	if whole {
		r.release(e)
	}
}

// unsure returns how often the message was possibly delivered to the recipients of a part, at
// most.
func (e *openEntry) unsure(p *part) (most int) {
	e.View(func(m *spool.Message) {
		for k := range p.reports {
			if at := &m.Progress[p.draw.indexes[p.recipient(k)]]; at.State == spool.Unsure {
				most = max(most, at.Unsure)
			}
		}
	})
	return most
}

// tooUnsure reports whether a message that was possibly delivered this often is to be held.
func (r *run) tooUnsure(often int) bool { return r.opt.HoldUnsure || often >= maxUnsure }

// hold holds an entry that was possibly delivered.
func (r *run) hold(e *openEntry) {
	if err := e.HoldUnsure(); err != nil {
		r.troubled("%v", err)
	} else if r.opt.Observer != nil {
		e.View(r.opt.Observer.Held)
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
		rep, i := &p.reports[k], p.recipient(k)
		switch rep.Action {
		case Relayed, Delivered:
			r.sum.Done++
		case Failed:
			r.sum.Failed = append(r.sum.Failed, Failure{p.ID, p.draw.indexes[i], p.Recipients[i].Address, *rep})
			r.noted = append(r.noted, p.ID)
		case Delayed:
			if !rep.Until.IsZero() {
				continue
			}
			if delayed == nil || delayed.Scope != ScopeIdentity {
				delayed = rep
			}
		}
	}
	if delayed != nil && delayed.Stuck() {
		r.noted = append(r.noted, p.ID)
	}
	if delayed != nil && !p.draw.counted {
		p.draw.counted = true
		t.countDelayed(p, delayed)
	}
	if delayed != nil && delayed.Scope == ScopeIdentity {
		dead := *delayed
		dead.Unsure = false // that is only so for this message
		t.dead = &dead
		_, waited := r.backoffs[t.name]
		b := r.backoffs.failed(t.name, dead, now, r.opt.NewNetwork)
		if r.opt.Observer != nil {
			r.opt.Observer.Suspended(t.name, &dead, !waited)
		}
		b.Cure = r.cure(b, t.name)
		r.changed = true
	} else if _, ok := r.backoffs[t.name]; ok && slices.ContainsFunc(p.reports, proves) {
		delete(r.backoffs, t.name)
		r.changed = true
		if r.opt.Observer != nil {
			r.opt.Observer.Recovered(t.name)
		}
	}
}

// countDelayed counts a message that was tried in vain. Where its identity was in trouble it may get another
// chance, unless it is possibly delivered; then it counts at the end of the run. It is called with mu
// held.
func (t *destination) countDelayed(p *part, why *Report) {
	r := t.run
	if why.Scope == ScopeIdentity && !slices.ContainsFunc(p.reports, func(rep Report) bool { return rep.Unsure }) {
		t.backoff = append(t.backoff, waiting{id: spool.Number(p.ID), again: p.draw.again, noted: true})
		return
	}
	r.count(t.name, why.Explain())
	if why.Scope == ScopeIdentity {
		r.block(t.name, p.ID)
	}
}

// proves reports whether a report shows that the identity works: the host has decided about the
// message.
func proves(r Report) bool { return r.Action != Delayed || r.Code != 0 }
