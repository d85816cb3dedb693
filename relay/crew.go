package relay

import (
	"context"
	"sync"
	"time"

	"esmtpq/queue"
)

// messagesEach is how many waiting messages make another session worth opening.
const messagesEach = 4

// A crew is several lanes that carry the messages of one source, each over a session of its own. The
// first one works alone until it has a session, so that a host that refuses us
// is asked once, and for good where messages go in bursts: that is faster, and keeps their order.
type crew struct {
	ctx      context.Context
	host     *host
	src      queue.Source
	sessions int // at most

	mu       sync.Mutex // of what follows, and for calls of src
	grown    bool
	parked   *queue.Report // reported by one of them
	failed   error         // what progress could not be recorded for
	returned []*queue.Delivery

	others sync.WaitGroup
}

// run carries everything.
func (c *crew) run() {
	first := &lane{ctx: c.ctx, host: c.host, src: member{c}, crew: c}
	first.run()
	c.others.Wait()
	// What another could not get a session for.
	left := &lane{ctx: c.ctx, host: c.host, src: member{c}, parked: c.parked, unrecorded: c.failed}
	for _, d := range c.returned {
		left.ahead = append(left.ahead, newTransaction(d))
	}
	if c.returned = nil; left.goesOn() {
		left.run()
	}
}

// grow starts further lanes, if many messages wait and l can do no better.
func (c *crew) grow(l *lane) {
	if c == nil || l.s.drains != drainsNot {
		return
	}
	waiting := l.waiting()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grown {
		return
	}
	c.grown = true
	for n := 1; n < c.sessions && waiting >= (n+1)*messagesEach; n++ {
		c.others.Add(1)
		go c.help()
	}
}

// help works beside the first lane. It draws nothing before it has a session: whatever
// may be wrong with having more of them is no message's trouble.
func (c *crew) help() {
	defer c.others.Done()
	l := &lane{ctx: c.ctx, host: c.host, src: member{c}, crew: c, helper: true}
	if l.open() == nil {
		l.run()
	}
}

// handBack takes what a helper has drawn and has no session for.
func (c *crew) handBack(all ...*transaction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tx := range all {
		c.returned = append(c.returned, tx.d)
	}
}

// A member is the source as one lane of a crew sees it.
type member struct{ c *crew }

// Next implements queue.Source.
func (m member) Next(wait bool) *queue.Delivery {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if m.c.parked != nil || m.c.failed != nil {
		return nil
	}
	return m.c.src.Next(wait)
}

// Sending implements queue.Source.
func (m member) Sending(d *queue.Delivery, recipients []int) error {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if m.c.failed != nil {
		return m.c.failed
	}
	return m.c.src.Sending(d, recipients)
}

// Record implements queue.Source.
func (m member) Record(all []queue.Outcome) error {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	err := m.c.src.Record(all)
	if err != nil && m.c.failed == nil {
		m.c.failed = err
	}
	for _, o := range all {
		for i := range o.Reports {
			if o.Reports[i].Scope == queue.ScopeIdentity && m.c.parked == nil {
				m.c.parked = &o.Reports[i]
			}
		}
	}
	return err
}

// Backlog implements queue.Source.
func (m member) Backlog() int {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	return m.c.src.Backlog()
}

// Wait implements queue.Source, for a lane that is alone.
func (m member) Wait(ctx context.Context, limit time.Duration) bool {
	m.c.mu.Lock()
	alone := !m.c.grown
	m.c.mu.Unlock()
	return alone && m.c.src.Wait(ctx, limit)
}
