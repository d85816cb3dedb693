package queue

import (
	"context"
	"time"

	"esmtpq/queue/spool"
)

// A Transport carries messages over one lane: a session with a smart host, or
// the local delivery agent.
//
// Run draws deliveries from src, in order, until Next returns nil, the lane
// turns out to be unusable, Done returns an error, or ctx ends. Every delivery
// drawn is answered with exactly one call of Done, in the order drawn (with a
// transport of several sessions: in that order for each session); there
// is no error beside the reports, for "could not connect" is a report too.
// Having reported with ScopeIdentity, Run returns: nothing more of this lane
// can go out in this queue run, and what was not drawn is left in the queue
// with the same reason.
type Transport interface {
	Run(ctx context.Context, src Source)
}

// A Source hands deliveries to a Transport and takes its reports. Its methods
// are called from one goroutine at a time.
type Source interface {
	// Next returns the next delivery of the lane, nil when there is no more.
	Next() *Delivery

	// Sending notes that the last byte of d is about to be written: from
	// now until Done the host may have taken the message without our
	// knowing. Should the process die in between, the next run finds the
	// message marked as possibly delivered. Several messages may be in that
	// state at a time, in the order drawn: they are the window of a transport
	// that sends messages back to back without waiting for replies, and the
	// marks are its window on disk. An error means that progress
	// cannot be recorded: the last byte must not be sent, and d is
	// answered with what its recipients' replies were so far, or delayed.
	Sending(d *Delivery) error

	// Done records reports, one for each of d.Recipients in their order.
	// When it returns nil, what was accepted is recorded durably and will
	// never be sent again; only then may the end of the next message be
	// written, but for those of a window, which the transport bounds. An error means that progress can no longer be recorded: the
	// transport must end without sending anything more.
	Done(d *Delivery, reports []Report) error
}

// A Backlogger is a Source that can tell how much there is to do.
type Backlogger interface {
	// Backlog returns how many messages are still to be drawn, as far as is known now.
	Backlog() int
}

// A Waiter is a Source that can wait for mail that is about to come.
type Waiter interface {
	// Wait is for when Next has returned nil: it returns true as soon as Next
	// may have something, and false when nothing is expected within limit, which may be
	// at once. It ends with ctx.
	Wait(ctx context.Context, limit time.Duration) bool
}

// A Batcher is a Source that can record several deliveries together, which takes hardly longer than one.
type Batcher interface {
	// DoneAll is Done for each, in their order.
	DoneAll(all []Outcome) error
}

// An Outcome is what Done is told of.
type Outcome struct {
	Delivery *Delivery
	Reports  []Report
}

// DoneAll tells src of outcomes, of all together if it is a Batcher.
func DoneAll(src Source, all []Outcome) error {
	if batch, ok := src.(Batcher); ok && len(all) > 1 {
		return batch.DoneAll(all)
	}
	var first error
	for _, o := range all {
		if err := src.Done(o.Delivery, o.Reports); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// A Delivery is one message on its way over one lane: the envelope, those of
// its recipients that this lane is to try, and the content.
type Delivery struct {
	ID       string    // queue ID
	Envelope *Envelope // as submitted
	// ReversePath is the address to give as MAIL FROM, an addr-spec without
	// angle brackets; "" is the null reverse-path. It is the identity's forced
	// one where there is such.
	ReversePath string
	// Recipients are those to try now, their addresses complete (qualified).
	Recipients []Recipient
	Content    Content

	entry   *openEntry // the queue's own; nil in tests of transports
	indexes []int      // of Recipients in the envelope
	sender  string     // Sender: to force upon the header, "" for none
}

// What a transport is told of and tells is laid down where messages are kept.
type (
	Envelope    = spool.Envelope
	Recipient   = spool.Recipient
	Content     = spool.Content
	BlockReader = spool.BlockReader
	Report      = spool.Report
	Action      = spool.Action
	Scope       = spool.Scope
)

// See the types.
const (
	Relayed   = spool.Relayed
	Delivered = spool.Delivered
	Delayed   = spool.Delayed
	Failed    = spool.Failed

	ScopeRecipient = spool.ScopeRecipient
	ScopeMessage   = spool.ScopeMessage
	ScopeSession   = spool.ScopeSession
	ScopeIdentity  = spool.ScopeIdentity
)

// ErrDamaged is what reading a Content returns that is not what was submitted.
var ErrDamaged = spool.ErrDamaged

// A Router says which lane a recipient's mail takes. It is asked anew at each
// queue run, so that a corrected configuration helps mail already queued.
type Router interface {
	// Route returns the way for one recipient of an envelope. An error means
	// that our own set-up is at fault; the mail waits with the error as its reason.
	Route(env *Envelope, rcpt Recipient) (Route, error)
	// Transport returns the transport of a lane that Route has named.
	Transport(lane string) Transport
}

// A Route is a Router's answer.
type Route struct {
	Lane        string // which queue-run lane: one transport, one order
	Address     string // the recipient's address, complete
	ReversePath string // MAIL FROM for this lane, "" for null
	Sender      string // a Sender: field to force upon the header; "" leaves it alone
}
