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
	// fresh is the greatest age of mail that the background process of a submission can be
	// waiting with.
	fresh = time.Minute
	// glance is how many of the newest messages are read: all mail of a series has one identity.
	glance = 50
)

// prepare opens the sessions that the newest mail will need, while the delay for more mail goes
// on, so that all of it goes out as soon as the delay is over. It returns at once; ctx is that of
// the run. A failure is charged to no message, and identities that wait are left alone.
func (r *router) prepare(ctx context.Context, q *spool.Queue) {
	if q.Running() {
		return // that run may have a session of its own, and takes as long as it takes
	}
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
		if err != nil || m.Held || !m.Last.IsZero() || m.Envelope.ReleaseAt(now).After(now.Add(opensBefore)) {
			continue
		}
		for _, name := range r.destinations(m) {
			if t, ok := r.Transport(name).(*relay.Transport); ok && !slices.Contains(waiting, name) {
				t.Prepare(ctx)
			}
		}
	}
}

// destinations returns the destinations of a message's pending recipients. There may be many
// recipients; the first few show what the message needs.
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
		if err == nil && route.Opens.IsZero() && !slices.Contains(names, route.Destination) {
			names = append(names, route.Destination)
		}
	}
	return names
}

// refresh forgets what was read of the configuration, and the sessions that were opened by it, if
// it has changed or could not be read: mail goes by the configuration of the time of the run.
func (r *router) refresh() {
	now := newRouter(r.home, r.routes.Config, r.queue)
	_, was := r.changed()
	if _, is := now.changed(); is == was && is != "" && !r.routes.Stale() {
		return
	}
	r.closeUnused()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes, r.transports, r.ways = now.routes, now.transports, now.ways
}

// closeUnused ends the sessions that were opened and for which no mail was left.
func (r *router) closeUnused() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.transports {
		if t, ok := t.(*relay.Transport); ok {
			t.Close()
		}
	}
}
