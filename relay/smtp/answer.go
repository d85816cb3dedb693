package smtp

import "time"

// replies waits for a reply, and takes all that have come with it, so that their messages are
// recorded together.
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
			w.misled(err)
			return err
		}
		if w.unanswered == 0 {
			return nil
		}
		if a.more {
			a = <-w.pump.got
			continue
		}
		select {
		case a = <-w.pump.got:
		default:
			return nil
		}
	}
}

// unanswerable returns what the failure to read a reply comes to. Silence after an envelope that
// rides is the loss of the session: nothing was sent that would be worth a longer wait.
func (w *window) unanswerable(err *Error) *Error {
	tx := w.flight[w.replying()]
	if err.Kind == KindTimeout && tx.rides && tx.read == 0 && !w.c.RideProven {
		w.silent = true
		return &Error{At: err.At, Kind: KindLost, Host: err.Host, Text: err.Text}
	}
	lost := err.Kind == KindLost && tx.taken() && w.c.taken != ""
	if tx.m.Chunks && (lost || err.Kind == KindTimeout) { // the reply to RSET may be what was taken for that to the end
		tx.wrong = tx.taken() && w.c.misplaced(tx, false) || !tx.taken() && (tx.noisy() || w.c.early(tx))
	}
	return err
}

// goesOn gives some more time to a host that has said that it closes, and reports whether there
// is any left.
func (w *window) goesOn() bool {
	if time.Since(w.since) > closingTime || !w.limit.Stop() {
		return false
	}
	w.limit.Reset(w.c.cfg.Limits.Quit)
	return true
}

// take notes a reply. An error shows that we are out of step, and ends the session.
func (w *window) take(r *Reply) *Error {
	tx := w.flight[w.replying()]
	s := &tx.steps[tx.read]
	s.reply = r
	w.read = tx
	tx.read++
	w.unanswered--
	w.more = w.unanswered > 0 && !(tx.each && s.at == StageEnd) // those are due for what has been answered already
	w.octets -= int64(s.size)
	if r.Code == 421 {
		if tx.m.Chunks { // this may be for what is before or behind: replies stand where they have no place
			tx.wrong = s.at == StageRSET && tx.taken() && w.c.misplaced(tx, false) || s.at == StageEnd && w.c.early(tx)
		}
		w.close(w.c.refused(s.at, r))
	} else if err := w.place(tx, s, r); err != nil {
		return err
	}
	if s.at == StageMAIL && r.Positive() && w.c.mail == "" {
		w.c.mail = r.shape()
	}
	if tx.rides && tx.refusedRide() {
		return w.unride(tx)
	}
	if s.at == StageEnd {
		if end := tx.reply(StageEnd); end != nil {
			w.takeEnd(tx, end)
		}
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

// refusedRide reports whether the host has refused an envelope for going behind a final dot, and
// all replies to the envelope have come.
func (tx *transaction) refusedRide() bool {
	return tx.read == tx.sent && tx.steps[0].reply.Negative() && tx.steps[0].reply.Code != 421
}

// unride takes back an envelope that the host has refused for going behind a final dot: it is
// sent separately, and so are all others.
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
		before.over = before.taken() // else it was refused, and RSET is due
	}
	return nil
}

// settle reports the results of the messages at the front that are settled, and returns whether
// there were any.
func (w *window) settle() bool {
	if len(w.flight) == 0 || !w.flight[0].settled() {
		return false
	}
	if w.unanswered == 0 && w.closing == nil {
		// One reply too many shows before what it may have been meant for is recorded.
		if err := w.c.quiet(w.flight[0].last()); err != nil {
			w.misled(err)
			w.close(err)
		}
	}
	var all []Result
	for len(w.flight) > 0 && w.flight[0].settled() {
		tx := w.flight[0]
		w.flight = w.flight[1:]
		all = append(all, tx.result(w.c.w.taken))
		if tx.taken() && tx.m.Chunks && !tx.wrong {
			w.messages = min(w.messages+1, maxWindow)
		}
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

// owed notes whether the reply to the end of a message is still to come.
func (w *window) owed() {
	for _, tx := range w.flight {
		if tx.end <= w.c.w.gathered() && tx.reply(StageEnd) == nil {
			return
		}
	}
	w.c.owed.Store(false)
}

// fail reports the results of the messages in flight when the session has ended.
func (w *window) fail(err *Error, byHost bool) {
	var all []Result
	// Interrupted, it is not known what the host would have done next.
	last := w.closingReply(byHost || err.Kind == KindStopped)
	unread, first := false, true
	for _, tx := range w.flight {
		tx.close()
		tx.wrong = tx.wrong || tx.rider != nil && w.unproven(tx, err) || tx.m.Chunks && !tx.sure && w.unsaid(tx, err, byHost)
		if tx.rides && !w.c.RideProven && err.Kind != KindReply && err.Kind != KindStopped {
			w.c.RideLost = true
		}
		r := tx.result(w.c.w.taken)
		r.Unread = unread
		switch {
		case tx.misfit(): // the last one in flight, and not to blame
			w.c.RideRefused = w.c.RideRefused || tx.steps[0].reply.Code != 421
			r.Err, first = err, false
		case last != nil && tx == w.read:
			r = tx.without(last, w.c.w.taken)
			unread = byHost
			r.Unread = byHost && r.End == nil
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

// closingReply returns the step with the last reply before the host closed the connection by
// itself, if that reply is negative and more had been sent by then; otherwise nil.
func (w *window) closingReply(byHost bool) *step {
	if !byHost || !w.more || w.read.read == 0 {
		return nil
	}
	if s := &w.read.steps[w.read.read-1]; s.reply.Negative() {
		return s
	}
	return nil
}

// without returns the result, with the reply to s as the one that the host closed with.
func (tx *transaction) without(s *step, passed int64) Result {
	reply := s.reply
	s.reply = nil
	r := tx.result(passed)
	s.reply = reply
	r.Closing, r.ClosingAt = reply, s.at
	return r
}
