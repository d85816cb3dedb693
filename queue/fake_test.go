package queue

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"esmtpq/queue/spool"
)

// A fakeHost is a Transport that notes its deliveries and answers as it was told.
type fakeHost struct {
	mu       sync.Mutex
	sessions int      // calls of Run
	sent     []string // queue IDs, in the order drawn
	to       []string // "ID address" for each recipient drawn
	contents []string

	// answer returns the report for a recipient; nil: all are relayed.
	answer func(d *Delivery, rcpt Recipient) Report
	// before is called with each delivery drawn, before it is answered.
	before func(d *Delivery)
	// after is called when a delivery has been answered.
	after func(src Source, d *Delivery)
	// goodbye is called when there is nothing more to draw.
	goodbye func(src Source)
}

var relayed = Report{Action: Relayed, Code: 250, Status: "2.0.0", Text: "queued", Host: "mx.example.org"}

func (h *fakeHost) Run(ctx context.Context, src Source) {
	h.mu.Lock()
	h.sessions++
	h.mu.Unlock()
	for d := src.Next(true); d != nil; d = src.Next(true) {
		if !h.deliver(src, d) {
			return
		}
	}
	if h.goodbye != nil {
		h.goodbye(src)
	}
}

func (h *fakeHost) deliver(src Source, d *Delivery) (more bool) {
	content, err := readContent(d.Content)
	h.mu.Lock()
	h.sent = append(h.sent, d.ID)
	h.contents = append(h.contents, content)
	for _, r := range d.Recipients {
		h.to = append(h.to, d.ID+" "+r.Address)
	}
	h.mu.Unlock()
	if h.before != nil {
		h.before(d)
	}
	reports, more := make([]Report, len(d.Recipients)), true
	if err == nil {
		err = src.Sending(d, nil)
	}
	for i, r := range d.Recipients {
		switch {
		case err != nil:
			reports[i] = Report{Action: Delayed, Scope: ScopeMessage, Status: "4.3.0", Text: err.Error()}
		case h.answer == nil:
			reports[i] = relayed
		default:
			reports[i] = h.answer(d, r)
		}
		more = more && reports[i].Scope != ScopeIdentity
	}
	if src.Record([]Outcome{{Delivery: d, Reports: reports}}) != nil {
		return false
	}
	if h.after != nil {
		h.after(src, d)
	}
	return more
}

func readContent(c Content) (string, error) {
	r, err := c.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func (h *fakeHost) got() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.sent...)
}

// A fakeRouter has a destination for each domain, and "local" for an address without a domain.
type fakeRouter struct {
	hosts map[string]Transport
	route func(env *Envelope, rcpt Recipient) (Route, error) // nil: by domain
}

func (f *fakeRouter) Route(env *Envelope, rcpt Recipient) (Route, error) {
	if f.route != nil {
		return f.route(env, rcpt)
	}
	return Route{Destination: domainOf(rcpt.Address), Address: rcpt.Address, ReversePath: env.Sender()}, nil
}

func domainOf(address string) string {
	if _, domain, ok := strings.Cut(address, "@"); ok {
		return domain
	}
	return "local"
}

func (f *fakeRouter) Transport(destination string) Transport { return f.hosts[destination] }

// one returns a router with one destination, that of example.com.
func one(h Transport) *fakeRouter {
	return &fakeRouter{hosts: map[string]Transport{"example.com": h}}
}

// runQueue runs the queue. A run that does not end fails the test after a while.
func runQueue(t testing.TB, q *spool.Queue, router Router, opt RunOptions) *Summary {
	t.Helper()
	type outcome struct {
		sum *Summary
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		sum, err := Run(context.Background(), q, router, opt)
		if err == nil {
			more := sum.Tell(context.Background())
			sum.Done += more.Done
			sum.Failed, sum.Dropped = append(sum.Failed, more.Failed...), append(sum.Dropped, more.Dropped...)
			sum.Waiting, sum.Trouble = append(sum.Waiting, more.Waiting...), append(sum.Trouble, more.Trouble...)
		}
		done <- outcome{sum, err}
	}()
	o := receive(t, "the end of a queue run", done)
	if o.err != nil {
		t.Fatal(o.err)
	}
	return o.sum
}

var everything = RunOptions{All: true}

// refusing answers for every recipient with the same report.
func refusing(r Report) func(*Delivery, Recipient) Report {
	return func(*Delivery, Recipient) Report { return r }
}

var (
	busy        = Report{Action: Delayed, Scope: ScopeRecipient, Code: 450, Status: "4.2.1", Text: "mailbox busy", Host: "mx.example.org"}
	unknownUser = Report{Action: Failed, Scope: ScopeRecipient, Code: 550, Status: "5.1.1", Text: "no such user", Host: "mx.example.org"}
	unreachable = Report{Action: Delayed, Scope: ScopeIdentity, Status: "4.4.1", Text: "connect to mx.example.org: connection refused"}
	badPassword = Report{Action: Delayed, Scope: ScopeIdentity, Code: 535, Status: "5.7.8", Text: "authentication failed", Host: "mx.example.org", Mend: MendLogin}
	replyLost   = Report{Action: Delayed, Scope: ScopeSession, Status: "4.4.2", Text: "connection closed", Unsure: true}
)
