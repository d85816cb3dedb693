package spool

import "strings"

// An Action says what became of a recipient in one attempt (RFC 3464, 2.3.3).
type Action string

const (
	Relayed   Action = "relayed"   // a smart host took the responsibility
	Delivered Action = "delivered" // the local delivery agent took it
	Delayed   Action = "delayed"   // not now; to be tried again
	Failed    Action = "failed"    // refused for good
)

// Final reports whether the action ends the queue's duty for the recipient.
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

// Explain says what was reported, on one printable line.
func (r *Report) Explain() string {
	s := explain(r.Host, r.Code, r.Status, r.Text)
	switch {
	case r.Unsure:
		return "possibly delivered: " + s
	case r.Action == Failed && strings.HasPrefix(r.Status, "4"):
		return "given up, last attempt: " + s
	}
	return s
}

// Reason returns what a line of progress says of the report.
func (r *Report) Reason() *Progress {
	p := &Progress{Code: r.Code, Status: r.Status, Host: r.Host, Text: r.Text}
	p.fit()
	return p
}
