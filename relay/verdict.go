package relay

import (
	"strconv"

	"esmtpq/queue"
)

// bdat returns the command before a chunk. A chunk's reply may take as long as
// that to the end of a message: what was sent before has to arrive first.
func bdat(size int, last bool) command {
	c := command{at: stageChunk, line: "BDAT " + strconv.Itoa(size), size: size}
	if last {
		c.at, c.line = stageFinal, c.line+" LAST"
	}
	return c
}

// fitsBurst tells whether a message can be part of a burst: it has content, since an empty
// last chunk is refused by some, and all its commands fit into one flight.
func (tx *transaction) fitsBurst() bool {
	return !tx.begun() && len(tx.d.Recipients) < flight-5 && tx.d.Content.WireSize() > 0
}

// hopeless tells whether the host has refused so much of a message that the rest need not be sent.
func (tx *transaction) hopeless() bool {
	open := false // a recipient may yet be accepted, or has been
	for i := range tx.commands {
		c := &tx.commands[i]
		refused := c.reply != nil && c.reply.class() != 2
		switch {
		case c.at == stageRCPT:
			open = open || !refused
		case refused:
			return true
		}
	}
	return !open
}

// distrusted tells whether a refusal of a chunk may be for the command and not for the message:
// 500 to 504 are for commands, 551 and 555 for their arguments, and 552 is
// what a large provider was seen to say to any BDAT.
func (r *reply) distrusted() bool {
	switch r.code {
	case 500, 501, 502, 503, 504, 551, 552, 555:
		return true
	}
	return false
}

// judge settles a message of a burst. It returns false where the answers may be the fault of the way it
// was sent, and is to be tried by another.
func (b *burst) judge(tx *transaction) bool {
	if tx.settled() {
		return true // before anything was sent
	}
	end, bad := tx.chunkReplies()
	if end != nil && end.class() == 2 && tx.accepted() {
		b.accepted(tx, end)
		return true
	}
	t := b.s.verdict(tx, nil)
	if t == nil && !tx.settled() {
		// Accepted recipients and a chunk that was not, or there would be nothing left.
		t = b.s.refused(bad.at, bad.reply)
		if !bad.reply.distrusted() {
			b.s.charge(tx, t)
		}
	}
	if !tx.settled() {
		tx.doubt = t
		return false
	}
	b.s.settled = true
	return true
}

// chunkReplies returns the reply to the last chunk, and the first chunk that was refused. Each may be nil.
func (tx *transaction) chunkReplies() (end *reply, bad *command) {
	for i := range tx.commands {
		c := &tx.commands[i]
		if c.reply == nil || c.at != stageChunk && c.at != stageFinal {
			continue
		}
		if c.at == stageFinal {
			end = c.reply
		}
		if bad == nil && c.reply.class() != 2 {
			bad = c
		}
	}
	return end, bad
}

// accepted settles a message that the host has taken for those of its recipients that it
// accepted. What was said to the others concerns them alone: the message is not to be sent again.
func (b *burst) accepted(tx *transaction, end *reply) {
	for i := range tx.commands {
		c := &tx.commands[i]
		switch {
		case c.at != stageRCPT:
		case c.reply.class() == 2:
			tx.reports[c.rcpt] = b.s.relayed(end)
		default:
			tx.reports[c.rcpt] = b.s.refused(c.at, c.reply).report()
		}
	}
	b.s.settled = true
	b.window = min(b.window+1, maxWindow)
	if !b.s.chunksWork {
		b.s.chunksWork = true
		b.l.host.chunking.works(b.s)
	}
}

// lost does the accounts of a burst whose session is over. Messages that were sent to
// their end and not answered are in doubt, all of them and no others.
func (b *burst) lost(t *trouble) {
	l, s := b.l, b.s
	closed := t.event == eventReply && t.reply.code == 421 && b.closed()
	l.count(t)
	l.drop()
	b.pump.stop()
	b.blame(t)
	var back []*transaction
	for i, tx := range b.flying {
		switch {
		case len(back) > 0:
		case tx.settled() && b.finished(tx):
			b.record(tx)
			continue
		case tx == b.part && b.cut != nil:
			tx.settle(b.cut)
		case i == 0 && t.event == eventReply && t.reply.code == 421 && (closed || t.at == stageFinal):
			s.verdict(tx, nil)
			l.decide(tx, t)
		case tx.complete(s.w.tried) && !closed:
			b.doubt(tx, t)
		case i == 0:
			l.decide(tx, t)
		}
		if len(back) > 0 || !tx.settled() {
			back = append(back, tx)
			continue
		}
		b.record(tx)
	}
	l.putBack(append(b.held, back...)...)
}

// doubt settles a message that was sent and not answered.
func (b *burst) doubt(tx *transaction, t *trouble) {
	b.s.verdict(tx, nil)
	end := *t
	end.at, end.text = stageFinal, t.text+"; all of this message had been sent"
	if t.event == eventReply {
		end.event, end.text = eventLost, b.s.host.name+" answered "+codeText(t.reply)+" to another message and nothing to this one"
	}
	tx.settle(&end)
	if b.l.barren >= maxBarren && b.l.ctx.Err() == nil {
		tx.rescope(queue.ScopeIdentity)
	}
}

// complete tells whether all of a message has been handed to the connection, whose
// first so many octets have been.
func (tx *transaction) complete(octets int64) bool {
	last := len(tx.commands) - 1
	return last >= 0 && tx.commands[last].at == stageFinal && tx.commands[last].end <= octets
}

// closed tells whether the host has closed the connection behind a 421, as it must (RFC 5321, 3.8), rather
// than going on with what we had sent.
func (b *burst) closed() bool {
	if b.unanswered == 0 {
		return true
	}
	limit := b.s.giveUpAfter(b.s.host.limits.quit)
	a := <-b.pump.got
	return limit.Stop() && a.t != nil && a.t.event == eventLost
}

// blame remembers a session that ended in a way that BDAT may be the reason of.
func (b *burst) blame(t *trouble) {
	known := &b.l.host.chunking
	switch {
	case b.l.ctx.Err() != nil || t.at == stageLocal:
	case t.event == eventGarbage:
		known.refuse(b.s, "its replies to BDAT make no sense")
	case t.event != eventReply && !b.s.chunksWork:
		known.lost(b.s)
	}
}
