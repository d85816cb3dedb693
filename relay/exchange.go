package relay

import (
	"io"
	"strconv"

	"esmtpq/queue"
)

// flight is how many commands are under way at most where the host offers
// PIPELINING. A usual reply to each fits into the socket buffers together, so the
// host never has to stop reading for our not reading (RFC 2920, 3.1), and each
// further recipient costs a fiftieth of a round trip.
const flight = 50

// send gathers the next commands of a transaction.
func (s *session) send(tx *transaction) *trouble {
	if !tx.begun() {
		s.begun++
	}
	if !tx.begun() && s.reset {
		tx.commands = append([]command{{at: stageRSET, line: "RSET"}}, tx.commands...)
		s.reset = false
	}
	group := 1
	if s.level == pipelined {
		group = flight
	}
	for ; group > 0 && tx.sent < len(tx.commands); group-- {
		c := &tx.commands[tx.sent]
		// Nobody to send it to: the host must not be led into DATA, unless it is
		// in this flight with recipients that are not answered yet.
		if c.at == stageDATA && tx.read == tx.sent && !tx.accepted() {
			break
		}
		if err := s.w.command(c.line); err != nil {
			return s.broken(c.at, err)
		}
		tx.sent++
	}
	return nil
}

// envelope sends the commands of a transaction, those that have not been sent
// yet, and reads all replies. It returns whether the host waits for the content.
// What the replies say is in the transaction's reports.
func (s *session) envelope(tx *transaction) (wanted bool, t *trouble) {
	for {
		if tx.read == tx.sent {
			before := tx.sent
			if m := tx.mail(); m == nil || m.class() == 2 {
				if t := s.send(tx); t != nil {
					return false, t
				}
			}
			if tx.sent == before {
				break
			}
		}
		if err := s.w.flush(); err != nil {
			return false, s.broken(tx.commands[tx.read].at, err)
		}
		for tx.read < tx.sent {
			if t := s.answer(tx); t != nil {
				return false, t
			}
		}
	}
	return s.judge(tx)
}

// answer reads the reply to the next command of tx. Trouble is what ends the session.
func (s *session) answer(tx *transaction) *trouble {
	c := &tx.commands[tx.read]
	r, t := s.expect(c.at, s.limit(tx))
	if t != nil {
		return s.lostRider(tx, t)
	}
	if s.unproven(tx) {
		s.host.riding.works()
	}
	c.reply = r
	tx.read++
	switch {
	case r.code == 421:
		return s.refused(c.at, r)
	case r.class() == 3 && (c.at != stageDATA || r.code != 354), r.class() == 2 && c.at == stageDATA:
		return s.garbage(c.at, r)
	case c.at == stageRSET && r.class() != 2:
		return s.refused(c.at, r)
	}
	return nil
}

// judge says what the replies to an envelope come to.
func (s *session) judge(tx *transaction) (wanted bool, t *trouble) {
	data := tx.commands[len(tx.commands)-1].reply
	wanted = data != nil && data.code == 354
	t = s.verdict(tx, data)
	if wanted && (t != nil || tx.settled()) {
		// We are in DATA with nobody to send to: the empty message goes to
		// nobody, and what the host says to that is of no importance.
		s.w.startContent()
		s.w.endContent()
		if err := s.w.flush(); err != nil {
			return false, s.broken(stageRSET, err)
		}
		if _, t := s.expect(stageRSET, s.host.limits.final); t != nil {
			return false, t
		}
		wanted = false
	}
	if t != nil && t.rule().scope == queue.ScopeSession {
		return false, t
	}
	if !wanted {
		s.reset = true
		s.settled = true
	}
	return wanted, nil
}

// verdict settles the recipients that the envelope's replies have decided
// about. The position of a reply says what it is about: behind a refused MAIL, the
// others are only its echo.
func (s *session) verdict(tx *transaction, data *reply) *trouble {
	m := tx.mail()
	if m == nil {
		return nil // the session ended before
	}
	if m.class() != 2 {
		return s.charge(tx, s.refused(stageMAIL, m))
	}
	for i := range tx.commands[:tx.read] {
		c := &tx.commands[i]
		if c.at != stageRCPT || c.reply.class() == 2 {
			continue
		}
		t := s.refused(c.at, c.reply)
		switch t.rule().scope {
		case queue.ScopeRecipient:
			tx.reports[c.rcpt] = t.report()
		default:
			return s.charge(tx, t)
		}
	}
	if data != nil && data.class() >= 4 && !tx.settled() {
		return s.charge(tx, s.refused(stageDATA, data))
	}
	return nil
}

// charge settles a transaction with t, unless the next session may do better.
func (s *session) charge(tx *transaction, t *trouble) *trouble {
	if t.rule().scope != queue.ScopeSession {
		tx.settle(t)
	}
	return t
}

// content sends the content, but for what is still gathered when it ends, and
// its final dot.
func (s *session) content(tx *transaction) *trouble {
	if t := s.quiet(stageDATA); t != nil {
		return t
	}
	s.w.startContent()
	s.src.begin(tx.content)
	for {
		p, err := s.src.next()
		if _, werr := s.w.Write(p); werr != nil {
			return s.cutShort(werr)
		}
		if err == io.EOF {
			tx.close()
			s.show("(the content, " + strconv.FormatInt(tx.d.Content.WireSize(), 10) + " octets)")
			return nil
		}
		if err != nil {
			return local(eventDamaged, "the content cannot be read to its end: %v", err)
		}
	}
}

// cutShort says why the host stopped taking the content. Some say so before they
// close, as with a message that is too large.
func (s *session) cutShort(err error) *trouble {
	t := s.broken(stageDATA, err)
	if t.event != eventLost {
		return t
	}
	if r, rt := s.expect(stageDATA, s.host.limits.quit); rt == nil && r.class() >= 4 {
		return s.refused(stageDATA, r)
	}
	return t
}

// relayed is the report that a reply to the end of a message makes.
func (s *session) relayed(r *reply) queue.Report {
	return queue.Report{Action: queue.Relayed, Status: r.enhanced(), Code: r.code, Text: r.words(stageFinal), Host: s.host.name}
}

// final reads the reply to the final dot and settles the transaction, or returns
// what ended the session.
func (s *session) final(tx *transaction) *trouble {
	r, t := s.expect(stageFinal, s.host.limits.final)
	if t != nil {
		return t
	}
	if r.class() == 2 {
		for i := range tx.reports {
			if tx.reports[i].Action == "" {
				tx.reports[i] = s.relayed(r)
			}
		}
		s.settled = true
		return nil
	}
	if r.class() == 3 {
		return s.garbage(stageFinal, r)
	}
	t = s.charge(tx, s.refused(stageFinal, r))
	if t.rule().scope == queue.ScopeSession {
		return t
	}
	s.settled = true
	s.reset = true
	return nil
}
