package deliver

import (
	"context"
	"slices"
	"time"

	"esmtpq/queue"
	"esmtpq/queue/spool"
	"esmtpq/relay"
)

const (
	// fresh is how old mail may be to be what the process that a submission leaves behind waits for.
	fresh = time.Minute
	// glance is how many of the newest messages are looked at: a series is of one identity.
	glance = 50
)

// prepare opens the sessions that the mail which has just come in will need, while more of it is
// waited for: what the delay brings then goes out at once. It returns at once, and ctx is that of
// the run. What a host says to it costs nobody an attempt; identities that wait are left alone.
func (r *router) prepare(ctx context.Context, q *spool.Queue) {
	listing, err := q.List()
	if err != nil {
		return // the run will say so
	}
	waiting, now := queue.Suspended(q), time.Now()
	for i, id := range slices.Backward(listing.IDs) {
		if len(listing.IDs)-i > glance || now.Sub(spool.ArrivalOf(id)) > fresh {
			return
		}
		m, err := q.Read(id)
		if err != nil || m.Held || !m.Last.IsZero() {
			continue
		}
		for _, name := range r.destinations(m) {
			if t, ok := r.Transport(name).(*relay.Transport); ok && !slices.Contains(waiting, name) {
				t.Prepare(ctx)
			}
		}
	}
}

// destinations returns those of a message's recipients that are to be tried. There may be many
// recipients; those of the first few show what the message needs.
func (r *router) destinations(m *spool.Message) []string {
	var names []string
	for i, rcpt := range m.Envelope.Recipients {
		if i == glance {
			break
		}
		if !m.Progress[i].State.Pending() {
			continue
		}
		route, err := r.Route(&m.Envelope, rcpt)
		if err == nil && !slices.Contains(names, route.Destination) {
			names = append(names, route.Destination)
		}
	}
	return names
}

// closeUnused ends the sessions that were opened and that no mail was left for.
func (r *router) closeUnused() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.transports {
		if t, ok := t.(*relay.Transport); ok {
			t.Close()
		}
	}
}
