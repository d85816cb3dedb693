package relay

import (
	"math"

	"esmtpq/queue"
)

// Limits of a burst.
const (
	// minBurst is how many messages must wait for a burst to be worth its risk: a
	// connection that is lost leaves a whole window in doubt, not one message.
	minBurst = 3
	// firstWindow is how many messages may be without an answer at first. Each that
	// is accepted widens it by one, up to maxWindow: over a long link the window is what
	// goes out in one round trip, and a host that keeps up is worth the risk.
	firstWindow = 32
	maxWindow   = 64
	// windowOctets is how much content may be without an answer. One chunk may always be.
	windowOctets = 1 << 20
	// maxUnanswered is how many commands may be without an answer.
	maxUnanswered = 512
)

// A burst is a run of messages sent with BDAT, back to back: envelope and content
// in one go and the next message behind them, without waiting for any
// reply. That is safe only with a host that reads a chunk as a chunk whatever
// it thinks of the command: see probe. RSET precedes each message, since what the one before
// has come to is not known yet, and the state behind a refused BDAT is anybody's
// guess (RFC 3030, section 2).
//
// Replies are read by a goroutine of their own (pump), so that the host never has to wait
// for us to read while we wait for it to.
type burst struct {
	l    *lane
	s    *session
	pump *pump

	flying []*transaction // begun and not reported, in order
	at     int            // how many of flying, from the first, are finished
	part   *transaction   // the last of them, while chunks of it are to come
	cut    *trouble       // why part cannot be completed
	held   []*transaction // before flying: answered in a way that may be the fault of BDAT
	chunks chunker

	window     int   // messages that may be without an answer
	octets     int64 // of content without an answer
	unanswered int   // commands without an answer
	dry        bool  // no message is to be begun any more
}

// burst carries what is drawn, and what else there is, until no more can go this way.
// It returns whether the lane goes on; what was not answered is drawn again.
func (l *lane) burst() bool {
	b := &burst{l: l, s: l.s, pump: newPump(l.s), window: firstWindow}
	t := b.exchange()
	if t != nil {
		b.report() // what was answered before
		b.lost(t)
	} else {
		b.pump.stop()
		if len(b.held) > 0 {
			l.host.chunking.refuse(l.s, "it refused messages sent with BDAT")
			l.putBack(b.held...)
		}
		l.s.reset = true
	}
	return l.goesOn()
}

// exchange goes on until every message begun has its answer. Trouble is what ended the session.
func (b *burst) exchange() *trouble {
	defer b.s.owed.Store(false)
	if !b.s.owe() {
		return stopped(stageMAIL)
	}
	for {
		// What was answered is recorded before anything else is sent.
		b.advance()
		b.report()
		if t := b.fill(); t != nil {
			return b.drain(t)
		}
		if b.advance(); b.report() {
			continue
		}
		if len(b.flying) == 0 {
			return nil
		}
		if b.cut != nil && b.flying[0] == b.part {
			return b.cut // only closing the connection ends a message that cannot be completed
		}
		if t := b.read(); t != nil {
			return t
		}
	}
}

// drain reads what a host still has to say that takes no more: replies to what it took, and
// perhaps why it closed the connection.
func (b *burst) drain(t *trouble) *trouble {
	if t.event != eventLost {
		return t
	}
	defer b.s.giveUpAfter(b.s.host.limits.quit).Stop()
	for {
		b.advance()
		b.report()
		if b.unanswered == 0 {
			return t
		}
		if end := b.read(); end != nil && end.event == eventReply {
			return end
		} else if end != nil {
			return t
		}
	}
}

// fill sends as much as the window allows.
func (b *burst) fill() *trouble {
	for b.cut == nil {
		if b.part == nil && (b.dry || !b.open() || !b.begin(b.l.take(false))) {
			break
		}
		if b.part != nil && !b.more() {
			break
		}
	}
	if err := b.s.w.flush(); err != nil {
		return b.s.broken(stageDATA, err)
	}
	return nil
}

// open tells whether the window has room for another message.
func (b *burst) open() bool {
	return len(b.flying) < b.window && b.octets < windowOctets && b.unanswered+flight < maxUnanswered &&
		!b.s.worn() && !b.l.over()
}

// begin begins with a message, and returns false where there is none for a burst. What is
// wrong with a small message is found before anything of it is sent.
func (b *burst) begin(tx *transaction) bool {
	if tx == nil || !tx.fitsBurst() {
		if tx != nil {
			b.l.putBack(tx)
		}
		b.dry = true
		return false
	}
	s := b.s
	tx.prepare(s.host.name, s.ext)
	b.flying = append(b.flying, tx)
	if tx.settled() {
		return true
	}
	tx.commands = tx.commands[:len(tx.commands)-1] // DATA
	if s.begun > 0 || s.reset {
		tx.commands = append([]command{{at: stageRSET, line: "RSET"}}, tx.commands...)
	}
	b.chunks.begin(tx.content, tx.d.Content.WireSize())
	chunk, last, t := b.cutNext(tx)
	if t != nil {
		tx.settle(t)
		tx.commands = nil
		return true
	}
	s.begun++
	for i := range tx.commands {
		b.command(tx, &tx.commands[i])
	}
	b.part = tx
	b.send(chunk, last)
	return true
}

// cutNext returns the next chunk. The last one is noted as about to be sent.
func (b *burst) cutNext(tx *transaction) (chunk []byte, last bool, t *trouble) {
	chunk, last, err := b.chunks.next()
	if err != nil {
		return nil, false, local(eventDamaged, "the content cannot be read to its end: %v", err)
	}
	if last {
		if err := b.l.src.Sending(tx.d, nil); err != nil {
			b.dry = true
			return nil, false, local(eventUnrecorded, "progress cannot be recorded: %v", err)
		}
	}
	return chunk, last, nil
}

// more sends the next chunk of the message that has some left. It returns false where the
// window has no room.
func (b *burst) more() bool {
	tx := b.part
	if tx.hopeless() {
		b.part = nil
		tx.close()
		return true
	}
	if b.octets > windowOctets-chunkSize || b.unanswered >= maxUnanswered {
		return false
	}
	chunk, last, t := b.cutNext(tx)
	if t != nil {
		b.cut = t
		return false
	}
	b.send(chunk, last)
	return true
}

// send gathers a chunk of b.part with its command.
func (b *burst) send(chunk []byte, last bool) {
	tx := b.part
	tx.commands = append(tx.commands, bdat(len(chunk), last))
	c := &tx.commands[len(tx.commands)-1]
	b.octets += int64(len(chunk))
	b.command(tx, c)
	b.s.w.addBytes(chunk)
	c.end = b.s.w.gathered()
	if b.s.w.err != nil {
		c.end = math.MaxInt64
	}
	if last {
		b.part = nil
		tx.close()
	}
}

// command gathers a command. Errors of the connection show when it is flushed; an address
// has been checked.
func (b *burst) command(tx *transaction, c *command) {
	b.s.w.command(c.line)
	c.end = b.s.w.gathered()
	tx.sent++
	b.unanswered++
	b.pump.want <- c.at
}

// read waits for a reply, and takes all that have come with it: what they decide about is recorded together.
func (b *burst) read() *trouble {
	a := <-b.pump.got
	for {
		if t := b.take(a); t != nil {
			return t
		}
		b.advance()
		select {
		case a = <-b.pump.got:
		default:
			return nil
		}
	}
}

// take stores an answer. Trouble is what ends the session.
func (b *burst) take(a answer) *trouble {
	if a.t != nil {
		return a.t
	}
	tx := b.flying[b.at]
	c := &tx.commands[tx.read]
	c.reply = a.r
	tx.read++
	b.unanswered--
	b.octets -= int64(c.size)
	switch {
	case a.r.code == 421, c.at == stageRSET && a.r.class() != 2:
		return b.s.refused(c.at, a.r)
	case a.r.class() == 3:
		return b.s.garbage(c.at, a.r)
	}
	return nil
}

// finished tells whether there is nothing more to be sent or answered of a message.
func (b *burst) finished(tx *transaction) bool {
	return tx != b.part && tx.read == len(tx.commands)
}

// advance counts what is finished: the next reply is for the message behind.
func (b *burst) advance() {
	for b.at < len(b.flying) && b.finished(b.flying[b.at]) {
		b.at++
	}
}

// report reports the messages at the front that are finished, and returns whether there were any.
func (b *burst) report() bool {
	done := b.flying[:b.at]
	b.flying, b.at = b.flying[b.at:], 0
	var ready []*transaction
	for _, tx := range done {
		if !b.judge(tx) {
			b.held = append(b.held, tx)
			b.dry = true
			continue
		}
		ready = append(ready, b.giveUp()...)
		ready = append(ready, tx)
	}
	b.l.record(ready...)
	return len(done) > 0
}

// record reports a message, and before it those that were held: their turn has come.
func (b *burst) record(tx *transaction) {
	b.l.record(append(b.giveUp(), tx)...)
}

// giveUp settles what is held as delayed, for it to be reported. It can no longer be tried by other means in this
// run, since a message behind it has its answer, and what is reported is reported in order.
func (b *burst) giveUp() []*transaction {
	all := b.held
	if len(all) > 0 {
		b.l.host.chunking.refuse(b.s, "it refused messages sent with BDAT")
	}
	for _, tx := range all {
		for i := range tx.reports {
			if tx.reports[i].Action == "" {
				tx.reports[i] = tx.doubt.report()
				tx.reports[i].Action, tx.reports[i].Scope = queue.Delayed, queue.ScopeMessage
			}
		}
	}
	b.held = nil
	return all
}
