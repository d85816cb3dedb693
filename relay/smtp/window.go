package smtp

import "time"

// A Feed hands messages to Conn.Carry and takes their results. Its methods are called by the
// goroutine that called Carry.
type Feed interface {
	// Next returns the next message, nil if there is none now. With ahead, others are in flight,
	// and Next must not wait for anything.
	Next(ahead bool) *Message
	// Ending is called before the last octets of a message are sent, after which the host may
	// take it. After an error they are not sent, and the session ends.
	Ending(m *Message) error
	// Results takes the results of messages, in the order of Next, before anything else is sent.
	// After an error nothing more is sent, and the session ends.
	Results(all []Result) error
}

const (
	// commandWindow is how many commands of an envelope are in flight at most. Usual replies to
	// all of them fit into the socket buffers, so the host never has to stop reading because we
	// do not read (RFC 2920, 3.1), and each further recipient costs a fiftieth of a round trip.
	commandWindow = 50
	// firstWindow is how many messages sent in chunks may be in flight at first. Each one that is
	// accepted widens the window by one, up to maxWindow: over a long link a window goes out in
	// each round trip, and a host that keeps up is worth the risk.
	firstWindow = 50
	maxWindow   = 64
	// windowOctets is how much content may be in flight. One chunk always may.
	windowOctets = 1 << 20
	// maxUnanswered is how many commands may be in flight.
	maxUnanswered = 512
	// rideTime is how long the first reply to an envelope that went behind a final dot may take
	// after the reply to the dot: the host got both at the same time.
	rideTime = 5 * time.Second
	// closingTime bounds how long we listen to a host that has said that it closes.
	closingTime = time.Minute
)

// A window is the one loop over commands and messages: it sends what may be sent, then takes the
// replies that have come.
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
	astray  *transaction // 354 came for RSET behind it: what is behind that is in step only if its own RSET shows it
	closing *Error       // why nothing more is sent, although replies may still come
	silent  bool         // the session was given up because nothing came
	limit   *time.Timer
	since   time.Time // of closing
}

// Carry draws messages from feed until it has none, and reports the result of each. An error is
// what ended the session, which is then closed; the results say what that means for each message.
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

// run goes on until nothing is left to carry. An error is what ended the session; byHost says
// that the host closed the connection.
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
		case w.cut != nil && len(w.flight) <= 1:
			return w.cut, false // only closing the connection ends a message that cannot be completed
		case w.unanswered > 0:
			if err := w.replies(); err != nil {
				return w.ended(err)
			}
		case w.closing != nil:
			if err := w.c.quiet(w.awaited()); err != nil {
				w.misled(err) // one reply too many
			}
			return w.closing, w.closing.Kind == KindLost
		case w.cut != nil:
			return w.cut, false
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

// close notes why nothing more is sent. Replies that still come are read, since they say what
// became of the messages in flight.
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

// begin begins a message after tail, and reports whether there was one that may be begun now.
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

// open reports whether a message may be begun after tail.
func (w *window) open(tail *transaction) bool {
	c := w.c
	switch {
	case c.Worn():
		return false
	case tail == nil:
		return true
	case tail.m.Alone, tail.m.Check, !c.Pipelining(), tail.local != nil && !tail.m.Chunks:
		return false
	case tail.m.Chunks:
		return len(w.flight) < w.messages && w.octets < windowOctets && w.unanswered+commandWindow < maxUnanswered
	case tail.confirm > 0:
		return false // refused, and it is not known yet what that means for others
	}
	return c.Ride && !c.cfg.LMTP && len(w.flight) == 1
}

// follows reports whether m may be in flight after tail.
func follows(m *Message, tail *transaction) bool {
	return !m.Alone && !m.Check && m.Chunks == tail.m.Chunks
}

// start puts a message in flight. A content that is damaged in its first chunk is noticed before
// anything of the message is sent.
func (w *window) start(m *Message, tail *transaction) {
	c := w.c
	tx := newTransaction(m, c.ext)
	tx.each = c.cfg.LMTP
	if tail != nil && !m.Chunks { // behind the final dot
		tx.rides = true
		tail.rider = tx
		tx.envelope(c.ext, true)
	}
	if err := w.openBody(tx); err != nil {
		tx.close()
		if tx.rides {
			tail.rider, w.pending = nil, m
			return
		}
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

// unreadable returns the error for a content.
func unreadable(how string, err error) *Error {
	return &Error{At: StageLocal, Kind: KindContent, Text: "the content " + how + ": " + err.Error()}
}

// advance sends the next part of a transaction, and reports whether there was any that may be
// sent now.
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

// command sends the next command of a transaction, unless the host has refused an earlier one.
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

// conclude ends a transaction by RSET, whose reply confirms the replies before it.
func (w *window) conclude(tx *transaction) {
	tx.close()
	tx.confirm = len(tx.steps)
	tx.steps = append(tx.steps, step{at: StageRSET, line: "RSET"})
	if tx.m.Check { // a command that is refused for certain
		tx.steps = append(tx.steps,
			step{at: StageProbe, line: "BDAT 6 LAST", chunk: "NOOP", probe: 5},
			step{at: StageRSET, line: "RSET"})
		tx.confirm += 2
	}
}
