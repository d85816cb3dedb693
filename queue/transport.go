package queue

import (
	"context"
	"io"
	"time"
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
	Next(wait bool) *Delivery
	Backlog() int
	Wait(ctx context.Context, limit time.Duration) bool
	Sending(d *Delivery, recipients []int) error
	Record(outcomes []Outcome) error
}

// An Outcome is what Record is told.
type Outcome struct {
	Delivery   *Delivery
	Recipients []int
	Reports    []Report
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

	entry   *entry // the queue's own; nil in tests of transports
	indexes []int  // of Recipients in the envelope
	sender  string // Sender: to force upon the header, "" for none
}

// Content is the content of a message as it is to be sent, with LF line ends.
type Content interface {
	// Size is the length in octets, LF line ends counted as one.
	Size() int64
	// WireSize is the length in octets with CRLF line ends, before
	// dot-stuffing and with the final line end: what SIZE= (RFC 1870) and
	// BDAT (RFC 3030) count.
	WireSize() int64
	// EightBit tells whether the content has octets over 127.
	EightBit() bool
	// Open returns a reader of the content from its start. Where what is read
	// turns out not to be what was submitted, Read returns ErrDamaged in
	// place of io.EOF (or earlier): the transport must then not complete the
	// message. It may be a BlockReader.
	Open() (io.ReadCloser, error)
}

// A BlockReader is a reader that can hand out what it has read without copying it.
type BlockReader interface {
	io.Reader
	// NextBlock returns what comes next, at least an octet of it, good until the next call
	// of either method; or an error as Read would.
	NextBlock() ([]byte, error)
}

// An Action says what became of a recipient in one attempt (RFC 3464, 2.3.3).
type Action string

const (
	Relayed   Action = "relayed"   // a smart host took the responsibility
	Delivered Action = "delivered" // the local delivery agent took it
	Delayed   Action = "delayed"   // not now; to be tried again
	Failed    Action = "failed"    // refused for good
)

// Final tells whether the action ends the queue's duty for the recipient.
func (a Action) Final() bool { return a == Relayed || a == Delivered }

// A Scope says whom a trouble is charged to: what else is known not to work
// when this did not.
type Scope string

const (
	ScopeRecipient Scope = "recipient" // this recipient of this message
	ScopeMessage   Scope = "message"   // this message, all its recipients
	ScopeSession   Scope = "session"   // this connection; the next may work
	ScopeIdentity  Scope = "identity"  // everything of this identity, for now
)

// A Report is what one attempt came to for one recipient, in the terms of RFC 3464.
type Report struct {
	Action Action
	Scope  Scope  // whom a Delayed or Failed is charged to
	Status string // enhanced status code (RFC 3463), e.g. "5.1.1"; class.0.0 where none was given
	Code   int    // reply code, e.g. 550; 0 where no reply was received
	// Text is, for a person: the host's words (without the code and the enhanced code), or ours
	// where the host said nothing: what failed, with what. Any octets; whoever
	// prints it makes it printable.
	Text string
	Host string // who said it: host name or MDA; "" for ourselves
	// Unsure: the end of the message was sent and no reply came, so the host
	// may have taken it. Only with Delayed.
	Unsure bool
}

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
