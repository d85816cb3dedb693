package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// deliverOptions are what deliver can be told.
type deliverOptions struct {
	inv        *argv.Invocation          // sendmail's options, as far as they have a meaning here
	chosen     *choice                   // nil for everything
	only       func(*spool.Message) bool // nil for everything
	background bool                      // left behind by a submission: what is due, and silently
	delay      time.Duration             // with background: how long to wait for more mail first
}

func runDeliver(p *program) error {
	opt := &deliverOptions{inv: &argv.Invocation{}}
	if len(p.args) == 2 && p.args[0] == submit.BackgroundFlag {
		d, err := time.ParseDuration(p.args[1])
		if err != nil {
			return exit.Fail(exit.Usage, "%s: not a duration", submit.BackgroundFlag)
		}
		opt.background, opt.delay = true, d
		return p.deliver(opt)
	}
	if p.asksHelp() {
		return errHelp
	}
	// Queue IDs and the rest of a choice are words of their own; options are sendmail's.
	short, words := splitOptions(p.args)
	inv, err := argv.Parse(short)
	if err != nil {
		return err
	}
	if opt.chosen, _, err = parseChoice(append(words, inv.Operands...)); err != nil {
		return err
	}
	opt.inv = inv
	return p.deliver(opt)
}

// splitOptions takes the long options, with their values, out of a command line.
func splitOptions(args []string) (short, long []string) {
	for i := 0; i < len(args); i++ {
		if len(args[i]) < 3 || args[i][:2] != "--" {
			short = append(short, args[i])
			continue
		}
		long = append(long, args[i])
		if !strings.Contains(args[i], "=") && i+1 < len(args) {
			i++
			long = append(long, args[i])
		}
	}
	return short, long
}

// interruptible returns a context that the usual signals end. They are taken even where the caller
// ignored them: mutt and cron do, for themselves.
func interruptible() (context.Context, context.CancelFunc) {
	// Taken, where it was ignored before: what a delivery runs would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGXFSZ)
	return signal.NotifyContext(context.Background(), syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
}

// deliver runs the queue.
func (p *program) deliver(opt *deliverOptions) error {
	home, err := whoami.Home()
	if err != nil {
		return err
	}
	step, err := submit.StepLimit()
	if err != nil {
		return err
	}
	q, err := openQueue()
	if err != nil || q == nil {
		return err // no queue: nothing to do
	}
	defer q.Close()
	var lock *os.File
	if opt.background {
		if lock, err = sleep(q, opt.delay); lock == nil {
			return err // another one sleeps, and will see to all there is
		}
		defer lock.Close()
	}
	r := newRouter(home, opt.inv.Config)
	r.step = step
	trace, done, err := p.openTrace(opt.inv)
	if err != nil {
		return err
	}
	defer done()
	r.trace = trace
	only, err := opt.selector(q)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	run := queue.RunOptions{
		All: !opt.background, Select: only, Age: r.age(),
		Waiting: func() { p.remark("another queue run is going on: waiting for its end") },
		Begun: func() {
			if lock != nil {
				lock.Close()
			}
		},
		Legacy: func(names []string) { p.takeOver(q, r, names) },
	}
	run.ConfigChanged, run.Setup = r.mended()
	r.announce(&run, q, !opt.background && !submit.IsNull(p.err))
	sum, err := queue.Run(ctx, q, r, run)
	if err != nil {
		return exit.Fail(exit.TempFail, "%w", err)
	}
	if len(sum.Waiting) > 0 && ctx.Err() != nil {
		p.remark("interrupted")
	}
	return p.summarize(sum)
}

// age returns how old mail must be to be taken by a run that is going on already.
func (r *router) age() time.Duration {
	if cfg, err := r.Load(&spool.Envelope{}); err == nil {
		if d, err := submit.BatchDelay(cfg); err == nil {
			return max(d, 0)
		}
	}
	return 0
}

// mended returns when the configuration was last changed, and what it is known by.
func (r *router) mended() (time.Time, string) {
	cfg, err := r.Load(&spool.Envelope{})
	if err != nil {
		return time.Time{}, ""
	}
	changed := cfg.Info.ModTime()
	return changed, fmt.Sprint(cfg.File, " ", changed.UnixNano(), " ", cfg.Info.Size(), " ", r.Login(), "@", whoami.Host())
}

// selector returns the filter for a queue run; nil for everything.
func (opt *deliverOptions) selector(q *spool.Queue) (func(*spool.Message) bool, error) {
	if opt.only != nil {
		return opt.only, nil
	}
	if opt.chosen != nil && !opt.chosen.empty() {
		return opt.chosen.selector(q)
	}
	return selector(opt.inv.Selections), nil
}

// selector returns the filter that -q options make; nil for everything. All of them must agree.
func selector(selections []argv.Selection) func(*spool.Message) bool {
	if len(selections) == 0 {
		return nil
	}
	return func(m *spool.Message) bool {
		for _, s := range selections {
			if matches(s, m) == s.Not {
				return false
			}
		}
		return true
	}
}

// matches tells whether a selection's text is a part of what it is about, without regard to case.
func matches(s argv.Selection, m *spool.Message) bool {
	contains := func(in string) bool {
		return strings.Contains(strings.ToLower(in), strings.ToLower(s.Substr))
	}
	switch s.By {
	case 'I':
		return contains(m.ID)
	case 'S':
		return contains(m.Envelope.Sender())
	}
	return slices.ContainsFunc(m.Envelope.Recipients, func(rcpt spool.Recipient) bool { return contains(rcpt.Address) })
}

// remark says something to a person who waits at a terminal.
func (p *program) remark(text string) { exit.Remark(p.err, p.name, text) }

// summarize says what a queue run could not do, a line for each reason, and returns the exit code that goes with it.
func (p *program) summarize(sum *queue.Summary) error {
	for _, t := range sum.Trouble {
		fmt.Fprintf(p.err, "%s: %s\n", p.name, printable(t))
	}
	for _, f := range sum.Failed {
		fmt.Fprintf(p.err, "%s: %s: <%s> failed: %s\n", p.name, f.ID, printable(f.Address), f.Report.Explain())
	}
	for _, f := range sum.Dropped {
		fmt.Fprintf(p.err, "%s: %s: <%s> dropped, having failed long ago: %s\n", p.name, f.ID, printable(f.Address), f.Report.Explain())
	}
	for _, w := range sum.Waiting {
		lane := ""
		if w.Destination != "" {
			lane = printable(w.Destination) + ": "
		}
		fmt.Fprintf(p.err, "%s: %s%s (%s)\n", p.name, lane, printable(w.Text), plural(w.Messages, "message waits", "messages wait"))
	}
	if len(sum.Waiting) > 0 {
		return exit.Silent(exit.TempFail)
	}
	return nil
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
