package smtp

import (
	"io"
	"strconv"
)

// sendContent sends the content of a transaction by DATA, with its final dot, once the host asks
// for it.
func (w *window) sendContent(tx *transaction) (bool, *Error) {
	c := w.c
	data := tx.reply(StageDATA)
	switch {
	case data == nil || data.Code != 354 || tx.reply(StageEnd) != nil: // refused
		w.conclude(tx)
		return true, nil
	case !tx.reply(StageMAIL).Positive() || !tx.accepted():
		// Only closing the connection makes sure that no empty message is completed, whoever the
		// host would deliver it to.
		tx.over = true
		tx.wrong = c.quiet(StageDATA) != nil // 354 is not the last reply: the refusals may be another's
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

// cutShort notes that the host does not take the rest of a content. The host may still say why.
func (w *window) cutShort(tx *transaction) *Error {
	tx.over = true
	err := w.c.broken(StageDATA, w.c.w.err)
	w.sendEnd(tx)
	return err
}

// damaged returns the error for a content that cannot be read to its end.
func (w *window) damaged(tx *transaction, err error) *Error {
	tx.over = true
	tx.local = unreadable("cannot be read to its end", err)
	return tx.local
}

// endContent sends the final dot.
func (w *window) endContent(tx *transaction) *Error {
	c := w.c
	tx.close()
	if err := c.quiet(StageDATA); err != nil {
		if err.Kind == KindReply { // a reply to the content, before its end
			tx.over = true
			end := tx.endSteps()[0]
			end.reply = err.Reply
			tx.steps = append(tx.steps, end)
			tx.sent, tx.read = tx.sent+1, tx.read+1
		}
		w.doubt(err)
		return err
	}
	tx.over = true
	if err := w.ending(tx); err != nil {
		return err
	}
	c.w.show("(the content, " + strconv.FormatInt(tx.m.Body.WireSize(), 10) + " octets)")
	c.w.room(grown(3))
	c.w.buf = w.enc.end(c.w.buf)
	c.w.command(".")
	tx.end = c.w.gathered()
	w.sendEnd(tx)
	return nil
}

// sendEnd notes that the final dot has been gathered, and what replies it will have.
func (w *window) sendEnd(tx *transaction) {
	for _, s := range tx.endSteps() {
		tx.steps = append(tx.steps, s)
		w.sentStep(tx)
	}
}

// ending notes that the end of a message is about to be sent, or returns why it must not be sent.
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

// sendChunk sends the next chunk of a transaction, or ends the transaction if none is left or the
// host has refused it.
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
