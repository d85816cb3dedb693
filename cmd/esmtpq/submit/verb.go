package submit

import (
	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/whoami"
)

// Verb is sendmail: it takes a message, or hands on what its options ask for instead.
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
	return send(c, inv)
}

// send takes a message into the queue, and with -v or -X delivers it in the foreground. What becomes
// of it there does not change that it was accepted.
func send(c *door.Call, inv *argv.Invocation) error {
	home, err := whoami.Home()
	if err != nil {
		Drain(c.In)
		return err
	}
	if err := CheckInput(c.In); err != nil {
		return err // before a transcript is begun
	}
	transcript, err := door.OpenTranscript(inv, c.Err)
	if err != nil {
		Drain(c.In)
		return err
	}
	defer transcript.Close()
	s := &Submission{Name: c.Name, In: c.In, Err: c.Err, Router: &Router{Home: home}}
	if transcript != nil {
		s.Accepted = func(id string) { c.Deliver([]string{id}, transcript) }
	}
	return s.Send(inv)
}
