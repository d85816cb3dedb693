// Package submit takes a message into the queue, durably. It is sendmail, with the parts of it
// that other doors need.
package submit

import (
	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/whoami"
)

// Verb is sendmail: it takes a message, or hands the call on to the door that its options ask
// for.
func Verb(c *door.Call) error {
	if c.AsksHelp() {
		return c.Help(argv.Help())
	}
	inv, err := argv.Parse(c.Args)
	if err != nil {
		Drain(c.In)
		return err
	}
	if tag := inv.ShownTag(); tag != "" {
		c.Name = tag
	}
	if inv.Mode != argv.Send {
		return c.Hand(inv)
	}
	home, err := whoami.Home()
	if err != nil {
		Drain(c.In)
		return err
	}
	return Send(c, inv, &Router{Home: home})
}
