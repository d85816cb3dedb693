package relay

import (
	"errors"
	"fmt"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

const (
	// longLine is the longest line that SMTP allows, without its end (RFC 5321, 4.5.3.1.6). A
	// host that refuses a longer one may end the connection, in the middle of other mail.
	longLine = 998
	// seriesRecipients is how many recipients a message of a series has at most: its commands fit
	// into one flight.
	seriesRecipients = 45
	// largeMessage is the size from which it is worth asking for a limit that a host only states
	// after the login.
	largeMessage = 1 << 20
)

// local is a failure found before anything was sent.
func local(on smtp.Kind, format string, args ...any) *smtp.Error {
	return &smtp.Error{At: smtp.StageLocal, Kind: on, Text: fmt.Sprintf(format, args...)}
}

// Next implements smtp.Feed.
func (w *worker) Next(ahead bool) *smtp.Message {
	if ahead && w.host.renames {
		return nil // what it becomes depends on what the host says to the one before
	}
	for !w.over() && !w.anew && w.broken == nil {
		t := w.take(!ahead)
		if t == nil {
			return nil
		}
		switch {
		case ahead && w.lacks(t):
			w.putBack(t)
			return nil // the host is asked when nothing is in flight
		case !ahead:
			if w.broken = w.ready(t); w.broken != nil {
				w.putBack(t)
				return nil
			}
		}
		if m := w.prepare(t); m != nil {
			w.flight[m] = *t
			return m
		}
	}
	return nil
}

// Ending implements smtp.Feed.
func (w *worker) Ending(m *smtp.Message) error {
	t := w.flight[m]
	rcpts := t.rcpts
	if t.whole() {
		rcpts = nil
	}
	if err := w.src.Sending(t.d, rcpts); err != nil {
		return fmt.Errorf("progress cannot be recorded: %w", err)
	}
	return nil
}

// lacks reports whether a task needs something that the host does not offer, and might offer
// after the login.
func (w *worker) lacks(t *task) bool {
	ext := w.conn.Extensions()
	if !w.conn.LoggedIn() || w.askedInVain >= 2 {
		return false
	}
	switch {
	case !ext.Has("SMTPUTF8") && needsUTF8(t):
		return true
	case !ext.Has("REQUIRETLS") && t.d.Envelope.RequireTLS:
		return true
	case !ext.Has("FUTURERELEASE") && !t.d.HoldUntil.IsZero():
		return true
	case !ext.Has("DSN") && wantsDSN(t):
		return true
	}
	return ext.SizeLimit() == 0 && ext.Has("SIZE") && t.d.Content.WireSize() > largeMessage
}

// needsUTF8 reports whether an address of a task can only be sent with SMTPUTF8.
func needsUTF8(t *task) bool {
	if _, _, err := smtp.WireAddress(t.d.ReversePath, false); errors.Is(err, smtp.ErrUTF8Local) {
		return true
	}
	for _, i := range t.rcpts {
		if _, _, err := smtp.WireAddress(t.d.Recipients[i].Address, false); errors.Is(err, smtp.ErrUTF8Local) {
			return true
		}
	}
	return false
}

// wantsDSN reports whether the submitter asked for delivery status notifications.
func wantsDSN(t *task) bool {
	env := t.d.Envelope
	if env.Return != "" || env.EnvelopeID != "" {
		return true
	}
	for _, i := range t.rcpts {
		if t.d.Recipients[i].Notify != "" {
			return true
		}
	}
	return false
}

// ready finds out, while nothing is in flight, what a task needs to know of the host. An error is
// what ended the session.
func (w *worker) ready(t *task) *smtp.Error {
	if w.lacks(t) {
		if err := w.conn.Ask(); err != nil {
			w.askedInVain++
			return err
		}
	}
	w.series = false
	if !w.fits(t) || w.waiting()+1 < minSeries && !w.chunksWork {
		w.pool.grow(w)
		return nil
	}
	if !w.known.Drains {
		if err := w.host.probe(w.conn); err != nil {
			return err
		}
		w.known = w.host.memory.recall(w.conn.Fingerprint())
	}
	w.series = w.known.NoChunks == ""
	return nil
}

// fits reports whether a task may be sent in chunks, with others before and after it.
func (w *worker) fits(t *task) bool {
	return !w.host.renames && w.conn.Pipelining() && w.conn.Extensions().Has("CHUNKING") && w.known.NoChunks == "" &&
		!t.alone && !t.plain && len(t.rcpts) <= seriesRecipients &&
		t.d.Content.WireSize() > 2 && t.d.Envelope.MaxLine <= longLine
}

// prepare makes a message from a task, for what this host offers. Recipients that cannot be sent
// to this host are recorded; nil means that none are left.
func (w *worker) prepare(t *task) *smtp.Message {
	ext, f := w.conn.Extensions(), w.facts(t)
	env, size := t.d.Envelope, t.d.Content.WireSize()
	if limit := ext.SizeLimit(); limit > 0 && size > limit {
		return w.refuse(t, f, local(kindTooLarge, "the message has %d octets, %s takes %d at most", size, w.host.name, limit))
	}
	if env.RequireTLS {
		switch {
		case !w.conn.Verified():
			return w.refuse(t, f, local(kindRequireTLS, "the message may go by verified TLS only (REQUIRETLS), and the session with %s is not: set tls: starttls or implicit", w.host.name))
		case !ext.Has("REQUIRETLS"):
			return w.refuse(t, f, local(kindRequireTLS, "the message may go by TLS only, all the way (REQUIRETLS), and %s does not promise that: send it by another host, or without", w.host.name))
		}
	}
	hold, no := w.hold(t)
	if no != nil {
		w.record(t.outcome(t.all(*no)))
		return nil
	}
	utf8 := ext.Has("SMTPUTF8")
	m := &smtp.Message{
		Body: t.d.Content, UTF8: env.UTF8 && utf8, EightBit: t.d.Content.EightBit() || env.Body == "8BITMIME",
		Return: env.Return, EnvelopeID: env.EnvelopeID, RequireTLS: env.RequireTLS, Alone: t.alone, HoldUntil: hold,
	}
	if t.d.ReversePath != "" {
		from, needs, err := wire(t.d.ReversePath, utf8, kindSender, kindUTF8Sender)
		if err != nil {
			return w.refuse(t, f, err)
		}
		m.From, m.UTF8 = from, m.UTF8 || needs
	}
	w.recipients(t, f, m, utf8)
	if len(m.To) == 0 {
		return nil
	}
	if w.series && w.fits(t) {
		m.Chunks, m.Check = true, !w.known.Counts
		w.chunked = true
	}
	return m
}

// refuse records a failure for all recipients of a task.
func (w *worker) refuse(t *task, f *facts, err *smtp.Error) *smtp.Message {
	w.record(t.outcome(t.all(f.report(err))))
	return nil
}

// recipients puts the recipients of a task into m, and records those that cannot be sent to this
// host.
func (w *worker) recipients(t *task, f *facts, m *smtp.Message, utf8 bool) {
	reports := make([]queue.Report, len(t.rcpts))
	for k, i := range t.rcpts {
		rcpt := t.d.Recipients[i]
		addr, needs, err := wire(rcpt.Address, utf8, kindRecipient, kindUTF8)
		if err != nil {
			reports[k] = f.report(err)
			continue
		}
		m.UTF8 = m.UTF8 || needs
		m.To = append(m.To, smtp.Recipient{Address: addr, Notify: rcpt.Notify, Original: rcpt.Address})
	}
	if len(m.To) < len(t.rcpts) {
		w.record(*t.settle(reports))
		*t = *t.rest(reports)
	}
}

// wire returns an address as it goes over the wire, or the failure to represent it.
func wire(addr string, smtputf8 bool, bad, utf8 smtp.Kind) (string, bool, *smtp.Error) {
	s, needs, err := smtp.WireAddress(addr, smtputf8)
	switch {
	case err == nil:
		return s, needs, nil
	case errors.Is(err, smtp.ErrUTF8Local):
		bad = utf8
	}
	if len(addr) > 100 {
		addr = addr[:100] + "..."
	}
	return "", false, local(bad, "the address %q %v", addr, err)
}
