package queue

import (
	"context"
	"time"

	"esmtpq/queue/spool"
)

// A Transport carries the mail of one destination: over sessions with a smart host, or to
// the local delivery agent.
//
// Run draws deliveries from src, in order, until Next returns nil, the destination turns out to
// be unusable, Record returns an error, or ctx ends. It reports each recipient of each delivery
// drawn exactly once; there is no error besides the reports, since "could not connect" is a
// report, too. After it has recorded a report with ScopeIdentity, Run returns: nothing more can
// go out by this transport in this queue run, and messages that were not drawn stay in the queue
// with the same reason.
type Transport interface {
	Run(ctx context.Context, src Source)
}

// A Source hands deliveries to a Transport and takes its reports. Its methods may be called
// from several goroutines.
type Source interface {
	// Next returns the next delivery of the destination, nil if there is none. With wait false,
	// which is for calls between a content and its end, it returns nil rather than wait for a
	// scan of the queue.
	Next(wait bool) *Delivery

	// Backlog returns how many messages are still to be drawn, as far as is known now.
	Backlog() int

	// Wait is called when Next has returned nil. It returns true as soon as Next may have
	// something, and false, perhaps at once, if nothing is expected within limit. It ends with
	// ctx.
	Wait(ctx context.Context, limit time.Duration) bool

	// Sending notes that the last octets of d are about to be sent for some of its recipients
	// (indexes into d.Recipients; nil: all). Should this process die before they are recorded,
	// the next run finds them possibly delivered. Several messages may be in that state at a
	// time: they are the window of a transport that sends messages back to back. An error means
	// that progress cannot be recorded: the last octets must not be sent.
	Sending(d *Delivery, recipients []int) error

	// Record records outcomes durably, together where that is cheaper. A delivery may be recorded
	// in parts: each of its recipients is reported exactly once, in any order; when the last one
	// is, the queue takes the delivery back. Accepted mail is never sent again. An error means
	// that progress cannot be recorded: nothing more may be sent.
	Record(outcomes []Outcome) error
}

// An Outcome is what became of a delivery, or of some of its recipients.
type Outcome struct {
	Delivery   *Delivery
	Recipients []int // indexes into Delivery.Recipients that Reports are for; nil: all of them, in order
	Reports    []Report
	Session    Session
}

// A Delivery is one message on its way to one destination: the envelope, those of
// its recipients that are to be tried now, and the content.
type Delivery struct {
	ID       string    // queue ID
	Envelope *Envelope // as submitted
	// ReversePath is the address to give as MAIL FROM, an addr-spec without angle brackets; "" is
	// the null reverse-path. It is the identity's forced one if there is one.
	ReversePath string
	// Recipients are those to try now, with complete (qualified) addresses.
	Recipients []Recipient
	Content    Content
	Rule       string // that chose the destination
	// HoldUntil is for a message that goes ahead of its time: until when the host has to hold it
	// (RFC 4865). A host that cannot does not get it before; see Report.Until.
	HoldUntil time.Time
	Fields    spool.Fields // of the header, for an Observer

	draw *draw // what the queue knows of it; nil in tests of transports
}

// The nouns that transports use are defined in package spool.
type (
	Envelope    = spool.Envelope
	Recipient   = spool.Recipient
	Content     = spool.Content
	BlockReader = spool.BlockReader
	Report      = spool.Report
	Mend        = spool.Mend
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
	MendLogin      = spool.MendLogin
	MendSender     = spool.MendSender
	MendName       = spool.MendName
	ScopeMessage   = spool.ScopeMessage
	ScopeSession   = spool.ScopeSession
	ScopeIdentity  = spool.ScopeIdentity
)

// ErrDamaged is what reading returns for a Content that is not what was submitted.
var ErrDamaged = spool.ErrDamaged

// A Router finds the route of a recipient's mail. It is asked anew in each queue run, so that a
// corrected configuration helps mail that is already queued.
type Router interface {
	// Route returns the route for one recipient of an envelope. An error means that our own
	// set-up is at fault; the mail waits, and the error is the reason.
	Route(env *Envelope, rcpt Recipient) (Route, error)
	// Transport returns the transport to a destination that Route has named.
	Transport(destination string) Transport
}

// A Curer is a Router that knows what a person has to do about trouble of a destination.
type Curer interface {
	Cure(destination string, why *Report) string
}

// cure returns what to do about trouble of a destination that only its owner can mend.
func (r *run) cure(b *backoff, destination string) string {
	if c, ok := r.router.(Curer); ok && b.NeedsOwner() {
		return c.Cure(destination, &b.Report)
	}
	return ""
}

// A Route is a Router's answer.
type Route struct {
	Destination string // one transport, one order: an identity, or local mail
	Address     string // the recipient's address, complete
	ReversePath string // MAIL FROM on this route, "" for null
	Sender      string // a Sender: field to force upon the header; "" leaves it alone
	Rule        string // why this destination, for people: the rule that chose the identity
	// Renames says that the host gives mail Message-IDs of its own, and names them when it takes it.
	Renames bool
	// Opens is when mail may go by this route, if that is still to come; zero if it may at once.
	Opens time.Time
	// HoldUntil is until when a host has to hold the message that takes it before its time; zero if
	// none is to be asked.
	HoldUntil time.Time
}
