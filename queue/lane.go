package queue

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// A lane is the mail of one queue run that goes over one transport, in the
// order of its arrival: first what has no failed attempt of its own, so that a message which the host
// does not get along with stands in nobody's way. It is the Source of that transport.
type lane struct {
	run     *run
	name    string
	ids     []uint64  // still to be drawn, by number
	again   []uint64  // to be drawn behind those: it has failed before
	parked  []waiting // found by a scan, waiting for a reason to try the identity
	why     *Progress // the reason for that, as it stands in an entry
	working bool
	begun   bool    // it has worked
	drawn   int     // how often something was taken from ids
	dead    *Report // why nothing more of it can go out in this run
	stopped bool    // progress could not be recorded
	parts   map[*Delivery][]Report
}

// waiting is a message that waits for its identity.
type waiting struct {
	id    uint64
	again bool // it has failed by itself before
	noted bool // that reason stands in its entry already
}

// add adds a message to what is to be drawn.
func (l *lane) add(id uint64, again bool) {
	if again {
		l.again = append(l.again, id)
	} else {
		l.ids = append(l.ids, id)
	}
}

// left returns how many messages are still to be drawn.
func (l *lane) left() int { return len(l.ids) + len(l.again) }

// idle tells whether nothing of the lane has been given to its transport in this run.
func (l *lane) idle() bool { return !l.working && !l.begun }

// work runs the transport until nothing is left to draw.
func (l *lane) work() {
	r := l.run
	r.mu.Lock()
	defer r.mu.Unlock()
	l.begun = true
	for l.left() > 0 && l.dead == nil && !l.stopped {
		before := l.drawn
		r.mu.Unlock()
		r.router.Transport(l.name).Run(r.ctx, l)
		r.mu.Lock()
		if l.drawn == before {
			break // it will not draw
		}
	}
	for _, id := range slices.Concat(l.ids, l.again) {
		switch {
		case l.dead != nil:
			r.refuse(idText(id), l.name, *l.dead)
		case l.stopped:
			r.count(l.name, "not tried: progress can no longer be recorded")
		default:
			r.count(l.name, interrupted) // what is known of them is worth more than that
		}
	}
	l.ids, l.again, l.working = nil, nil, false
	r.busy--
	r.idle.Broadcast()
}

// Next returns the next delivery. It looks for new mail before it says that there is none.
func (l *lane) Next(bool) *Delivery {
	r := l.run
	looked := false
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.ctx.Err() == nil && !l.stopped && l.dead == nil {
		if len(l.ids) > 0 {
			id := l.ids[0]
			l.ids = l.ids[1:]
			l.drawn++
			if d := l.draw(idText(id)); d != nil {
				return d
			}
			continue
		}
		if r.scanning {
			r.idle.Wait()
			continue
		}
		if len(l.again) > 0 {
			l.ids, l.again = l.again, nil
			continue
		}
		if looked {
			break
		}
		looked = true
		r.mu.Unlock()
		r.rescan()
		r.mu.Lock()
	}
	return nil
}

// Backlog implements Backlogger.
func (l *lane) Backlog() int {
	l.run.mu.Lock()
	defer l.run.mu.Unlock()
	return l.left()
}

// Wait implements Waiter. What is waited for is mail that is in the queue already and still too young
// for this run: submissions go on, and it may be of this lane.
func (l *lane) Wait(ctx context.Context, limit time.Duration) bool {
	r := l.run
	r.mu.Lock()
	ripe, stopped := r.ripe, l.stopped || l.dead != nil
	r.mu.Unlock()
	wait := time.Until(ripe)
	if ripe.IsZero() || stopped || wait > limit {
		return false
	}
	pause := time.NewTimer(wait)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-pause.C:
	}
	r.rescan()
	return l.Backlog() > 0
}

// draw makes a delivery of an entry. It returns nil where there is nothing (more) to deliver. Called
// with the run's mu held, which it lets go of while it reads.
func (l *lane) draw(id string) *Delivery {
	r := l.run
	e, err := r.acquire(id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // its owner has removed it
	case errors.Is(err, errLocked):
		r.count(l.name, "another command works on it")
		return nil
	case err != nil:
		r.unusable(id, l.name, err)
		return nil
	}
	if r.opt.HoldUnsure && e.cutOff {
		r.hold(e)
	}
	if e.msg.Held {
		r.release(e)
		return nil
	}
	d := l.delivery(e)
	if len(d.Recipients) == 0 {
		r.release(e)
		return nil
	}
	// A slow disk is not to keep other lanes waiting.
	r.mu.Unlock()
	d.Content, err = r.q.contentFor(e.msg, d.sender)
	r.mu.Lock()
	if err != nil {
		r.unusable(id, l.name, err)
		r.release(e)
		return nil
	}
	return d
}

// delivery collects the recipients of an entry that this lane is to try.
func (l *lane) delivery(e *entry) *Delivery {
	d := &Delivery{ID: e.msg.ID, Envelope: &e.msg.Envelope, entry: e}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, rcpt := range e.msg.Envelope.Recipients {
		if !e.msg.Progress[i].State.Pending() {
			continue
		}
		route, err := l.run.router.Route(&e.msg.Envelope, rcpt)
		if err != nil || route.Lane != l.name {
			continue
		}
		rcpt.Address = route.Address
		d.ReversePath, d.sender = route.ReversePath, route.Sender
		d.Recipients = append(d.Recipients, rcpt)
		d.indexes = append(d.indexes, i)
	}
	return d
}

// Sending implements Source.
func (l *lane) Sending(d *Delivery, _ []int) error {
	err := d.entry.sending(d.indexes)
	if err != nil {
		l.stop(err)
	}
	return err
}

// stop ends a lane whose progress cannot be recorded.
func (l *lane) stop(err error) {
	l.run.mu.Lock()
	defer l.run.mu.Unlock()
	l.stopped = true
	l.run.trouble("%v: sending stopped", err)
}

// Record implements Source (provisional: parts are kept until they are whole).
func (l *lane) Record(all []Outcome) error {
	var whole []Outcome
	for _, o := range all {
		d := o.Delivery
		if o.Recipients == nil {
			whole = append(whole, o)
			continue
		}
		if l.parts == nil {
			l.parts = map[*Delivery][]Report{}
		}
		if l.parts[d] == nil {
			l.parts[d] = make([]Report, len(d.Recipients))
		}
		for k, i := range o.Recipients {
			l.parts[d][i] = o.Reports[k]
		}
		if !slices.ContainsFunc(l.parts[d], func(r Report) bool { return r.Action == "" }) {
			whole = append(whole, Outcome{Delivery: d, Reports: l.parts[d]})
		}
	}
	if len(whole) == 0 {
		return nil
	}
	return l.DoneAll(whole)
}

// DoneAll implements Batcher.
func (l *lane) DoneAll(all []Outcome) error {
	now := time.Now()
	all = slices.Clone(all) // they are the transport's
	for i := range all {
		all[i].Reports = l.giveUp(all[i].Delivery, all[i].Reports, now)
	}
	errs := l.run.q.recordAll(all, now)
	r := l.run
	var first error
	for i, err := range errs {
		if err != nil {
			l.stop(err)
			first = cmp.Or(first, err)
		}
		r.mu.Lock()
		l.settle(all[i], err, now)
		r.mu.Unlock()
	}
	return first
}

// settle takes an outcome into account that has been recorded, or could not be. Called with mu held.
func (l *lane) settle(o Outcome, err error, now time.Time) {
	r := l.run
	if err != nil {
		r.count(l.name, "its progress could not be recorded")
	}
	l.tally(o.Delivery, o.Reports, now)
	if r.opt.HoldUnsure && slices.ContainsFunc(o.Reports, func(rep Report) bool { return rep.Unsure }) {
		r.hold(o.Delivery.entry)
	}
	if e := o.Delivery.entry; err == nil && e.use == 1 && !e.served {
		r.restTried(e, now)
	}
	r.release(o.Delivery.entry)
}

// hold holds an entry that was possibly delivered.
func (r *run) hold(e *entry) {
	if err := e.holdUnsure(); err != nil {
		r.trouble("%v", err)
	}
}

// tally adds reports to the summary and to what is known of the identity.
func (l *lane) tally(d *Delivery, reports []Report, now time.Time) {
	r := l.run
	var delayed *Report
	for i := range reports {
		rep := &reports[i]
		switch rep.Action {
		case Relayed, Delivered:
			r.sum.Done++
		case Failed:
			r.sum.Failed = append(r.sum.Failed, Failure{d.ID, d.indexes[i], d.Recipients[i].Address, *rep})
			r.noted = append(r.noted, d.ID)
		case Delayed:
			if delayed == nil || delayed.Scope != ScopeIdentity {
				delayed = rep
			}
		}
	}
	if delayed != nil {
		r.count(l.name, delayed.Explain())
	}
	if delayed != nil && delayed.Scope == ScopeIdentity {
		dead := *delayed
		dead.Unsure = false // that is this message's alone
		l.dead = &dead
		r.parked.park(l.name, dead, now)
		r.changed = true
	} else if _, ok := r.parked[l.name]; ok && slices.ContainsFunc(reports, proves) {
		delete(r.parked, l.name)
		r.changed = true
	}
}

// proves tells whether a report shows that the identity works: the message got as far as being decided about.
func proves(r Report) bool { return r.Action != Delayed || r.Code != 0 }

// rmdir removes an empty directory.
func rmdir(path string) error {
	if err := syscall.Rmdir(path); err != nil && err != syscall.ENOENT {
		return os.NewSyscallError("rmdir", err)
	}
	return nil
}
