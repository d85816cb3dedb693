package smtp

import (
	"io"
	"math"
	"strconv"
)

// A step is one command of a transaction, with its reply once that has come.
type step struct {
	at    Stage
	line  string // "" for the final dot, which is no command
	rcpt  int    // for RCPT, and for the end by LMTP: the index in Message.To
	size  int    // for BDAT: octets of the chunk after it
	chunk string // for a check: the chunk after it, a line
	probe int    // likewise: the class that the reply must have
	reply *Reply
}

// A transaction is one message on its way over a connection.
type transaction struct {
	m     *Message
	steps []step // those known so far; replies come in their order
	sent  int    // of steps, those written (perhaps still in the buffer)
	read  int    // of steps, those answered

	body    io.ReadCloser // opened before anything is sent, so that unreadable content is not begun
	begun   bool          // something of the content has been written
	over    bool          // no more of it is to be written
	end     int64         // octets of the connection up to its end; MaxInt64 before that
	confirm int           // index of the step whose reply confirms the others; 0 for none
	rides   bool          // its first steps went behind the final dot of the message before
	rider   *transaction  // the transaction whose first steps went behind this one's final dot
	local   *Error        // why nothing of it was sent
	garbled *Error        // a reply to it makes no sense
	sure    bool          // it is known that the replies to it stand in their place
	wrong   bool          // out of step while it was in flight, or perhaps
	odd     bool          // the reply to its end may be another's, see window.misplaced
	each    bool          // each accepted recipient gets a reply to the end (LMTP)
	known   bool          // the reply to its end is not that to RSET, by its words
}

// newTransaction returns a transaction whose envelope is ready to be sent.
func newTransaction(m *Message, ext Extensions) *transaction {
	tx := &transaction{m: m, end: math.MaxInt64}
	tx.envelope(ext, false)
	return tx
}

// envelope sets the steps up to DATA, which chunks do not need.
func (tx *transaction) envelope(ext Extensions, reset bool) {
	m := tx.m
	tx.steps = make([]step, 0, len(m.To)+6)
	if reset {
		tx.steps = append(tx.steps, step{at: StageRSET, line: "RSET"})
	}
	tx.steps = append(tx.steps, step{at: StageMAIL, line: m.mailCommand(ext)})
	for i := range m.To {
		tx.steps = append(tx.steps, step{at: StageRCPT, line: m.To[i].rcptCommand(ext), rcpt: i})
	}
	if !m.Chunks {
		tx.steps = append(tx.steps, step{at: StageDATA, line: "DATA"})
	}
}

// bdat returns the step of a chunk.
func bdat(size int, last bool) step {
	s := step{at: StageChunk, line: "BDAT " + strconv.Itoa(size), size: size}
	if last {
		s.at, s.line = StageEnd, s.line+" LAST"
	}
	return s
}

// close lets go of the content.
func (tx *transaction) close() {
	if tx.body != nil {
		tx.body.Close()
		tx.body = nil
	}
}

// endSteps returns the steps of the final dot, which has one reply, or one for each recipient that was
// accepted (RFC 2033, 4.2).
func (tx *transaction) endSteps() (all []step) {
	if !tx.each {
		return []step{{at: StageEnd}}
	}
	for i := range tx.steps {
		if s := &tx.steps[i]; s.at == StageRCPT && s.reply.Positive() {
			all = append(all, step{at: StageEnd, rcpt: s.rcpt})
		}
	}
	return all
}

// ends returns what the replies to the end by LMTP come to, once all have come: one that accepts the
// message, if there is one.
func (tx *transaction) ends() (end *Reply) {
	for i := range tx.steps {
		switch s := &tx.steps[i]; {
		case s.at != StageEnd:
		case s.reply == nil:
			return nil
		case !end.Positive():
			end = s.reply
		}
	}
	return end
}

// reply returns the reply at a stage of which there is only one; nil until it has come.
func (tx *transaction) reply(at Stage) *Reply {
	if tx.each && at == StageEnd {
		return tx.ends()
	}
	for i := range tx.steps {
		if tx.steps[i].at == at {
			return tx.steps[i].reply
		}
	}
	return nil
}

// accepted reports whether the host has accepted a recipient.
func (tx *transaction) accepted() bool {
	for i := range tx.steps {
		if s := &tx.steps[i]; s.at == StageRCPT && s.reply.Positive() {
			return true
		}
	}
	return false
}

// hopeless reports whether the host has refused so much that there is no point in sending the
// content.
func (tx *transaction) hopeless() bool {
	open := false // a recipient may yet be accepted, or has been
	for i := range tx.steps {
		s := &tx.steps[i]
		refused := s.reply != nil && !s.reply.Positive()
		switch {
		case s.at == StageRCPT:
			open = open || !refused
		case s.at == StageMAIL && refused, s.at == StageChunk && refused:
			return true
		}
	}
	return !open
}

// last returns the stage of the last step that was sent.
func (tx *transaction) last() Stage {
	if tx.sent == 0 {
		return StageMAIL
	}
	return tx.steps[tx.sent-1].at
}

// taken reports whether the host has said that it took the message.
func (tx *transaction) taken() bool { return tx.accepted() && tx.reply(StageEnd).Positive() }

// declined reports whether the host has refused the message, even if there was one reply too many
// or too few: RSET behind it has been accepted.
func (tx *transaction) declined() bool {
	return tx.reply(StageEnd).Negative() && tx.reply(StageRSET).Positive()
}

// noisy reports whether a line that is no reply came before one of its replies.
func (tx *transaction) noisy() bool {
	for i := range tx.steps {
		if r := tx.steps[i].reply; r != nil && r.noisy {
			return true
		}
	}
	return false
}

// answered reports whether every step has been sent and answered.
func (tx *transaction) answered() bool {
	return tx.over && tx.sent == len(tx.steps) && tx.read == tx.sent
}

// settled reports whether it is known what the message has come to. 354 has shown that the reply
// to the dot is that, unless something odd came in its place; with BDAT, and behind a refusal, it
// is the reply to RSET that shows it.
func (tx *transaction) settled() bool {
	switch {
	case !tx.answered():
		return false
	case tx.taken() && !tx.m.Chunks && !(tx.rider != nil && (tx.odd || !tx.known && tx.rider.steps[0].reply.Negative())),
		tx.local != nil:
		return true
	case tx.rider != nil && tx.odd:
		return tx.rider.confirm > 0 || tx.rider.reply(StageDATA) != nil
	case tx.rider != nil:
		return tx.rider.steps[0].reply.Positive() // else RSET is due
	}
	return tx.confirm > 0 && tx.steps[tx.confirm].reply != nil
}

// anchored reports whether the host has asked for the content: 354 can only be the reply to DATA,
// so the replies before it are in their places. Where it has refused all recipients it may have come for RCPT.
func (tx *transaction) anchored() bool {
	data := tx.reply(StageDATA)
	return data != nil && data.Code == 354 && tx.accepted()
}

// misfit reports whether the host refuses the envelope for going behind a final dot: RSET, which nobody refuses
// otherwise, and MAIL unless it has no answer. That says nothing about the message.
func (tx *transaction) misfit() bool {
	return tx.rides && tx.steps[0].reply.Negative() && !tx.steps[1].reply.Positive()
}

// result returns the replies to the message so far. passed is how many octets of the connection
// have gone out.
func (tx *transaction) result(passed int64) Result {
	r := Result{Message: tx.m, Rcpt: make([]*Reply, len(tx.m.To)), Err: tx.local, Untrusted: tx.wrong}
	if r.Err == nil && tx.garbled != nil {
		r.Err, r.First = tx.garbled, true
	}
	switch {
	case tx.end <= passed:
		r.Sent = SentAll
	case tx.begun:
		r.Sent = SentPart
	}
	if tx.misfit() {
		return r
	}
	if tx.each {
		r.Ends = make([]*Reply, len(tx.m.To))
	}
	for i := range tx.steps {
		s := &tx.steps[i]
		switch s.at {
		case StageMAIL:
			r.Mail = s.reply
		case StageRCPT:
			r.Rcpt[s.rcpt] = s.reply
		case StageDATA:
			if s.reply != nil && s.reply.Code != 354 {
				r.Data = s.reply
			}
		case StageChunk:
			if r.Data == nil && s.reply != nil && !s.reply.Positive() {
				r.Data = s.reply
			}
		case StageEnd:
			end := s.reply
			if tx.each {
				r.Ends[s.rcpt], end = end, tx.ends()
			}
			if end.Positive() || end.Negative() {
				r.End = end
			}
		}
	}
	return r
}
