package submit

import (
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/message"
	"esmtpq/queue/spool"
)

// Send takes the message on standard input into the queue and starts its delivery. When it
// returns nil the message is durable, and nothing that happens later changes that. After an error
// it has read the message to its end if it comes from a pipe: a caller that is killed by SIGPIPE
// while it writes would never learn why. If the message comes from a file, it is left at the octet
// where we found it: bsd-mailx shares the file with us, and keeps the rest of it as the dead letter.
func Send(c *door.Call, inv *argv.Invocation, r *Router) error {
	began, seekErr := c.In.Seek(0, io.SeekCurrent)
	err := send(c, inv, r)
	if err != nil {
		Drain(c.In)
		if seekErr == nil {
			c.In.Seek(began, io.SeekStart)
		}
	}
	return err
}

func send(c *door.Call, inv *argv.Invocation, r *Router) error {
	if err := checkInput(c.In); err != nil {
		return err
	}
	transcript, err := door.OpenTranscript(inv, c.Err)
	if err != nil {
		return err
	}
	defer transcript.Close()
	d, err := Compose(inv, content(c.In, inv))
	if err != nil {
		return err
	}
	delay, err := d.Check(r)
	if err != nil {
		return err
	}
	if _, err := StepLimit(); err != nil {
		return err
	}
	if err := d.Complete(inv, r, time.Now()); err != nil {
		return err
	}
	q, err := spool.OpenOrCreate(whoami.Queue(r.Home))
	if err != nil {
		return exit.Queue(err)
	}
	defer q.Close()
	id, err := d.Spool(q)
	if err != nil {
		return err
	}
	for _, bad := range d.Bad {
		c.Remark("the others get it, but " + spool.Printable(bad.Reason) + ": see mailq")
	}
	if q.Shared != "" && term.IsTerminal(int(c.Err.Fd())) {
		if text := q.TellShared(); text != "" {
			c.Remark(spool.Printable(text))
		}
	}
	for _, remark := range d.Env.Remarks {
		c.Remark(spool.Printable(remark))
	}
	if at := d.Env.NotBefore; !at.IsZero() {
		c.Remark("to be sent " + door.Stamp(at) + whoSends(q, delay) + ": esmtpq rm last takes it back")
	}
	if inv.QueueOnly {
		return nil
	}
	if transcript != nil {
		c.Deliver([]string{id}, transcript) // whatever comes of it: the message is accepted
	}
	if delay >= 0 {
		StartSleeper(q, r.Home, delay) // for mail that waited before, too
	}
	return nil
}

// whoSends says of mail with a time what its submitter may not expect of that: where nobody watches the
// queue, a process waits for the time, and does not live on behind a restart of the machine.
func whoSends(q *spool.Queue, delay time.Duration) string {
	switch {
	case q.Watched():
		return ""
	case delay < 0:
		return " or later, by the first deliver behind that"
	}
	return ", and behind a restart of this machine by the next deliver (esmtpq wire cron sees to that)"
}

// checkInput returns an error if there is no standard input to read a message from.
func checkInput(f *os.File) error {
	if closed(f) {
		return exit.Fail(exit.NoInput, "standard input is closed: there is no message")
	}
	return nil
}

// closed reports whether we were started without a standard input. The Go runtime then opens
// /dev/null for reading and writing in its place, which no caller without a message does.
func closed(f *os.File) bool {
	st, err := f.Stat()
	if err != nil {
		return true
	}
	if st.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	if null, err := os.Stat(os.DevNull); err != nil || !os.SameFile(st, null) {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}

// content returns a reader of the message. At a terminal a line with a single dot ends the
// message, unless -i is given; from anywhere else everything is read, since programs that forget
// -i outnumber those that mean the dot.
func content(in *os.File, inv *argv.Invocation) io.Reader {
	if !inv.IgnoreDots && term.IsTerminal(int(in.Fd())) {
		return message.UntilDot(in)
	}
	return in
}

// drainLimit bounds how much of a refused message is read.
const drainLimit = 1 << 30

// Drain reads the rest of a message that was refused, if it comes from a pipe.
func Drain(in *os.File) {
	st, err := in.Stat()
	if err == nil && st.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0 {
		io.Copy(io.Discard, io.LimitReader(in, drainLimit))
	}
}
