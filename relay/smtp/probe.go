package smtp

// Probe finds out whether the host reads a chunk as a chunk even if it refuses the command. A
// host that does not would take the content for commands, in a session that has logged in. A nil
// error means that it reads chunks; any other finding ends the session.
//
// BDAT without a message is refused (RFC 3030, section 2). Its chunk is NOOP, which does no harm
// if it is taken for a command, but then gets a reply of its own. A host that reads the chunk
// gives two replies, to BDAT and to RSET. Everything is sent twice in one flight, so that an
// extra reply shows in the place of another, and not by a wait for more. Probe must not be called
// while anything is in flight.
func (c *Conn) Probe() *Error {
	if err := c.quiet(StageProbe); err != nil {
		return err
	}
	for range 2 {
		c.w.command("BDAT 6 LAST")
		c.w.command("NOOP")
		c.w.command("RSET")
	}
	if err := c.w.flush(); err != nil {
		return c.broken(StageProbe, err)
	}
	var shapes [2]string
	for i, class := range [...]int{5, 2, 5, 2} {
		r, err := c.expect(StageProbe, c.cfg.Limits.Mail)
		switch {
		case err != nil:
			return err
		case r.Code == 421:
			return c.refused(StageProbe, r)
		case r.Class() != class:
			return c.garbage(StageProbe, r)
		}
		shapes[i/2] = r.shape()
	}
	if c.Steady = shapes[0] == shapes[1]; c.Steady {
		c.reset = shapes[0]
	}
	return nil
}
