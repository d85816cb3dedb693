package main

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"esmtpq/message"
	"esmtpq/queue"
)

// maxTag is how much of a name given with -L is used, in octets.
const maxTag = 64

func runSendmail(p *program) error {
	if p.asksHelp() {
		return errHelp
	}
	inv, err := parseSendmail(p.args)
	if err != nil {
		p.drain()
		return err
	}
	if inv.tag != "" {
		p.name = printable(inv.tag[:min(len(inv.tag), maxTag)])
	}
	return p.invoke(inv)
}

// invoke does what a command line of sendmail's asks for.
func (p *program) invoke(inv *invocation) error {
	switch inv.mode {
	case modeSend:
		err := p.send(inv)
		if err != nil {
			p.drain()
		}
		return err
	case modeList, modeCount:
		return p.list(listOptions{count: inv.mode == modeCount, verbose: inv.verbose})
	case modeRun:
		return p.deliver(&deliverOptions{inv: inv})
	case modeSMTP:
		return p.serveSMTP(inv)
	case modeExplain:
		return p.explain(inv)
	}
	return nil
}

// send takes a message into the queue and sees that somebody will deliver it.
// When it returns nil the message is durable, and nothing that happens afterwards changes that.
func (p *program) send(inv *invocation) error {
	home, err := homeDir()
	if err != nil {
		return err
	}
	if stdinClosed(p.in) {
		return fail(exNoInput, "standard input is closed: there is no message")
	}
	trace, done, err := p.openTrace(inv)
	if err != nil {
		return err
	}
	defer done()
	d, err := compose(inv, p.message(inv))
	if err != nil {
		return err
	}
	r := newRouter(home, "")
	delay, err := r.check(d.env)
	if err != nil {
		return err
	}
	if _, err := stepLimit(); err != nil {
		return err
	}
	if err := d.complete(inv, r, time.Now()); err != nil {
		return err
	}
	q, err := queue.OpenOrCreate(filepath.Join(home, queueName))
	if err != nil {
		return queueFailure(err)
	}
	defer q.Close()
	id, err := d.spool(q)
	if err != nil {
		return err
	}
	for _, bad := range d.bad {
		p.remark("the others get it, but " + printable(bad.Error()) + ": see mailq")
	}
	if inv.queueOnly {
		return nil
	}
	if inv.verbose || inv.transcript != "" {
		p.deliverNow(q, home, id, trace)
	}
	if delay >= 0 {
		startSleeper(q, home, delay) // for what waited before, too
	}
	return nil
}

// isNull tells whether a file is /dev/null: what is written there nobody reads.
func isNull(f *os.File) bool {
	st, err := f.Stat()
	if err != nil {
		return true
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(st, null)
}

// stdinClosed tells whether we were started without a standard input. The Go runtime then opens
// /dev/null in its place, for reading and writing, which nobody does who has no message to send.
func stdinClosed(f *os.File) bool {
	if _, err := f.Stat(); err != nil {
		return true
	}
	if !isNull(f) {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDWR
}

// message returns the reader of the message. At a terminal a line with a single dot ends
// it, unless -i; from anywhere else everything is read, for programs that forget -i outnumber
// those that mean the dot.
func (p *program) message(inv *invocation) io.Reader {
	if !inv.ignoreDots && term.IsTerminal(int(p.in.Fd())) {
		return message.UntilDot(p.in)
	}
	return p.in
}

// drainLimit bounds how much of a refused message is read.
const drainLimit = 1 << 30

// drain reads what is left of a message that was refused: a caller that is killed
// by SIGPIPE while it writes never learns why.
func (p *program) drain() {
	st, err := p.in.Stat()
	if err == nil && st.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0 {
		io.Copy(io.Discard, io.LimitReader(p.in, drainLimit))
	}
}

// deliverNow tries to deliver one message in the foreground, for -v and -X. What becomes of it does not
// change that it was accepted.
func (p *program) deliverNow(q *queue.Queue, home, id string, trace io.Writer) {
	r := newRouter(home, "")
	r.trace = trace
	r.step, _ = stepLimit() // checked before
	ctx, stop := interruptible()
	defer stop()
	run := queue.RunOptions{All: true, Select: func(m *queue.Message) bool { return m.ID == id }}
	r.announce(&run, q, true)
	sum, err := q.Run(ctx, r, run)
	if err == nil {
		p.summarize(sum)
	}
}

// openTrace returns where the SMTP dialogue goes: to standard error with -v, to a file with -X, which
// must be a regular one. Nil for nowhere.
func (p *program) openTrace(inv *invocation) (trace io.Writer, done func(), err error) {
	var ws []io.Writer
	done = func() {}
	if inv.verbose {
		ws = append(ws, p.err)
	}
	if inv.transcript != "" {
		f, err := os.OpenFile(inv.transcript, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, nil, fail(exCantCreat, "-X: %w", err)
		}
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			f.Close()
			return nil, nil, fail(exCantCreat, "-X %s: not a regular file", inv.transcript)
		}
		ws, done = append(ws, f), func() { f.Close() }
	}
	if len(ws) == 0 {
		return nil, done, nil
	}
	return io.MultiWriter(ws...), done, nil
}
