package submit

import (
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/message"
	"esmtpq/queue/spool"
)

// QueueName is the name of the queue directory in the home directory.
const QueueName = ".esmtp_queue"

// A Submission is a message that a caller hands over.
type Submission struct {
	Name string   // to begin remarks with
	In   *os.File // the message
	Err  *os.File // for remarks
	Ways *Ways

	// Accepted is called when the message is durable, before somebody is sent to deliver it.
	// It may be nil.
	Accepted func(q *spool.Queue, id string)
}

// Send takes the message into the queue and sees that somebody will deliver it. When it
// returns nil the message is durable, and nothing that happens afterwards changes that. After an
// error it has read the message to its end, where that is a pipe: a caller that is killed by
// SIGPIPE while it writes never learns why.
func (s *Submission) Send(inv *argv.Invocation) error {
	err := s.send(inv)
	if err != nil {
		Drain(s.In)
	}
	return err
}

func (s *Submission) send(inv *argv.Invocation) error {
	if err := CheckInput(s.In); err != nil {
		return err
	}
	d, err := Compose(inv, s.message(inv))
	if err != nil {
		return err
	}
	delay, err := s.Ways.Check(d.Env)
	if err != nil {
		return err
	}
	if _, err := StepLimit(); err != nil {
		return err
	}
	if err := d.Complete(inv, s.Ways, time.Now()); err != nil {
		return err
	}
	q, err := spool.OpenOrCreate(filepath.Join(s.Ways.Home, QueueName))
	if err != nil {
		return exit.Queue(err)
	}
	defer q.Close()
	id, err := d.Spool(q)
	if err != nil {
		return err
	}
	for _, bad := range d.Bad {
		exit.Remark(s.Err, s.Name, "the others get it, but "+spool.Printable(bad.Error())+": see mailq")
	}
	if inv.QueueOnly {
		return nil
	}
	if s.Accepted != nil {
		s.Accepted(q, id)
	}
	if delay >= 0 {
		StartSleeper(q, s.Ways.Home, delay) // for what waited before, too
	}
	return nil
}

// IsNull tells whether a file is /dev/null: what is written there nobody reads.
func IsNull(f *os.File) bool {
	st, err := f.Stat()
	if err != nil {
		return true
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(st, null)
}

// CheckInput returns an error if there is no standard input to read a message from.
func CheckInput(f *os.File) error {
	if closed(f) {
		return exit.Fail(exit.NoInput, "standard input is closed: there is no message")
	}
	return nil
}

// closed tells whether we were started without a standard input. The Go runtime then opens
// /dev/null in its place, for reading and writing, which nobody does who has no message to send.
func closed(f *os.File) bool {
	if _, err := f.Stat(); err != nil {
		return true
	}
	if !IsNull(f) {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}

// message returns the reader of the message. At a terminal a line with a single dot ends
// it, unless -i; from anywhere else everything is read, for programs that forget -i outnumber
// those that mean the dot.
func (s *Submission) message(inv *argv.Invocation) io.Reader {
	if !inv.IgnoreDots && term.IsTerminal(int(s.In.Fd())) {
		return message.UntilDot(s.In)
	}
	return s.In
}

// drainLimit bounds how much of a refused message is read.
const drainLimit = 1 << 30

// Drain reads what is left of a message that was refused, where that is a pipe.
func Drain(in *os.File) {
	st, err := in.Stat()
	if err == nil && st.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0 {
		io.Copy(io.Discard, io.LimitReader(in, drainLimit))
	}
}
