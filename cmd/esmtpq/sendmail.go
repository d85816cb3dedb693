package main

import (
	"io"
	"os"
	"syscall"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity/yaml"
	"esmtpq/queue"
	"esmtpq/queue/spool"
)

func runSendmail(p *program) error {
	if p.asksHelp() {
		return errHelp
	}
	inv, err := argv.Parse(p.args)
	if err != nil {
		submit.Drain(p.in)
		return err
	}
	if tag := inv.ShownTag(); tag != "" {
		p.name = tag
	}
	return p.invoke(inv)
}

// invoke does what a command line of sendmail's asks for.
func (p *program) invoke(inv *argv.Invocation) error {
	switch inv.Mode {
	case argv.Send:
		return p.send(inv)
	case argv.List, argv.Count:
		return p.list(listOptions{count: inv.Mode == argv.Count, verbose: inv.Verbose})
	case argv.Run:
		return p.deliver(&deliverOptions{inv: inv})
	case argv.SMTP:
		return p.serveSMTP(inv)
	case argv.Explain:
		return p.explain(inv)
	}
	return nil
}

// send takes a message into the queue, and with -v or -X delivers it in the foreground. What becomes
// of it there does not change that it was accepted.
func (p *program) send(inv *argv.Invocation) error {
	home, err := whoami.Home()
	if err != nil {
		submit.Drain(p.in)
		return err
	}
	if err := submit.CheckInput(p.in); err != nil {
		return err // before a transcript is begun
	}
	trace, done, err := p.openTrace(inv)
	if err != nil {
		submit.Drain(p.in)
		return err
	}
	defer done()
	s := &submit.Submission{Name: p.name, In: p.in, Err: p.err, Ways: &submit.Ways{Home: home, YAML: yaml.Parse}}
	if trace != nil {
		s.Accepted = func(q *spool.Queue, id string) { p.deliverNow(q, home, id, trace) }
	}
	return s.Send(inv)
}

// deliverNow tries to deliver one message in the foreground.
func (p *program) deliverNow(q *spool.Queue, home, id string, trace io.Writer) {
	r := newRouter(home, "")
	r.trace = trace
	r.step, _ = submit.StepLimit() // checked before
	ctx, stop := interruptible()
	defer stop()
	run := queue.RunOptions{All: true, Select: func(m *spool.Message) bool { return m.ID == id }}
	r.announce(&run, q, true)
	sum, err := queue.Run(ctx, q, r, run)
	if err == nil {
		p.summarize(sum)
	}
}

// openTrace returns where the SMTP dialogue goes: to standard error with -v, to a file with -X, which
// must be a regular one. Nil for nowhere.
func (p *program) openTrace(inv *argv.Invocation) (trace io.Writer, done func(), err error) {
	var ws []io.Writer
	done = func() {}
	if inv.Verbose {
		ws = append(ws, p.err)
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
