package smtp

// Etrn asks the host to send now what it has for a domain (RFC 1985), and returns its reply.
func (c *Conn) Etrn(name string) (*Reply, *Error) {
	if err := c.quiet(StageETRN); err != nil {
		return nil, err
	}
	if err := c.w.command("ETRN " + name); err != nil {
		return nil, c.broken(StageETRN, err)
	}
	if err := c.w.flush(); err != nil {
		return nil, c.broken(StageETRN, err)
	}
	return c.expect(StageETRN, c.cfg.Limits.Mail)
}
