// Package localmda hands mail to a local delivery agent: a shell line of the person's own, such
// as
//
//	/usr/bin/procmail -f %F -d %T
//
// in which %T is the local recipient and %F the sender. The message is its standard input, octet
// for octet as it is in the queue, behind a Return-Path: field with the sender (RFC 5321, 4.4). Its
// exit status says what became of the message (see sysexits.go); 0 counts only if it has read
// something, since an empty message is none.
//
// No text of an envelope ever gets into the shell line. %T becomes a positional parameter
// and %F an environment variable, each expanded within quotes whatever quotes the line
// has around them (see line.go), so that a name is one argument and nothing else.
//
// No process of a call lives on when the next one for the same recipient of the same message
// begins: it could deliver a second copy. Package helper says what belongs to a call.
//
// A line with %T is called once for each recipient, since each has a state of its own in the
// queue; a line without it is called once for the message. The message is read to its end, and so
// verified, before the first call: an agent never takes a damaged message for a whole one.
//
// A command that carries mail away, in the place of a smart host, is called in the same way with all
// recipients at once; see command.go.
package localmda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"esmtpq/queue"
)

// DefaultTimeout is how long one call of an agent may take.
const DefaultTimeout = 5 * time.Minute

// An Agent is a local delivery agent; it implements [queue.Transport].
type Agent struct {
	// Timeout bounds one call.
	Timeout time.Duration
	// Unread says that exit status 0 counts even if the agent has read nothing.
	Unread bool
	// Queue is a name for the queue that the mail comes from, which no other queue of the person has.
	Queue string
	// Trace, if set, gets the last lines that a call has printed, up to 1 kB, and how the call
	// ended. Lines may contain any octets.
	Trace func(line string)

	line      shellLine
	carries   bool // it is a command that carries mail away
	forceUser string
	left      map[string]bool // marks of calls of which processes may live; nil: not searched yet
}

// New returns the agent for command, a line for /bin/sh. With forceUser, %T is that name instead
// of the recipients, and there is one call for each message. The error is a mistake in the
// configuration: no command, quotes that are never closed, a name that would be run by a second
// shell (see [secondReader]), or one that cannot be handed over. It quotes nothing: a line can hold a
// password.
func New(command, forceUser string) (*Agent, error) {
	if strings.TrimSpace(command) == "" {
		return nil, errors.New("the mda is an empty command")
	}
	line, err := parseLine(command)
	if err != nil {
		return nil, fmt.Errorf("mda: %w", err)
	}
	if forceUser != "" {
		if err := checkName(forceUser); err != nil {
			return nil, fmt.Errorf("force_mda: %w", err)
		}
	}
	return &Agent{Timeout: DefaultTimeout, line: line, forceUser: forceUser}, nil
}

// Remarks says what may be wrong with the line, for the person to judge.
func (a *Agent) Remarks() []string { return a.line.remarks }

// Run implements [queue.Transport].
func (a *Agent) Run(ctx context.Context, src queue.Source) {
	a.left = nil
	for ctx.Err() == nil {
		d := src.Next(true)
		if d == nil || !a.deliver(ctx, src, d) {
			return
		}
	}
}

// deliver makes the calls for one delivery. The reports of one call are recorded before the next
// call begins: after a crash, only the recipients of the call that was going on can get a second
// copy. It returns whether more can be delivered.
func (a *Agent) deliver(ctx context.Context, src queue.Source, d *queue.Delivery) bool {
	refused := queue.Outcome{Delivery: d}
	calls, sender := a.plan(d, &refused)
	if len(refused.Reports) > 0 && src.Record([]queue.Outcome{refused}) != nil {
		return false
	}
	if len(calls) == 0 {
		return true
	}
	if err := verify(d.Content); err != nil {
		return record(src, d, calls, unreadable(err))
	}
	for i, c := range calls {
		if ctx.Err() != nil {
			return record(src, d, calls[i:], delayed(queue.ScopeSession, "4.3.0", "the queue run ended before this was begun"))
		}
		if err := src.Sending(d, c.indexes); err != nil {
			return record(src, d, calls[i:], delayed(queue.ScopeSession, "4.3.0", "progress cannot be recorded: "+err.Error()))
		}
		r := a.call(ctx, d, sender, c.names)
		o := queue.Outcome{Delivery: d}
		add(&o, r, c)
		if r.Scope == queue.ScopeIdentity {
			r.Unsure = false // these have not been handed over at all
			add(&o, r, calls[i+1:]...)
		}
		if src.Record([]queue.Outcome{o}) != nil || r.Scope == queue.ScopeIdentity {
			return false
		}
	}
	return true
}

// add adds r to an outcome for all recipients of calls.
func add(o *queue.Outcome, r queue.Report, calls ...call) {
	for _, c := range calls {
		for _, i := range c.indexes {
			o.Recipients, o.Reports = append(o.Recipients, i), append(o.Reports, r)
		}
	}
}

// record records r for all recipients of calls, and returns whether more can be delivered.
func record(src queue.Source, d *queue.Delivery, calls []call, r queue.Report) bool {
	o := queue.Outcome{Delivery: d}
	add(&o, r, calls...)
	return src.Record([]queue.Outcome{o}) == nil
}

// A call is one run of the command: the names that it gets as positional parameters, and the
// recipients that its report is for, by their index in the delivery.
type call struct {
	names   []string
	indexes []int
}

// plan returns the calls for a delivery and the sender to give them. Recipients that
// cannot be handed over are reported in refused.
func (a *Agent) plan(d *queue.Delivery, refused *queue.Outcome) (calls []call, sender string) {
	if a.carries {
		return a.batches(d, refused), d.ReversePath
	}
	sender = d.Envelope.From
	if d.Envelope.ReversePath != nil {
		sender = *d.Envelope.ReversePath
	}
	if sender == "<>" { // something that could not be kept
		sender = ""
	}
	refuse := func(i int, r queue.Report) {
		refused.Recipients, refused.Reports = append(refused.Recipients, i), append(refused.Reports, r)
	}
	var all call
	for i, rcpt := range d.Recipients {
		name, err := unquoted(rcpt.Address), error(nil)
		if a.forceUser == "" {
			err = checkName(name)
		}
		switch {
		case err != nil:
			refuse(i, failed(queue.ScopeRecipient, "5.1.3", fmt.Sprintf("recipient %q: %v", name, err)))
		case a.forceUser == "" && a.line.perRecipient:
			calls = append(calls, call{[]string{name}, []int{i}})
		default:
			all.names, all.indexes = append(all.names, name), append(all.indexes, i)
		}
	}
	if len(all.indexes) > 0 {
		if a.forceUser != "" {
			all.names = []string{a.forceUser}
		}
		calls = append(calls, all)
	}
	return calls, sender
}

// checkName refuses a name that a program could take for something other than a user's name.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("an empty name")
	case name[0] == '-':
		return errors.New("begins with a dash, as an option does")
	case hasControl(name):
		return errors.New("has control characters")
	}
	return nil
}

// unquoted returns an address without the quotes and backslashes that its local part needs on the
// wire (RFC 5321, 4.1.2): the name itself is what a user is called.
func unquoted(address string) string {
	if address == "" || address[0] != '"' {
		return address
	}
	var name strings.Builder
	for i := 1; i < len(address); i++ {
		switch c := address[i]; {
		case c == '"':
			return name.String() + address[i+1:]
		case c == '\\' && i+1 < len(address):
			i++
			name.WriteByte(address[i])
		default:
			name.WriteByte(c)
		}
	}
	return address
}

// returnPath returns the field with the sender that goes in front of the message. No sender keeps
// mail from the person it is for, so one that would break the line is left out.
func returnPath(sender string) string {
	if hasControl(sender) {
		sender = ""
	}
	return "Return-Path: <" + sender + ">\n"
}

// senderArgument returns the sender for %F, "" if a program could take it for something else.
func senderArgument(sender string) string {
	if checkName(sender) != nil {
		return ""
	}
	return sender
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// verify reads the content to its end. Reading it a second time for the agent costs next to no
// time, since it is in memory by then; a copy would take disk space.
func verify(content queue.Content) error {
	r, err := content.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

func delayed(scope queue.Scope, status, text string) queue.Report {
	return queue.Report{Action: queue.Delayed, Scope: scope, Status: status, Text: text}
}

func failed(scope queue.Scope, status, text string) queue.Report {
	return queue.Report{Action: queue.Failed, Scope: scope, Status: status, Text: text}
}

// unreadable is the report for a content that cannot be read to its end and verified.
func unreadable(err error) queue.Report {
	return delayed(queue.ScopeMessage, "4.3.0", "the message cannot be read from the queue: "+err.Error())
}
