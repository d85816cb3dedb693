package smtp

// Probe finds out whether the host reads a chunk as a chunk even where it refuses the command. One that does
// not takes the content for commands, in a session that has logged in. A nil error says that it does; any other
// finding ends the session.
//
// BDAT without a message is refused (RFC 3030, section 2); its chunk is NOOP, which harms nobody if it is taken for a
// command, but gives itself away by a reply of its own. A host that drains gives two replies, to BDAT and to RSET. All is
// sent twice in one flight, so that one reply too many shows by what comes in its place, and not by how long nothing more
// comes. It must not be called while anything is in flight.
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
