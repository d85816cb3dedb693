package smtp

import "slices"

// place judges whether a reply stands in its place. An error shows that it does not, and ends the session.
func (w *window) place(tx *transaction, s *step, r *Reply) *Error {
	c := w.c
	switch {
	case s.probe != 0 && r.Class() == s.probe && tx.reply(StageRSET).Negative():
		return nil // this may be that refusal, one reply late: it proves nothing
	case s.probe != 0 && r.Class() == s.probe:
		tx.sure, tx.wrong, c.guessed = true, false, false
	case s.probe != 0:
		tx.wrong = !tx.sure && !tx.declined() || tx.taken() && c.misplaced(tx, false)
		return c.garbage(s.at, r)
	case s.at == StageEnd && r.Positive() && tx.end > c.w.taken:
		tx.wrong = true // the host cannot have had all of it
		return c.garbage(s.at, r)
	case s.at == StageRSET:
		return w.takeReset(tx, r)
	case r.Class() == 3 && tx.m.Chunks:
		// 354 is the reply to nothing in a series. What comes behind it still says what became of
		// the others, and of this one.
		tx.garbled, tx.wrong = c.garbage(s.at, r), true
		w.close(tx.garbled)
	case r.Class() == 3 && (s.at != StageDATA || r.Code != 354), r.Positive() && s.at == StageDATA:
		return c.garbage(s.at, r)
	}
	return nil
}

// takeEnd notes the reply to the end of a message.
func (w *window) takeEnd(tx *transaction, r *Reply) {
	c := w.c
	if tx.m.Chunks {
		tx.wrong = tx.wrong && !r.Negative() // it is refused, be this the reply to the end or to the chunk before
		return
	}
	if !r.Positive() && tx.rider == nil {
		tx.over = w.closing != nil // else RSET is due
	}
	shape := r.shape()
	words := c.reset != "" && !c.Uniform()
	tx.odd = r.noisy && !(words && shape == c.taken) || c.saysReset(r)
	tx.known = words && tx.taken() && !tx.odd
	if tx.taken() && !tx.odd {
		c.taken = shape
	}
}

// takeReset notes a reply to RSET. After a message sent in chunks its words show whether we are
// in step.
func (w *window) takeReset(tx *transaction, r *Reply) *Error {
	c := w.c
	switch {
	case r.Class() == 3 && !tx.m.Chunks:
		return c.garbage(StageRSET, r)
	case r.Class() == 3:
		tx.wrong = tx.taken() && c.misplaced(tx, c.guessed)
		w.astray = tx
		w.close(c.garbage(StageRSET, r))
		return nil
	case r.Negative():
		tx.wrong = tx.wrong || tx.odd || tx.m.Chunks && tx.taken() && (c.misplaced(tx, true) || c.early(tx))
		if !tx.rides || tx.read != 1 {
			w.close(c.refused(StageRSET, r))
		}
		return nil
	case tx.m.Chunks:
		return w.compare(tx, r)
	case tx.rides && tx.read == 1:
		if before := w.flight[0]; before.rider == tx && !before.taken() && c.reset != "" && !c.Uniform() {
			before.odd = before.odd || r.shape() != c.reset
		}
		if w.crossed(tx, r) {
			return c.garbage(StageRSET, r)
		}
		c.RideProven = true
	}
	if c.reset == "" {
		c.reset = r.shape()
	}
	return nil
}

// compare compares the words of a reply to RSET behind a message sent in chunks with those known.
func (w *window) compare(tx *transaction, r *Reply) *Error {
	c, shape := w.c, r.shape()
	switch {
	case c.reset == "" && (shape != c.mail || tx.m.Check):
		c.reset, c.guessed = shape, true
	case !c.Steady:
	case shape != c.reset: // or, where none are known yet, those of MAIL, which it does not share
		tx.wrong = !tx.taken() || c.misplaced(tx, true)
		err := c.garbage(StageRSET, r)
		err.Text = c.cfg.Name + " is out of step: it answered " + r.String() + " where its reply to RSET should be"
		return err
	case !c.guessed && !c.Uniform():
		tx.sure = true
		tx.wrong = tx.taken() && tx.garbled != nil // 354 was one too many, so one reply is missing before it, or it was in the place of one
		if tx.taken() {
			c.taken = tx.reply(StageEnd).shape()
		}
	}
	return nil
}

// misled marks as out of step what err shows to be: what is in flight, and with it what had
// seemed to be confirmed.
func (w *window) misled(err *Error) {
	w.doubt(err)
	tx := w.read
	switch {
	case tx == nil || err.Kind != KindGarbage:
	case tx.m.Chunks:
		tx.wrong = tx.wrong || tx.reply(StageEnd) != nil && !tx.sure && !tx.declined() && w.c.Uniform()
	default:
		tx.wrong = tx.wrong || tx.odd || !tx.anchored()
	}
}

// misplaced reports whether the reply to the end of a message looks like one to another command.
// extra says that there is a reply too many rather than too few.
func (c *Conn) misplaced(tx *transaction, extra bool) bool {
	end := tx.reply(StageEnd)
	switch shape := end.shape(); {
	case c.taken != "" && c.taken != c.reset:
		return shape != c.taken
	case end.noisy, c.saysReset(end):
		return true
	case c.taken != "":
		return shape != c.taken
	}
	return extra
}

// early reports whether a chunk was answered in the words of a reply to the end of a message, or to RSET.
func (c *Conn) early(tx *transaction) bool {
	return slices.ContainsFunc(tx.steps, func(s step) bool {
		return s.at == StageChunk && s.reply != nil && (c.taken != "" && s.reply.shape() == c.taken || c.saysReset(s.reply))
	})
}

// unproven reports whether the reply to the end of a message may be one to the envelope that rides behind it, now
// that err has ended the session.
func (w *window) unproven(tx *transaction, err *Error) bool {
	switch {
	case tx.odd:
		words := w.c.reset != "" && !w.c.Uniform()
		return !tx.taken() || w.c.saysReset(tx.reply(StageEnd)) || !words && tx.rider.misfit()
	case tx.known || err.Kind != KindTimeout:
		return false
	}
	if tx.taken() && tx.rider.read != tx.rider.sent-1 {
		return false
	}
	for i := range tx.rider.steps[:tx.rider.read] {
		if r := tx.rider.steps[i].reply; !r.Negative() || r.noisy {
			return false
		}
	}
	return tx.rider.read > 0 // all was refused, one reply is missing, and no line stands where it was due
}

// unsaid reports whether the replies to a message in chunks may be others', now that err has ended the session and its RSET has
// confirmed nothing: 354 came for a RSET before it; its end is accepted and nobody was; or its end is refused and the host fell
// silent, so that this may be the refusal of RSET.
func (w *window) unsaid(tx *transaction, err *Error, byHost bool) bool {
	end := tx.reply(StageEnd)
	switch {
	case w.astray != nil && tx != w.astray:
		return true
	case !tx.accepted():
		return end.Positive()
	}
	if byHost || err.Kind == KindStopped || !end.Negative() || tx.reply(StageRSET) != nil {
		return false
	}
	return end.Code != 421 || w.c.early(tx) // 421 announces the silence
}

// doubt marks unconfirmed messages in flight as out of step, if err shows that.
func (w *window) doubt(err *Error) {
	for _, tx := range w.flight {
		if tx == w.read && tx.m.Chunks {
			continue // see misled
		}
		if err.Kind == KindGarbage && !tx.settled() && (tx.odd || !tx.anchored()) {
			tx.wrong = true
		}
	}
}

// Uniform reports whether the host answers RSET as it answers MAIL. Its words then show nothing.
func (c *Conn) Uniform() bool { return c.reset != "" && c.reset == c.mail }

// crossed reports whether the reply to a dot and r, that to RSET behind it, are not in their places by their words: r has
// those of a reply to a dot, or the dot was answered in those of RSET.
func (w *window) crossed(tx *transaction, r *Reply) bool {
	c, before := w.c, w.flight[0]
	if c.reset == "" || c.Uniform() || c.taken == c.reset {
		return false
	}
	return c.taken != "" && c.taken != c.mail && r.shape() == c.taken ||
		before.rider == tx && before.odd && before.taken() && c.saysReset(before.reply(StageEnd))
}

// saysReset reports whether r has the words of this host's replies to RSET, which no other has.
func (c *Conn) saysReset(r *Reply) bool { return c.reset != "" && !c.Uniform() && r.shape() == c.reset }
