package relay

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"esmtpq/queue"
)

// A command is one command of a transaction, and the answer to it once it is there.
type command struct {
	at    stage
	line  string
	rcpt  int // for RCPT: the index in Delivery.Recipients
	reply *reply

	size int   // for BDAT: octets of the chunk behind it
	end  int64 // in a burst: how many octets of the session precede its end
}

// A transaction is one delivery on its way: what is known of each recipient, and,
// while it is on a session, the commands of its envelope.
type transaction struct {
	d       *queue.Delivery
	reports []queue.Report // Action "" while undecided
	deaths  int            // sessions that ended over this message in this run

	commands []command
	sent     int  // of commands, those written (perhaps still in the buffer)
	read     int  // of commands, those answered
	rode     bool // the commands went behind the final dot of the message before

	doubt *trouble // an answer in a burst that is not to be believed yet

	content io.ReadCloser // opened with the envelope, so that what cannot be read is not begun
}

func newTransaction(d *queue.Delivery) *transaction {
	return &transaction{d: d, reports: make([]queue.Report, len(d.Recipients))}
}

// settle gives t as the answer for every recipient that has none.
func (tx *transaction) settle(t *trouble) {
	for i := range tx.reports {
		if tx.reports[i].Action == "" {
			tx.reports[i] = t.report()
		}
	}
}

// settled tells whether every recipient has its answer.
func (tx *transaction) settled() bool {
	for i := range tx.reports {
		if tx.reports[i].Action == "" {
			return false
		}
	}
	return true
}

// parked returns the report that ends the lane, if there is one.
func (tx *transaction) parked() *queue.Report {
	for i := range tx.reports {
		if tx.reports[i].Scope == queue.ScopeIdentity {
			return &tx.reports[i]
		}
	}
	return nil
}

// rewind makes a transaction ready to be tried from its start on another session.
func (tx *transaction) rewind() {
	tx.close()
	tx.commands, tx.sent, tx.read, tx.rode, tx.doubt = nil, 0, 0, false, nil
	clear(tx.reports)
}

// close lets go of the content.
func (tx *transaction) close() {
	if tx.content != nil {
		tx.content.Close()
		tx.content = nil
	}
}

// begun tells whether commands have been written.
func (tx *transaction) begun() bool { return tx.sent > 0 }

// mail returns the answer to MAIL, nil while there is none.
func (tx *transaction) mail() *reply {
	for i := range tx.commands {
		if tx.commands[i].at == stageMAIL {
			return tx.commands[i].reply
		}
	}
	return nil
}

// accepted tells whether the host has accepted a recipient.
func (tx *transaction) accepted() bool {
	for i := range tx.commands[:tx.read] {
		if c := &tx.commands[i]; c.at == stageRCPT && c.reply.class() == 2 {
			return true
		}
	}
	return false
}

// local is trouble found before anything was sent.
func local(on event, format string, args ...any) *trouble {
	return &trouble{at: stageLocal, event: on, text: fmt.Sprintf(format, args...)}
}

// prepare writes the commands of a transaction for what this host offers. What
// cannot be sent to it is settled; without commands nothing is left to do.
func (tx *transaction) prepare(name string, ext extensions) {
	limit := ext.sizeLimit()
	if size := tx.d.Content.WireSize(); limit > 0 && size > limit {
		tx.settle(local(eventTooLarge, "the message has %d octets, %s takes %d at most", size, name, limit))
		return
	}
	smtputf8 := ext.has("SMTPUTF8")
	needsUTF8 := tx.d.Envelope.UTF8
	from := ""
	if tx.d.ReversePath != "" {
		var t *trouble
		if from, t = tx.wire(tx.d.ReversePath, smtputf8, &needsUTF8, eventSender, eventUTF8Sender); t != nil {
			tx.settle(t)
			return
		}
	}
	rcpts := tx.recipients(ext, smtputf8, &needsUTF8)
	if len(rcpts) == 0 {
		return
	}
	content, err := tx.d.Content.Open()
	if err != nil {
		tx.settle(local(eventDamaged, "the content cannot be opened: %v", err))
		return
	}
	tx.content = content
	tx.commands = append(tx.commands, command{at: stageMAIL, line: "MAIL FROM:<" + from + ">" + tx.mailParameters(ext, needsUTF8 && smtputf8)})
	tx.commands = append(tx.commands, rcpts...)
	tx.commands = append(tx.commands, command{at: stageDATA, line: "DATA"})
}

// wire returns an address for the wire, or the trouble with it.
func (tx *transaction) wire(addr string, smtputf8 bool, needsUTF8 *bool, bad, utf8 event) (string, *trouble) {
	s, needs, err := wireAddress(addr, smtputf8)
	*needsUTF8 = *needsUTF8 || needs
	switch {
	case err == nil:
		return s, nil
	case err == errUTF8Local:
		bad = utf8
	}
	return "", local(bad, "the address %q %v", cut(addr, 100), err)
}

// recipients returns the RCPT commands, and settles those that cannot be sent.
func (tx *transaction) recipients(ext extensions, smtputf8 bool, needsUTF8 *bool) []command {
	var all []command
	for i, rcpt := range tx.d.Recipients {
		addr, t := tx.wire(rcpt.Address, smtputf8, needsUTF8, eventRecipient, eventUTF8)
		if t != nil {
			tx.reports[i] = t.report()
			continue
		}
		line := "RCPT TO:<" + addr + ">"
		if ext.has("DSN") {
			line += rcptParameters(rcpt)
		}
		all = append(all, command{at: stageRCPT, line: line, rcpt: i})
	}
	return all
}

// mailParameters returns what follows the reverse-path, with a blank before each.
func (tx *transaction) mailParameters(ext extensions, utf8 bool) string {
	env := tx.d.Envelope
	var b strings.Builder
	if ext.has("SIZE") {
		b.WriteString(" SIZE=" + strconv.FormatInt(tx.d.Content.WireSize(), 10))
	}
	if ext.has("8BITMIME") && (tx.d.Content.EightBit() || env.Body == "8BITMIME") {
		b.WriteString(" BODY=8BITMIME")
	}
	if utf8 {
		b.WriteString(" SMTPUTF8")
	}
	if ext.has("DSN") {
		if env.Return == "FULL" || env.Return == "HDRS" {
			b.WriteString(" RET=" + env.Return)
		}
		if env.EnvelopeID != "" {
			b.WriteString(" ENVID=" + xtext(env.EnvelopeID))
		}
	}
	return b.String()
}

// rcptParameters returns what follows a forward-path where the host offers DSN
// (RFC 3461, section 4). An original recipient outside ASCII is left out: its form
// (RFC 6533) is understood by few, and the parameter is optional.
func rcptParameters(rcpt queue.Recipient) string {
	if !validNotify(rcpt.Notify) {
		return ""
	}
	s := " NOTIFY=" + rcpt.Notify
	if isASCII(rcpt.Address) {
		s += " ORCPT=rfc822;" + xtext(rcpt.Address)
	}
	return s
}

// validNotify tells whether s is a value of NOTIFY that asks for something.
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

// cut returns at most n octets of s.
func cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}
