package queue

import (
	"time"

	"esmtpq/queue/spool"
)

// How a run shows what it is sending.

// showEvery is how often.
const showEvery = 250 * time.Millisecond

// longContent is the size from which a message is shown as soon as its transport has drawn it, in
// octets. A short one is shown if it takes longer than showEvery.
const longContent = 256 << 10

// show shows again and again which messages are being sent, and how far, until stop is closed. It
// closes ended when it is done.
func (r *run) show(stop <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	tick := time.NewTicker(showEvery)
	defer tick.Stop()
	shown := false
	for {
		select {
		case <-tick.C:
		case <-r.drawn:
		case <-stop:
			return
		}
		if all := r.transfers(); len(all) > 0 || shown {
			r.q.ShowTransfers(all)
			shown = len(all) > 0
		}
		if r.opt.Progress != nil {
			r.opt.Progress(r.standing())
		}
	}
}

// A Standing is how far a run has come.
type Standing struct {
	Messages, Of     int   // done with in this run, and all that it has found to do
	Octets, OfOctets int64 // of their content
	To               string
	Others           int // recipients of the same message besides To
}

// standing returns how far the run has come.
func (r *run) standing() Standing {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stands
	first := ""
	for _, t := range r.destinations {
		for d := range t.out {
			if c := d.draw.content; c != nil && d.draw.entry.use == 1 {
				s.Octets += min(spool.Taken(c), d.Envelope.Size)
			}
			if len(d.Recipients) > 0 && (first == "" || d.ID < first) {
				first, s.To, s.Others = d.ID, d.Recipients[0].Address, len(d.Recipients)-1
			}
		}
	}
	return s
}

// transfers returns the messages that transports have drawn and not reported.
func (r *run) transfers() []spool.Transfer {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []spool.Transfer
	for _, t := range r.destinations {
		for d := range t.out {
			if c := d.draw.content; c != nil {
				all = append(all, spool.Transfer{ID: d.ID, Done: spool.Taken(c), Total: c.Size()})
			}
		}
	}
	return all
}
