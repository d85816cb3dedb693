package relay

import (
	"context"
	"sync"
	"time"

	"esmtpq/queue"
)

// messagesEach is how many waiting messages make another session worth opening.
const messagesEach = 4

// A pool is several workers that carry the messages of one source, each over a session of its
// own. The first one works alone until it has a session, so that a host that refuses us is asked
// only once. If messages go back to back, it stays alone: that is faster, and keeps their order.
type pool struct {
	ctx      context.Context
	host     *host
	src      queue.Source
	sessions int // at most

	mu        sync.Mutex // of what follows
	grown     bool
	suspended *queue.Report // reported by one of them
	failed    error         // why progress could not be recorded
	returned  []*task

	others sync.WaitGroup
}

// run carries everything.
func (p *pool) run() {
	first := &worker{ctx: p.ctx, host: p.host, src: member{p}, pool: p}
	first.run()
	p.others.Wait()
	// These are the tasks for which another worker could not get a session.
	left := &worker{ctx: p.ctx, host: p.host, src: member{p}, suspended: p.suspended, unrecorded: p.failed}
	left.ahead, p.returned = p.returned, nil
	left.run()
}

// grow starts further workers if many messages wait and w cannot send them back to back.
func (p *pool) grow(w *worker) {
	if p == nil {
		return
	}
	waiting := w.waiting()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.grown || w.conn.Extensions().Has("CHUNKING") && w.known.NoChunks == "" && w.conn.Pipelining() {
		return
	}
	p.grown = true
	for n := 1; n < p.sessions && waiting >= (n+1)*messagesEach; n++ {
		p.others.Add(1)
		go p.help()
	}
}

// help works beside the first worker. It draws nothing before it has a session: if the host does
// not allow more sessions, that is not charged to any message.
func (p *pool) help() {
	defer p.others.Done()
	w := &worker{ctx: p.ctx, host: p.host, src: member{p}, pool: p, helper: true}
	host, conn, _, err := p.host.reach(p.ctx)
	if w.host = host; err == nil {
		w.begin(conn, false)
		w.run()
	}
}

// handBack takes back tasks that a helper has drawn and has no session for.
func (p *pool) handBack(all []*task) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.returned = append(p.returned, all...)
}

// A member is the source as one worker of a pool sees it.
type member struct{ p *pool }

// over returns why nothing more is to be begun, and why nothing more may be sent.
func (p *pool) over() (*queue.Report, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.suspended, p.failed
}

// Next implements queue.Source.
func (m member) Next(wait bool) *queue.Delivery {
	if suspended, failed := m.p.over(); suspended != nil || failed != nil {
		return nil
	}
	return m.p.src.Next(wait)
}

// Sending implements queue.Source.
func (m member) Sending(d *queue.Delivery, recipients []int) error {
	if _, err := m.p.over(); err != nil {
		return err
	}
	return m.p.src.Sending(d, recipients)
}

// Record implements queue.Source.
func (m member) Record(all []queue.Outcome) error {
	err := m.p.src.Record(all)
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	if err != nil && m.p.failed == nil {
		m.p.failed = err
	}
	for _, o := range all {
		for i := range o.Reports {
			if o.Reports[i].Scope == queue.ScopeIdentity && m.p.suspended == nil {
				m.p.suspended = &o.Reports[i]
			}
		}
	}
	return err
}

// Backlog implements queue.Source.
func (m member) Backlog() int { return m.p.src.Backlog() }

// Wait implements queue.Source.
func (m member) Wait(ctx context.Context, limit time.Duration) bool {
	suspended, failed := m.p.over()
	return suspended == nil && failed == nil && m.p.src.Wait(ctx, limit)
}
