package queue

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"esmtpq/queue/spool"
)

// A destination is the mail of one queue run that goes by one transport, in the order of arrival.
// Messages without a failed attempt of their own go first, so that a message which the host
// refuses holds up no other. A destination is the Source of its transport.
type destination struct {
	run  *run
	name string

	// The run's mu guards these.
	ids     []uint64  // still to be drawn, by number
	again   []uint64  // to be drawn after those: each has failed before
	backoff []waiting // found by a scan, waiting for a reason to try the identity
	reason  *spool.Progress
	working bool
	begun   bool          // it has worked
	revived bool          // it was in trouble in this run, and got another chance
	pause   time.Duration // before it begins
	drawn   int           // how many were taken from ids
	out     map[*Delivery]struct{}
	dead    *Report // why no more of its mail can go out for now
	stopped bool    // progress could not be recorded
}

// waiting is a message that waits for its identity.
type waiting struct {
	id    uint64
	again bool // it has had a failed attempt of its own
	noted bool // the reason is in its entry already
}

// A draw is what the queue knows of a delivery that a transport has drawn.
type draw struct {
	entry   *openEntry
	indexes []int     // of Delivery.Recipients in the envelope
	sender  string    // Sender: field to force upon the header, "" for none
	renames bool      // the host gives it another Message-ID
	signed  bool      // its header is signed, and names mail by an ID that a host has replaced
	new     bool      // the message has not been tried before
	drawn   time.Time // when it was drawn
	content Content   // nil if it cannot be read
	first   time.Time // when the message was first tried for its own sake; now if this is the first time
	// lastChance says that the message is given up if it is put off once more.
	lastChance bool
	again      bool // it has had a failed attempt of its own before

	// The run's mu guards these.
	reported []bool // for each of Delivery.Recipients; nil before a part of them is
	open     int    // how many are not reported
	left     int    // how many are not recorded
	charged  bool   // the attempt counts as one of the message's own
	counted  bool   // the message is counted as waiting
}

// add adds a message to those to be drawn.
func (t *destination) add(id uint64, again bool) {
	if again {
		t.again = append(t.again, id)
	} else {
		t.ids = append(t.ids, id)
	}
}

// left returns how many messages are still to be drawn.
func (t *destination) left() int { return len(t.ids) + len(t.again) }

// idle reports whether nothing of the destination has been given to its transport in this run.
func (t *destination) idle() bool { return !t.working && !t.begun }

// work runs the transport until nothing is left to draw.
func (t *destination) work() {
	r := t.run
	t.wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	t.begun = true
	for t.left() > 0 {
		for t.left() > 0 && t.dead == nil && !t.stopped {
			before := t.drawn
			r.mu.Unlock()
			r.router.Transport(t.name).Run(r.ctx, t)
			t.takeBack()
			r.mu.Lock()
			if t.drawn == before {
				break // it does not draw
			}
		}
		ids, again := t.ids, t.again
		t.ids, t.again = nil, nil
		r.mu.Unlock()
		t.leave(ids, false)
		t.leave(again, true)
		r.mu.Lock()
	}
	t.working = false
	r.busy--
	r.idle.Broadcast()
}

// wait keeps the destination apart from others.
func (t *destination) wait() {
	if t.pause <= 0 {
		return
	}
	pause := time.NewTimer(t.pause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-t.run.ctx.Done():
	}
	t.pause = 0
}

// leave notes why messages that were not drawn stay in the queue. With again, each has had a failed attempt
// of its own.
func (t *destination) leave(ids []uint64, again bool) {
	r := t.run
	r.mu.Lock()
	dead, stopped := t.dead, t.stopped
	r.mu.Unlock()
	for _, id := range ids {
		switch {
		case dead != nil:
			r.setAside(t, waiting{id: id, again: again}, *dead)
		case stopped:
			r.counted(t.name, "not tried: progress can no longer be recorded")
		default:
			r.counted(t.name, interrupted) // the reason that they have already is worth more
		}
	}
}

// takeBack takes back deliveries that the transport has drawn and, against the rules, not
// reported.
func (t *destination) takeBack() {
	r := t.run
	r.mu.Lock()
	out := t.out
	t.out = nil
	for d := range out {
		d.draw.open = 0
		r.count(t.name, "its transport has not said what became of it")
	}
	r.mu.Unlock()
	for d := range out {
		r.release(d.draw.entry)
	}
}

// Next implements Source. It looks for new mail before it returns nil.
func (t *destination) Next(wait bool) *Delivery {
	for {
		id, ok := t.pick(wait)
		if !ok {
			return nil
		}
		if d := t.deliveryOf(spool.IDText(id)); d != nil {
			return d
		}
	}
}

// pick takes the next message from those to be drawn.
func (t *destination) pick(wait bool) (id uint64, ok bool) {
	r := t.run
	looked := !wait
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.ctx.Err() == nil && !t.stopped && t.dead == nil {
		switch {
		case len(t.ids) > 0:
			id, t.ids = t.ids[0], t.ids[1:]
			t.drawn++
			return id, true
		case r.scanning && wait:
			r.idle.Wait()
		case r.scanning:
			return 0, false
		case len(t.again) > 0:
			t.ids, t.again = t.again, nil
		case looked:
			return 0, false
		default:
			r.mu.Unlock()
			looked = r.rescan()
			r.mu.Lock()
		}
	}
	return 0, false
}

// Backlog implements Source.
func (t *destination) Backlog() int {
	t.run.mu.Lock()
	defer t.run.mu.Unlock()
	return t.left()
}

// Wait implements Source. It waits for mail that is in the queue already and still too young for
// this run: submissions go on, and the mail may be for this destination.
func (t *destination) Wait(ctx context.Context, limit time.Duration) bool {
	r := t.run
	r.mu.Lock()
	ripe, stopped := r.ripe, t.stopped || t.dead != nil
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
	return t.Backlog() > 0
}

// deliveryOf makes a delivery from an entry. It returns nil if there is nothing (more) to
// deliver.
func (t *destination) deliveryOf(id string) *Delivery {
	r := t.run
	e, err := r.acquire(id)
	if err != nil {
		t.passOver(id, err)
		return nil
	}
	if err := e.CanRecord(); err != nil {
		r.release(e)
		t.passOver(id, err)
		return nil
	}
	d := t.fill(e)
	if d == nil {
		r.release(e)
		return nil
	}
	var renamed spool.Renamings
	if d.draw.renames {
		renamed = r.renamings()
	}
	d.Content, d.draw.signed, err = r.q.ContentFor(e.Message(), d.draw.sender, renamed)
	r.mu.Lock()
	if t.out == nil {
		t.out = map[*Delivery]struct{}{}
	}
	t.out[d] = struct{}{}
	if err == nil {
		d.draw.content = d.Content
	}
	r.mu.Unlock()
	if err == nil && r.opt.Observer != nil {
		d.Fields = spool.FieldsOf(d.Content)
	}
	if err != nil {
		d.Content = nil
		t.refuseContent(d, err)
		return nil
	}
	if d.Content.Size() >= longContent {
		select {
		case r.drawn <- struct{}{}:
		default:
		}
	}
	return d
}

// passOver leaves an entry that cannot be opened.
func (t *destination) passOver(id string, err error) {
	r := t.run
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case errors.Is(err, fs.ErrNotExist): // its owner has removed it
	case errors.Is(err, spool.ErrLocked):
		r.count(t.name, "another command works on it")
	case errors.Is(err, spool.ErrNoRoom): // mailq finds that out by itself
		r.count(t.name, err.Error())
	default:
		r.unusable(id, t.name, err)
	}
}

// fill collects the recipients of an entry that are to be tried. It returns nil if there are
// none.
func (t *destination) fill(e *openEntry) *Delivery {
	d := &Delivery{ID: e.ID(), Envelope: &e.Message().Envelope, draw: &draw{entry: e}}
	e.View(func(m *spool.Message) {
		now := t.run.now()
		d.draw.new, d.draw.drawn = m.Last.IsZero(), now
		d.draw.first, d.draw.lastChance = firstTried(m, now), t.run.opt.Limits.expired(m, now)
		d.draw.again = m.Attempts > 0
		d.Recipients, d.draw.indexes = make([]Recipient, 0, len(m.Progress)), make([]int, 0, len(m.Progress))
		for i, rcpt := range m.Envelope.Recipients {
			if m.Held || !m.Progress[i].State.Pending() {
				continue
			}
			route, err := t.run.router.Route(&m.Envelope, rcpt)
			if err != nil || route.Destination != t.name || t.run.shut(m, &route, now) {
				continue
			}
			rcpt.Address = route.Address
			if !t.run.opt.Early && m.Envelope.NotBefore.After(now) {
				d.HoldUntil = route.HoldUntil
			}
			d.ReversePath, d.draw.sender, d.Rule = route.ReversePath, route.Sender, route.Rule
			d.draw.renames = route.Renames
			d.Recipients = append(d.Recipients, rcpt)
			d.draw.indexes = append(d.draw.indexes, i)
		}
	})
	if len(d.Recipients) == 0 {
		return nil
	}
	t.owesCopy(e, e.Message())
	d.draw.open, d.draw.left = len(d.Recipients), len(d.Recipients)
	return d
}
