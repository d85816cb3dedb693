package smtp

import (
	"io"
	"strconv"
	"time"
)

// A Feed hands messages to Conn.Carry and takes what they have come to. Its methods are called by the goroutine
// that called Carry.
type Feed interface {
	// Next returns the next message, nil where there is none now. With ahead, others are in flight: it must not wait
	// for anything.
	Next(ahead bool) *Message
	// Ending is called before the last octets of a message are sent: from now on the host may take it. An error
	// keeps them from being sent, and ends the session.
	Ending(m *Message) error
	// Results takes what messages have come to, in the order of Next, before anything else is sent. After an error
	// nothing more is sent, and the session ends.
	Results(all []Result) error
}

const (
	// commandWindow is how many commands of an envelope are in flight at most. A usual reply to each fits into the socket
	// buffers together, so the host never has to stop reading for our not reading (RFC 2920, 3.1), and each
	// further recipient costs a fiftieth of a round trip.
	commandWindow = 50
	// firstWindow is how many messages sent in chunks may be in flight at first. Each that
	// is accepted widens it by one, up to maxWindow: over a long link the window is what
	// goes out in one round trip, and a host that keeps up is worth the risk.
	firstWindow = 32
	maxWindow   = 64
	// windowOctets is how much content may be in flight. One chunk may always be.
	windowOctets = 1 << 20
	// maxUnanswered is how many commands may be in flight.
	maxUnanswered = 512
	// rideTime is how long the first reply to an envelope may take that went behind a final dot, once that is
	// answered: both were with the host at the same time.
	rideTime = 5 * time.Second
	// closingTime bounds how long a host is listened to that has said that it closes.
	closingTime = time.Minute
)

// A window is the one loop over commands and messages: it sends what may be sent, then takes the replies that are
// there.
type window struct {
	c    *Conn
	feed Feed
	pump *pump

	flight  []*transaction // begun and not reported, in order
	pending *Message       // drawn, and to be begun once nothing is in flight
	chunks  chunker        // of the last in flight
	chunk   []byte         // cut and not sent
	last    bool           // chunk is the last
	enc     encoder        // likewise, for DATA
	src     blockSource

	messages   int   // how many sent in chunks may be in flight
	octets     int64 // of chunks in flight
	unanswered int   // commands in flight
	full       bool  // the window of commands was full, and has not been half empty since

	read    *transaction // the last whose step was answered
	more    bool         // and more had been sent by then
	cut     *Error       // why the last in flight cannot be completed: nothing more is sent
	closing *Error       // why nothing more is sent, while replies may still come
	silent  bool         // the session was given up because nothing came
	limit   *time.Timer
	since   time.Time // of closing
}

// Carry draws messages from feed until it has none, and reports what each has come to. An error is what ended the
// session, which is then closed; what it means for each message is in the results.
func (c *Conn) Carry(feed Feed) *Error {
	w := &window{c: c, feed: feed, pump: newPump(c), messages: firstWindow}
	defer c.owed.Store(false)
	err, byHost := w.run()
	if err != nil {
		c.Abort()
	}
	if w.limit != nil {
		w.limit.Stop()
	}
	w.pump.stop()
	if err != nil {
		w.fail(err, byHost)
	}
	return err
}

// run goes on until nothing is left to carry. An error is what ended the session; byHost says that it was the
// host's own end of the connection.
func (w *window) run() (err *Error, byHost bool) {
	for {
		w.settle()
		if err := w.fill(); err != nil {
			w.close(err)
		}
		if w.settle() {
			continue
		}
		switch {
		case w.unanswered > 0:
			if err := w.replies(); err != nil {
				return w.ended(err)
			}
		case w.closing != nil:
			return w.closing, w.closing.Kind == KindLost
		case w.cut != nil:
			return w.cut, false // only closing the connection ends a message that cannot be completed
		case len(w.flight) == 0 && w.pending == nil:
			return nil, false
		case w.c.ctx.Err() != nil:
			return stopped(StageMAIL), false
		}
	}
}

// ended returns what ended the session, when reading has failed.
func (w *window) ended(err *Error) (*Error, bool) {
	byHost := err.Kind == KindLost && !w.silent && (w.limit == nil || w.limit.Stop())
	if w.closing != nil && (byHost || err.Kind == KindLost) {
		return w.closing, byHost
	}
	return err, byHost
}

// close notes why nothing more is sent. Replies that still come are read: they say what became of what was sent.
func (w *window) close(err *Error) {
	if w.closing == nil {
		w.limit = w.c.giveUpAfter(w.c.cfg.Limits.Quit)
		w.since = time.Now()
	}
	if w.closing == nil || err.Kind == KindReply {
		w.closing = err
	}
}

// tail returns the last in flight, nil if there is none.
func (w *window) tail() *transaction {
	if len(w.flight) == 0 {
		return nil
	}
	return w.flight[len(w.flight)-1]
}

// fill sends what the window allows.
func (w *window) fill() *Error {
	for w.closing == nil && w.cut == nil && w.c.ctx.Err() == nil {
		tx := w.tail()
		var more bool
		var err *Error
		if tx != nil && !tx.over {
			more, err = w.advance(tx)
		} else {
			more = w.begin(tx)
		}
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if err := w.c.w.flush(); err != nil {
		return w.c.broken(w.awaited(), err)
	}
	return nil
}

// awaited returns the stage whose reply is the next to come.
func (w *window) awaited() Stage {
	for _, tx := range w.flight {
		if tx.read < tx.sent {
			return tx.steps[tx.read].at
		}
	}
	return StageDATA
}

// begin begins with a message behind tail, and reports whether there was one that may be begun now.
func (w *window) begin(tail *transaction) bool {
	m := w.pending
	switch {
	case m != nil && tail != nil:
		return false
	case m != nil && w.c.Worn():
		w.pending = nil
		w.report([]Result{{Message: m, Rcpt: make([]*Reply, len(m.To))}})
		return false
	case m != nil:
		w.pending = nil
	case !w.open(tail):
		return false
	default:
		if m = w.feed.Next(tail != nil); m == nil {
			return false
		}
		if tail != nil && !follows(m, tail) {
			w.pending = m
			return false
		}
	}
	w.start(m, tail)
	return true
}

// open reports whether a message may be begun behind tail.
func (w *window) open(tail *transaction) bool {
	c := w.c
	switch {
	case c.Worn():
		return false
	case tail == nil:
		return true
	case tail.m.Alone, tail.m.Check, !c.Pipelining():
		return false
	case tail.m.Chunks:
		return len(w.flight) < w.messages && w.octets < windowOctets && w.unanswered+commandWindow < maxUnanswered
	case tail.confirm > 0:
		return false // refused, and it is not known yet what follows for others
	}
	return c.Ride && len(w.flight) == 1
}

// follows reports whether m may be in flight behind tail.
func follows(m *Message, tail *transaction) bool {
	return !m.Alone && !m.Check && m.Chunks == tail.m.Chunks
}

// start puts a message in flight. What is wrong with its content is found before anything of it is sent, as
// far as its first chunk goes.
func (w *window) start(m *Message, tail *transaction) {
	c := w.c
	tx := newTransaction(m, c.ext)
	if tail != nil && !m.Chunks { // behind the final dot
		tx.rides = true
		tail.rider = tx
		tx.envelope(c.ext, true)
	}
	if err := w.openBody(tx); err != nil {
		tx.close()
		tx.local = err
		tx.steps, tx.over = nil, true
		if tx.rides {
			tail.rider = nil
		}
	}
	w.flight = append(w.flight, tx)
}

// openBody opens the content of a transaction and cuts its first chunk.
func (w *window) openBody(tx *transaction) *Error {
	body, err := tx.m.Body.Open()
	if err != nil {
		return unreadable("cannot be opened", err)
	}
	tx.body = body
	w.src.begin(body)
	if !tx.m.Chunks {
		return nil
	}
	w.chunks.begin(body, tx.m.Body.WireSize())
	if w.chunk, w.last, err = w.chunks.next(); err != nil {
		return unreadable("cannot be read to its end", err)
	}
	return nil
}

// unreadable is the error of a content.
func unreadable(how string, err error) *Error {
	return &Error{At: StageLocal, Kind: KindContent, Text: "the content " + how + ": " + err.Error()}
}

// advance sends what comes next of a transaction, and reports whether there was anything that may be sent now.
func (w *window) advance(tx *transaction) (bool, *Error) {
	switch {
	case tx.sent < len(tx.steps):
		return w.command(tx)
	case tx.m.Chunks:
		return w.sendChunk(tx)
	case tx.read < tx.sent:
		return false, nil // the reply to DATA decides
	}
	return w.sendContent(tx)
}

// command sends the next command of a transaction, unless the host has refused what goes before it.
func (w *window) command(tx *transaction) (bool, *Error) {
	s := &tx.steps[tx.sent]
	mail := tx.reply(StageMAIL)
	refused := mail != nil && !mail.Positive() || s.at == StageDATA && tx.read == tx.sent && !tx.accepted()
	if refused && tx.confirm == 0 {
		tx.steps = tx.steps[:tx.sent]
		if tx.read == tx.sent {
			w.conclude(tx)
		}
		return tx.read == tx.sent, nil
	}
	if !w.room(tx) {
		return false, nil
	}
	return true, w.send(tx)
}

// room reports whether the window has room for another command.
func (w *window) room(tx *transaction) bool {
	switch {
	case tx.m.Alone || !w.c.Pipelining():
		return w.unanswered == 0
	case tx.m.Chunks:
		return w.unanswered < maxUnanswered
	case w.unanswered >= commandWindow:
		w.full = true
	case w.unanswered <= commandWindow/2:
		w.full = false
	}
	return !w.full
}

// send gathers the next command of a transaction.
func (w *window) send(tx *transaction) *Error {
	c := w.c
	s := &tx.steps[tx.sent]
	if w.unanswered == 0 && len(c.w.buf) == 0 {
		if err := c.quiet(s.at); err != nil {
			w.doubt(err)
			return err
		}
	}
	if err := c.w.command(s.line); err != nil {
		return c.broken(s.at, err)
	}
	if s.chunk != "" {
		c.w.command(s.chunk)
	}
	if s.at == StageMAIL {
		c.Begun++
	}
	w.sentStep(tx)
	if tx.confirm > 0 && tx.sent == len(tx.steps) {
		tx.over = true
	}
	return nil
}

// sentStep notes that the next step of a transaction has been gathered.
func (w *window) sentStep(tx *transaction) {
	s := &tx.steps[tx.sent]
	limit := w.c.cfg.Limits.of(s.at)
	if tx.rides && tx.sent == 0 && !w.c.RideProven {
		limit = min(limit, rideTime)
	}
	tx.sent++
	w.unanswered++
	w.pump.want <- expected{s.at, limit}
}

// doubt marks what is in flight and not confirmed as out of step, where err shows that.
func (w *window) doubt(err *Error) {
	for _, tx := range w.flight {
		tx.wrong = tx.wrong || err.Kind == KindGarbage && !tx.settled()
	}
}

// conclude ends a transaction by RSET, whose reply confirms what was said before it.
func (w *window) conclude(tx *transaction) {
	tx.close()
	tx.confirm = len(tx.steps)
	tx.steps = append(tx.steps, step{at: StageRSET, line: "RSET"})
	if tx.m.Check {
		tx.steps = append(tx.steps,
			step{at: StageProbe, line: "BDAT 6 LAST", chunk: "NOOP", probe: 5},
			step{at: StageRSET, line: "RSET"})
		tx.confirm += 2
	}
}

// sendContent sends the content of a transaction by DATA as far as its final dot, once the host asks for it.
func (w *window) sendContent(tx *transaction) (bool, *Error) {
	c := w.c
	data := tx.reply(StageDATA)
	switch {
	case data == nil || data.Code != 354 || tx.reply(StageEnd) != nil: // refused
		w.conclude(tx)
		return true, nil
	case !tx.reply(StageMAIL).Positive() || !tx.accepted():
		// Only closing the connection keeps an empty message from being completed, for whomever the host may
		// have in mind.
		tx.over = true
		return false, &Error{At: StageDATA, Kind: KindGarbage, Host: c.cfg.Name,
			Text: c.cfg.Name + " asks for the content of a message that it has refused"}
	}
	if err := c.quiet(StageDATA); err != nil {
		w.doubt(err)
		return false, err
	}
	w.enc.begin(true)
	tx.begun = true
	for {
		p, err := w.src.next()
		if c.w.content(&w.enc, p) != nil {
			return false, w.cutShort(tx)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, w.damaged(tx, err)
		}
	}
	return true, w.endContent(tx)
}

// cutShort notes that the host does not take the rest of a content. It may say why.
func (w *window) cutShort(tx *transaction) *Error {
	tx.over = true
	tx.steps = append(tx.steps, step{at: StageEnd})
	err := w.c.broken(StageDATA, w.c.w.err)
	w.sentStep(tx)
	return err
}

// damaged returns the error of a content that cannot be read to its end.
func (w *window) damaged(tx *transaction, err error) *Error {
	tx.over = true
	tx.local = unreadable("cannot be read to its end", err)
	return tx.local
}

// endContent sends the final dot.
func (w *window) endContent(tx *transaction) *Error {
	c := w.c
	tx.close()
	tx.over = true
	if err := c.quiet(StageDATA); err != nil {
		if err.Kind == KindReply { // to the content, before its end
			tx.steps = append(tx.steps, step{at: StageEnd, reply: err.Reply})
			tx.sent, tx.read = tx.sent+1, tx.read+1
		}
		w.doubt(err)
		return err
	}
	if err := w.ending(tx); err != nil {
		return err
	}
	c.w.show("(the content, " + strconv.FormatInt(tx.m.Body.WireSize(), 10) + " octets)")
	c.w.room(grown(3))
	c.w.buf = w.enc.end(c.w.buf)
	tx.steps = append(tx.steps, step{at: StageEnd})
	c.w.command(".")
	tx.end = c.w.gathered()
	w.sentStep(tx)
	return nil
}

// ending notes that the end of a message is about to be sent, or returns why it must not be.
func (w *window) ending(tx *transaction) *Error {
	if !w.c.owe() {
		return stopped(StageDATA)
	}
	if err := w.feed.Ending(tx.m); err != nil {
		tx.local = &Error{At: StageLocal, Kind: KindFeed, Text: err.Error()}
		return tx.local
	}
	return nil
}

// sendChunk sends the next chunk of a transaction, or ends it where none is left or the host has refused it.
func (w *window) sendChunk(tx *transaction) (bool, *Error) {
	switch {
	case tx.end <= w.c.w.gathered() || tx.hopeless():
		w.conclude(tx)
		return true, nil
	case tx.begun && (w.octets > windowOctets-chunkSize || w.unanswered >= maxUnanswered-4):
		return false, nil
	}
	if w.last {
		if err := w.ending(tx); err != nil {
			w.cut = err
			return false, nil
		}
	}
	s := bdat(len(w.chunk), w.last)
	tx.steps = append(tx.steps, s)
	w.octets += int64(s.size)
	if err := w.send(tx); err != nil {
		return false, err
	}
	tx.begun = true
	w.c.w.addBytes(w.chunk)
	if w.last {
		tx.close()
		if tx.end = w.c.w.gathered(); w.c.w.err == nil {
			return true, nil
		}
		return false, w.c.broken(StageDATA, w.c.w.err)
	}
	var err error
	if w.chunk, w.last, err = w.chunks.next(); err != nil {
		w.damaged(tx, err)
		w.cut = tx.local
	}
	return w.cut == nil, nil
}
