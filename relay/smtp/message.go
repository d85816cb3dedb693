package smtp

import (
	"strconv"
	"strings"
	"time"
)

// A Message is one mail transaction to be carried.
type Message struct {
	From string      // reverse-path without angle brackets, as WireAddress returns it; "" is the null one
	To   []Recipient // at least one
	Body Body

	UTF8       bool   // it needs SMTPUTF8 (RFC 6531); the caller has seen that the host offers it
	EightBit   bool   // it has octets over 127, or was declared to: BODY=8BITMIME, where that is offered
	Return     string // FULL or HDRS (RFC 3461, 4.3); else ""
	EnvelopeID string // ENVID (RFC 3461, 4.4), in clear; else ""
	RequireTLS bool   // REQUIRETLS (RFC 8689); the caller has seen that the host offers it, by verified TLS
	// HoldUntil is until when the host is to hold it (RFC 4865), zero for not at all; the caller has seen
	// that the host offers that, for as long.
	HoldUntil time.Time

	// Chunks sends it by BDAT, with other such messages in flight before and after it. That is
	// safe only with a host that has passed Probe.
	Chunks bool
	// Check is for Chunks: nothing is sent after this message before it is known that the host
	// gives each command one reply.
	Check bool
	// Alone sends it by DATA, one command at a time, with nothing else in flight.
	Alone bool
}

// A Recipient is one forward-path.
type Recipient struct {
	Address string // without angle brackets, as WireAddress returns it
	Notify  string // NOTIFY (RFC 3461, 4.1): NEVER, or SUCCESS, FAILURE, DELAY with commas between; "" for none
	// Original is the address for ORCPT (RFC 3461, 4.2), given with Notify; "" leaves it out.
	Original string
}

// Sent says how much of a message's content was handed to the connection.
type Sent int

// The amounts.
const (
	SentNothing Sent = iota
	SentPart         // but not its end
	SentAll          // its end too: the host may have taken the message
)

// A Result has the replies to one message. Replies that were not read are nil.
type Result struct {
	Message *Message
	Mail    *Reply
	Rcpt    []*Reply // one for each of Message.To
	Data    *Reply   // to DATA, other than 354; or to the first chunk before the last that was refused
	End     *Reply   // to the final dot or the last chunk
	// Ends has the replies to the final dot by LMTP, one for each of Message.To; nil by SMTP. End is
	// then nil before all recipients that were accepted have theirs.
	Ends []*Reply
	Sent Sent

	// Err is how the session ended before every reply had come; nil if all have come.
	Err *Error
	// Closing is a negative reply to this message after which the host closed the connection,
	// although more had been sent than it had answered. It is in none of the fields above, and
	// decides nothing.
	Closing *Reply
	// ClosingAt is the stage of Closing.
	ClosingAt Stage
	// Unread says that the host closed the connection before it had read this message.
	Unread bool
	// Untrusted says that we and the host were out of step: the replies may be to something else.
	Untrusted bool
	// First says that the session ended over this message, the first one without all its replies.
	First bool
}

// Accepted reports whether the host accepted a recipient.
func (r *Result) Accepted() bool {
	for _, reply := range r.Rcpt {
		if reply.Positive() {
			return true
		}
	}
	return false
}

// mailCommand returns MAIL for what the host offers.
func (m *Message) mailCommand(ext Extensions) string {
	var b strings.Builder
	b.WriteString("MAIL FROM:<" + m.From + ">")
	if ext.Has("SIZE") {
		b.WriteString(" SIZE=" + strconv.FormatInt(m.Body.WireSize(), 10))
	}
	if m.EightBit && ext.Has("8BITMIME") {
		b.WriteString(" BODY=8BITMIME")
	}
	if m.UTF8 {
		b.WriteString(" SMTPUTF8")
	}
	if m.RequireTLS {
		b.WriteString(" REQUIRETLS")
	}
	if !m.HoldUntil.IsZero() {
		// A date-time of RFC 3339, by erratum 2040, in whole seconds and not before the time.
		b.WriteString(" HOLDUNTIL=" + m.HoldUntil.Add(time.Second-1).UTC().Truncate(time.Second).Format(time.RFC3339))
	}
	if ext.Has("DSN") {
		if m.Return == "FULL" || m.Return == "HDRS" {
			b.WriteString(" RET=" + m.Return)
		}
		if m.EnvelopeID != "" {
			b.WriteString(" ENVID=" + xtext(m.EnvelopeID))
		}
	}
	return b.String()
}

// rcptCommand returns RCPT for what the host offers. An original recipient outside ASCII is left
// out: few hosts understand its form (RFC 6533), and the parameter is optional.
func (r *Recipient) rcptCommand(ext Extensions) string {
	line := "RCPT TO:<" + r.Address + ">"
	if !ext.Has("DSN") || !validNotify(r.Notify) {
		return line
	}
	line += " NOTIFY=" + r.Notify
	if r.Original != "" && isASCII(r.Original) {
		line += " ORCPT=rfc822;" + xtext(r.Original)
	}
	return line
}

// validNotify reports whether s is a value of NOTIFY that asks for something.
func validNotify(s string) bool {
	if s == "NEVER" {
		return true
	}
	for _, word := range strings.Split(s, ",") {
		if word != "SUCCESS" && word != "FAILURE" && word != "DELAY" {
			return false
		}
	}
	return true
}
