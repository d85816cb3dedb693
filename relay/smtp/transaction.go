package smtp

import (
	"io"
	"math"
	"strconv"
)

// A step is one command of a transaction, and the reply to it once it is there.
type step struct {
	at    Stage
	line  string // "" for the final dot, which is no command
	rcpt  int    // for RCPT: the index in Message.To
	size  int    // for BDAT: octets of the chunk behind it
	chunk string // for a check: the chunk behind it, a line
	probe int    // likewise: the class that the reply must have
	reply *Reply
}

// A transaction is one message on its way over a connection.
type transaction struct {
	m     *Message
	steps []step // those known so far; replies come in their order
	sent  int    // of steps, those written (perhaps still in the buffer)
	read  int    // of steps, those answered

	body    io.ReadCloser // opened before anything is sent, so that what cannot be read is not begun
	begun   bool          // something of the content has been written
	over    bool          // no more of it is to be written: envelope and content are done with, or given up
	end     int64         // octets of the connection by which its end has been handed over; MaxInt64 while it has not
	confirm int           // index of the step whose reply confirms a refusal, or a message sent in chunks; 0 for none
	rides   bool          // its first steps went behind the final dot of the message before
	rider   *transaction  // the one whose steps went behind this one's final dot
	local   *Error        // why nothing of it was sent
	wrong   bool          // out of step while it was in flight
}

// newTransaction returns a transaction whose envelope is ready to be sent.
func newTransaction(m *Message, ext Extensions) *transaction {
	tx := &transaction{m: m, end: math.MaxInt64}
	tx.envelope(ext, false)
	return tx
}

// envelope sets the steps as far as DATA, which chunks do without.
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

// reply returns the reply at a stage of which there is one, nil while it is not there.
func (tx *transaction) reply(at Stage) *Reply {
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

// hopeless reports whether the host has refused so much that the content need not be sent.
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

// taken reports whether the host has said that it took the message.
func (tx *transaction) taken() bool { return tx.accepted() && tx.reply(StageEnd).Positive() }

// answered reports whether everything that there is has been sent and answered.
func (tx *transaction) answered() bool {
	return tx.over && tx.sent == len(tx.steps) && tx.read == tx.sent
}

// settled reports whether it is known what the message has come to. Where the next envelope rides behind it, its
// replies show that both sides are in step.
func (tx *transaction) settled() bool {
	switch {
	case !tx.answered():
		return false
	case tx.rider != nil:
		return tx.rider.confirm > 0 || tx.rider.reply(StageDATA) != nil
	case tx.taken() && !tx.m.Chunks, tx.local != nil:
		return true
	}
	return tx.confirm > 0 && tx.steps[tx.confirm].reply != nil
}

// result returns what is known of the message.
func (tx *transaction) result(tried int64) Result {
	r := Result{Message: tx.m, Rcpt: make([]*Reply, len(tx.m.To)), Err: tx.local, Untrusted: tx.wrong}
	switch {
	case tx.end <= tried:
		r.Sent = SentAll
	case tx.begun:
		r.Sent = SentPart
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
			if r.Data == nil && s.reply.Negative() {
				r.Data = s.reply
			}
		case StageEnd:
			r.End = s.reply
		}
	}
	return r
}
