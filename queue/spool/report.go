package spool

import (
	"strings"
	"time"
)

// An Action says what became of a recipient in one attempt (RFC 3464, 2.3.3).
type Action string

const (
	Relayed   Action = "relayed"   // a smart host took the responsibility
	Delivered Action = "delivered" // the local delivery agent took it
	Delayed   Action = "delayed"   // not now; to be tried again
	Failed    Action = "failed"    // refused for good
)

// Final reports whether the action ends the queue's responsibility for the recipient.
func (a Action) Final() bool { return a == Relayed || a == Delivered }

// A Scope says whom trouble is charged to: what else does not work either.
type Scope string

const (
	ScopeRecipient Scope = "recipient" // this recipient of this message
	ScopeMessage   Scope = "message"   // this message, all its recipients
	ScopeSession   Scope = "session"   // this connection; the next may work
	ScopeIdentity  Scope = "identity"  // everything of this identity, for now
)

// A Mend is a part of the set-up that a host refuses.
type Mend string

const (
	MendLogin  Mend = "login"  // the password or token is refused, or a login is wanted
	MendSender Mend = "sender" // the reverse-path that is forced upon all mail
	MendName   Mend = "name"   // the name that is given in EHLO
)

// A Report is the outcome of one attempt for one recipient, in the terms of RFC 3464.
type Report struct {
	Action Action
	Scope  Scope  // whom a Delayed or Failed is charged to
	Status string // enhanced status code (RFC 3463), e.g. "5.1.1"; class.0.0 where none was given
	Code   int    // reply code, e.g. 550; 0 where no reply was received
	// Text is for a person: the host's words without the code and the enhanced code, or ours if
	// the host said nothing: what failed, with what. It may have any octets, and is made
	// printable where it is printed.
	Text string
	Host string // whose words Text is: host name or MDA; "" for ours
	// Remark is what we know of the reason beside a host's words, for a person; "" for nothing. It is kept whole.
	Remark string
	// Mend is what only a person can mend, where a host's reply is about that; "" for nothing known.
	Mend Mend `json:",omitempty"`
	// Unsure says that the end of the message was sent and no reply came, so that the host may
	// have taken it. Only with Delayed.
	Unsure bool
	// Until is for mail that is to be sent at a time, and that a host does not take ahead of it: the
	// message is left alone until then, and not charged. Only with Delayed; else the zero time.
	Until time.Time
}

// Explain returns the report on one printable line.
func (r *Report) Explain() string {
	s := explain(r.Host, r.Code, r.Status, r.Text, r.Remark)
	switch {
	case r.Unsure:
		return "possibly delivered: " + s
	case r.Action == Failed && strings.HasPrefix(r.Status, "4"):
		return "given up, last attempt: " + s
	}
	return s
}

// Reason returns the report as a line of progress has it.
func (r *Report) Reason() *Progress {
	p := &Progress{Code: r.Code, Status: r.Status, Host: r.Host, Text: r.Text, Remark: r.Remark}
	p.fit()
	return p
}
