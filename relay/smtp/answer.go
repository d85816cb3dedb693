package smtp

import "time"

// replies waits for a reply, and takes all that have come with it: what they decide about is recorded together.
func (w *window) replies() *Error {
	a := <-w.pump.got
	for {
		if a.err != nil {
			return w.unanswerable(a.err)
		}
		if w.limit != nil && !w.goesOn() {
			return &Error{At: w.awaited(), Kind: KindTimeout, Host: w.c.cfg.Name,
				Text: w.c.cfg.Name + " said that it closes the connection, and did not"}
		}
		if err := w.take(a.r); err != nil {
			w.doubt(err)
			w.read.wrong = true
			return err
		}
		if w.unanswered == 0 {
			return nil
		}
		select {
		case a = <-w.pump.got:
		default:
			return nil
		}
	}
}

// unanswerable returns what the failure to read a reply comes to. Silence after an envelope that rides is the loss of
// the session: nothing was sent that would be worth a longer wait.
func (w *window) unanswerable(err *Error) *Error {
	tx := w.flight[w.replying()]
	if err.Kind == KindTimeout && tx.rides && tx.read == 0 && !w.c.RideProven {
		w.silent = true
		return &Error{At: err.At, Kind: KindLost, Host: err.Host, Text: err.Text}
	}
	return err
}

// goesOn gives a host that has said that it closes some more time, and reports whether there is any left.
func (w *window) goesOn() bool {
	if time.Since(w.since) > closingTime || !w.limit.Stop() {
		return false
	}
	w.limit.Reset(w.c.cfg.Limits.Quit)
	return true
}

// take notes a reply. An error is what shows that we are out of step, and ends the session.
func (w *window) take(r *Reply) *Error {
	tx := w.flight[w.replying()]
	s := &tx.steps[tx.read]
	s.reply = r
	w.read = tx
	tx.read++
	w.unanswered--
	w.more = w.unanswered > 0
	w.octets -= int64(s.size)
	c := w.c
	switch {
	case r.Code == 421:
		w.close(c.refused(s.at, r))
	case s.probe != 0:
		if r.Class() != s.probe {
			return c.garbage(s.at, r)
		}
	case s.at == StageRSET:
		if err := w.takeReset(tx, r); err != nil {
			return err
		}
	case r.Class() == 3 && (s.at != StageDATA || r.Code != 354), r.Positive() && s.at == StageDATA:
		return c.garbage(s.at, r)
	}
	if tx.rides && tx.refusedRide() {
		return w.unride(tx)
	}
	if s.at == StageEnd && !tx.m.Chunks && !r.Positive() && tx.rider == nil {
		tx.over = w.closing != nil // else RSET is due
	}
	return nil
}

// replying returns the index in flight of the transaction that the next reply belongs to.
func (w *window) replying() int {
	for i, tx := range w.flight {
		if tx.read < tx.sent {
			return i
		}
	}
	panic("smtp: a reply that nothing was sent for")
}

// takeReset notes a reply to RSET. Behind a message sent in chunks its words show whether we are in step.
func (w *window) takeReset(tx *transaction, r *Reply) *Error {
	c := w.c
	switch {
	case r.Class() == 3:
		return c.garbage(StageRSET, r)
	case r.Negative():
		if !tx.rides || tx.read != 1 {
			w.close(c.refused(StageRSET, r))
		}
		return nil
	case tx.rides && tx.read == 1:
		c.RideProven = true
	}
	if !c.Steady || !tx.m.Chunks {
		return nil
	}
	if c.reset == "" {
		c.reset = r.shape()
	}
	if r.shape() != c.reset {
		err := c.garbage(StageRSET, r)
		err.Text = c.cfg.Name + " is out of step: it answered " + r.String() + " where its reply to RSET should be"
		return err
	}
	return nil
}

// refusedRide reports whether the host has refused an envelope for going behind a final dot, and all replies to
// it are here.
func (tx *transaction) refusedRide() bool {
	return tx.read == tx.sent && tx.steps[0].reply.Negative() && tx.steps[0].reply.Code != 421
}

// unride takes back an envelope that the host has refused for going behind a final dot: it goes in a flight of its
// own, and so do all others.
func (w *window) unride(tx *transaction) *Error {
	c := w.c
	for i := range tx.steps[:tx.sent] {
		if r := tx.steps[i].reply; !r.Negative() {
			return c.garbage(tx.steps[i].at, r)
		}
	}
	if w.closing != nil {
		return nil
	}
	c.Ride, c.RideRefused = false, true
	c.Note("this host refuses what is sent behind a message: not done from now on")
	tx.close()
	w.flight = w.flight[:len(w.flight)-1]
	w.pending = tx.m
	if before := w.tail(); before != nil {
		before.rider = nil
		if !before.taken() {
			before.over = false // RSET is due
		}
	}
	return nil
}

// settle reports the messages at the front that have come to something, and reports whether there were any.
func (w *window) settle() bool {
	var all []Result
	for len(w.flight) > 0 && w.flight[0].settled() {
		tx := w.flight[0]
		w.flight = w.flight[1:]
		all = append(all, tx.result(w.c.w.tried))
		if tx.taken() && tx.m.Chunks {
			w.messages = min(w.messages+1, maxWindow)
		}
	}
	if len(all) == 0 {
		return false
	}
	w.owed()
	w.report(all)
	return true
}

// report hands results to the feed.
func (w *window) report(all []Result) {
	if err := w.feed.Results(all); err != nil && w.closing == nil {
		w.close(&Error{At: StageLocal, Kind: KindFeed, Text: err.Error()})
	}
}

// owed says whether the reply to the end of a message is still to come.
func (w *window) owed() {
	for _, tx := range w.flight {
		if tx.end <= w.c.w.gathered() && tx.reply(StageEnd) == nil {
			return
		}
	}
	w.c.owed.Store(false)
}

// fail reports what is in flight when the session has ended.
func (w *window) fail(err *Error, byHost bool) {
	var all []Result
	last := w.closingReply(byHost)
	unread, first := false, true
	for _, tx := range w.flight {
		tx.close()
		if tx.rides && !w.c.RideProven && err.Kind != KindReply && err.Kind != KindStopped {
			w.c.RideLost = true
		}
		r := tx.result(w.c.w.tried)
		r.Unread = unread
		if last != nil && tx == w.read {
			r = tx.without(last, w.c.w.tried)
			unread = closes(last)
			r.Unread = unread && r.End == nil
		}
		if r.Err == nil && (!tx.answered() || tx.wrong || r.Closing != nil) {
			r.Err = err
			r.First = first
		}
		first = first && r.Err == nil
		all = append(all, r)
	}
	w.flight = nil
	if w.pending != nil {
		all = append(all, Result{Message: w.pending, Rcpt: make([]*Reply, len(w.pending.To)), Err: err})
		w.pending = nil
	}
	if len(all) > 0 {
		w.feed.Results(all)
	}
}

// closingReply returns the step whose reply was the last before the host ended the connection on its own, if that
// is negative and more had been sent by then; else nil.
func (w *window) closingReply(byHost bool) *step {
	if !byHost || !w.more || w.read.read == 0 {
		return nil
	}
	if s := &w.read.steps[w.read.read-1]; s.reply.Negative() {
		return s
	}
	return nil
}

// closes reports whether a reply may have announced that the host closes the connection, whatever it was an
// answer to: nothing behind it was read. A refusal of a recipient, or of a content, is hardly that.
func closes(s *step) bool {
	r := s.reply
	return r.Code == 421 || r.Code >= 500 && r.Code <= 504 || s.at == StageRSET || s.at == StageMAIL
}

// without returns the result with the reply to s as the one that the host closed with.
func (tx *transaction) without(s *step, tried int64) Result {
	reply := s.reply
	s.reply = nil
	r := tx.result(tried)
	s.reply = reply
	r.Closing, r.ClosingAt = reply, s.at
	return r
}
