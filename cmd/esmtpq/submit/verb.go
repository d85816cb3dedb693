package submit

import (
	"io"
	"os"
	"syscall"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue"
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
	trace, done, err := OpenTranscript(inv, c.Err)
	if err != nil {
		Drain(c.In)
		return err
	}
	defer done()
	s := &Submission{Name: c.Name, In: c.In, Err: c.Err, Router: &Router{Home: home}}
	if trace != nil {
		s.Accepted = func(_ *queue.Queue, id string) { c.Deliver([]string{id}, trace) }
	}
	return s.Send(inv)
}

// OpenTranscript returns where the SMTP dialogue goes: to standard error with -v, to a file with -X,
// which must be a regular one. Nil for nowhere.
func OpenTranscript(inv *argv.Invocation, stderr *os.File) (trace io.Writer, done func(), err error) {
	var ws []io.Writer
	done = func() {}
	if inv.Verbose {
		ws = append(ws, stderr)
	}
	if inv.Transcript != "" {
		f, err := os.OpenFile(inv.Transcript, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, nil, exit.Fail(exit.CantCreat, "-X: %w", err)
		}
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			f.Close()
			return nil, nil, exit.Fail(exit.CantCreat, "-X %s: not a regular file", inv.Transcript)
		}
		ws, done = append(ws, f), func() { f.Close() }
	}
	if len(ws) == 0 {
		return nil, done, nil
	}
	return io.MultiWriter(ws...), done, nil
}
