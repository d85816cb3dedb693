package relay

// drains is what is known of a host that offers BDAT: whether it reads a chunk as a chunk even
// where it refuses the command. One that does not takes the content for
// commands, in a session that has logged in.
type drains int

const (
	drainsUnknown drains = iota
	drainsYes
	drainsNot
)

// probe asks the host. BDAT without a message is refused (RFC 3030, section 2); its chunk is NOOP, which harms
// nobody if it is taken for a command, but gives itself away by a reply of its own. A host that
// drains gives two replies, to BDAT and to RSET. All is sent twice in one flight, so that one reply
// too many shows by what comes in its place, and not by how long nothing more comes.
func (s *session) probe() *trouble {
	for range 2 {
		s.w.command("BDAT 6 LAST")
		s.w.command("NOOP")
		s.w.command("RSET")
	}
	var t *trouble
	if err := s.w.flush(); err != nil {
		t = s.broken(stageProbe, err)
	} else {
		t = s.probed()
	}
	known := &s.host.chunking
	switch {
	case t == nil:
		s.drains = drainsYes
		known.confirm(s)
	case s.ctx.Err() != nil || t.event == eventReply:
	case t.event == eventGarbage:
		known.refuse(s, "it takes a chunk for commands, or does not refuse it")
	default:
		known.lost(s)
	}
	return t
}

// probed reads the replies to the probe. What else a host has to say that does not drain cannot be
// told from replies to come, so there is trouble with the session.
func (s *session) probed() *trouble {
	for _, class := range [...]int{5, 2, 5, 2} {
		r, t := s.expect(stageProbe, s.host.limits.mail)
		switch {
		case t != nil:
			return t
		case r.code == 421:
			return s.refused(stageProbe, r)
		case r.class() != class:
			return s.garbage(stageProbe, r)
		}
	}
	return nil
}
