// Package deliver is the door of a queue run. It is where all rooms meet: identities, tunnels,
// smart hosts, the local agent, and the notices to the queue's owner.
package deliver

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/watched"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// help explains the options of deliver.
const help = door.ChoiceHelp + `Without any: everything that is neither held nor failed.
  -v                     show the SMTP dialogue
  -X FILE                append it to FILE
  -C FILE                use this configuration for everything
  --all-users            alone, for root: run the queues of all users of this machine
  --watch                stay, and deliver mail as it comes and as the network does
`

// options are the options of a queue run.
type options struct {
	inv        *argv.Invocation // sendmail's options, as far as they have a meaning here
	choice     *door.Choice     // which messages; an empty one is everything
	background bool             // started by a submission: only due mail, silently
	delay      time.Duration    // with background: how long to wait for more mail first
}

// Verb is deliver, and sendmail -q.
func Verb(c *door.Call) error {
	if c.Sendmail == nil && len(c.Args) == 2 && c.Args[0] == submit.BackgroundFlag {
		d, err := time.ParseDuration(c.Args[1])
		if err != nil {
			return exit.Fail(exit.Usage, "%s: not a duration", submit.BackgroundFlag)
		}
		opt := &options{inv: &argv.Invocation{}, choice: &door.Choice{}, background: true, delay: d}
		return deliver(c, opt)
	}
	if c.Sendmail == nil && len(c.Args) == 1 {
		switch c.Args[0] {
		case allUsersFlag:
			return everybody(c)
		case ofAllFlag:
			return ofAll(c)
		case watched.Flag:
			return attend(c)
		}
	}
	if c.Sendmail != nil {
		opt := &options{inv: c.Sendmail, choice: &door.Choice{}}
		opt.choice.Narrow(c.Sendmail.Selections...)
		return deliver(c, opt)
	}
	if c.AsksHelp(door.ChoiceOptions...) {
		return c.Help(help)
	}
	opt, err := parse(c.Args)
	if err != nil {
		return err
	}
	return deliver(c, opt)
}

// parse reads the command line of deliver: queue IDs and the other words of a choice, and
// sendmail's options.
func parse(args []string) (*options, error) {
	short, words := splitOptions(args)
	inv, err := argv.Parse(short)
	if err != nil {
		return nil, err
	}
	choice, _, err := door.ParseChoice(append(words, inv.Operands...))
	if err != nil {
		return nil, err
	}
	choice.Narrow(inv.Selections...)
	return &options{inv: inv, choice: choice}, nil
}

// splitOptions takes the long options, with their values, out of a command line.
func splitOptions(args []string) (short, long []string) {
	for i := 0; i < len(args); i++ {
		if len(args[i]) < 3 || args[i][:2] != "--" {
			short = append(short, args[i])
			if argv.TakesNext(args[i]) && i+1 < len(args) {
				i++
				short = append(short, args[i])
			}
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

// filter returns a filter for the messages of the run; nil for all.
func (opt *options) filter(c *door.Call, q *spool.Queue) (func(*spool.Message) bool, error) {
	if c.Messages != nil {
		return func(m *spool.Message) bool { return slices.Contains(c.Messages, m.ID) }, nil
	}
	if c.Sendmail == nil && !opt.choice.Empty() {
		names, err := opt.choice.Resolve(q)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return nil, errNoSuch()
		}
	}
	return opt.choice.Filter(q)
}

func errNoSuch() error {
	return exit.Fail(exit.Unavailable, "there is no such message in the queue: see mailq")
}

// deliver runs the queue.
func deliver(c *door.Call, opt *options) error {
	outlive()
	spool.OnLongEnvelope = sync.OnceFunc(func() { debug.SetGCPercent(spool.GCPercent) })
	home, err := whoami.Home()
	if err != nil {
		return err
	}
	step, err := submit.StepLimit()
	if err != nil {
		return err
	}
	q, err := door.OpenQueue()
	if err != nil {
		return err
	}
	if q == nil { // nothing to do
		if c.Sendmail == nil && !opt.choice.Empty() {
			return errNoSuch()
		}
		return nil
	}
	defer q.Close()
	transcript, err := opt.transcript(c)
	if err != nil {
		return err
	}
	defer transcript.Close()
	r := newRouter(home, opt.inv.Config, q)
	r.transcript, r.step = transcript, step
	r.asked = !opt.background && term.IsTerminal(int(c.Err.Fd()))
	if !opt.background {
		r.progress = newProgress(c, transcript, opt.inv.Verbose || c.Transcript != nil)
	}
	if opt.background {
		return runBehind(c, q, r, opt.delay)
	}
	if _, err := r.load(&spool.Envelope{}); err != nil && opt.inv.Config != "" {
		return submit.ConfigFailure(err) // named now, so it is the person's to mend now
	}
	if text := q.TellShared(); text != "" {
		fmt.Fprintf(c.Err, "%s: %s\n", c.Name, spool.Printable(text))
	}
	only, err := opt.filter(c, q)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	run := r.options(c, q)
	run.All, run.Select, run.Early = true, only, c.Early || opt.choice.Named()
	run.Join = only == nil && transcript == nil && opt.inv.Config == "" && !term.IsTerminal(int(c.Err.Fd()))
	if run.Join && q.JoinRun() {
		return joined(c, q)
	}
	if c.Transcript != nil {
		return runNow(ctx, c, q, r, run)
	}
	run.Waiting = func() {
		if text, stopped := door.Rival(q); stopped {
			fmt.Fprintf(c.Err, "%s: %s; waiting for its end\n", c.Name, text)
		} else {
			c.Remark(text + ": waiting for its end")
		}
	}
	err = r.run(ctx, c, q, run, c.Messages != nil || opt.choice.Named())
	if errors.Is(err, queue.ErrJoined) {
		return joined(c, q)
	}
	r.awaitSchedule(q)
	return err
}

// joined ends a run for everything that leaves its work to another one: incron and the like start one
// for each mail. A person at a terminal waits for the result instead.
func joined(c *door.Call, q *spool.Queue) error {
	if text, stopped := door.Rival(q); stopped {
		return exit.Fail(exit.TempFail, "%s", text)
	}
	return nil
}

// transcript opens the transcript, unless the submission has.
func (opt *options) transcript(c *door.Call) (*door.Transcript, error) {
	if c.Transcript != nil {
		return c.Transcript, nil
	}
	return door.OpenTranscript(opt.inv, c.Err)
}

// runBehind is the background process that a submission starts: it waits for more mail, and tries
// what is due. It holds the wake-up lock while it waits, and lets go of the lock before it looks
// at the queue: a submission that finds the lock taken relies on its mail being seen.
func runBehind(c *door.Call, q *spool.Queue, r *router, delay time.Duration) error {
	// The signals come first: to end now, with the lock, would leave mail to nobody.
	asked := takeSignals()
	lock, err := wakeupLock(q)
	if lock == nil {
		return err // another one sleeps, and will deliver everything
	}
	defer lock.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer signal.Stop(asked)
	woken, stop := sleep(delay, asked, func() { r.prepare(ctx, q) }, cancel)
	run := func() error {
		defer r.closeUnused()
		r.refresh()
		run := r.options(c, q)
		run.Waiting = r.closeUnused // whatever was opened is too old when the other run ends
		run.Begun = func() { lock.Close() }
		return r.run(ctx, c, q, run, false)
	}
	err = run()
	stop()
	for !woken && ctx.Err() == nil && alarm(q, asked) {
		_, stop := sleep(0, asked, func() {}, cancel)
		err = run()
		stop()
	}
	return err
}

// patience is how long sendmail -v waits for another queue run to end.
const patience = 10 * time.Second

var errBusy = errors.New("another queue run is still going on")

// runNow delivers the mail that sendmail -v or -X has just taken, unless another run is at work
// for too long: the mail is safe, and the caller of sendmail does not wait for other mail.
func runNow(ctx context.Context, c *door.Call, q *spool.Queue, r *router, run queue.RunOptions) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := r.hosts().Limit(patience)
	begun := time.AfterFunc(limit, func() { cancel(errBusy) })
	defer begun.Stop()
	run.Legacy = nil // not now
	run.Begun = func() { begun.Stop() }
	run.Waiting = func() {
		text, _ := door.Rival(q)
		fmt.Fprintf(r.transcript, "%s: %s: waiting for its end, up to %v\n", c.Name, text, limit)
	}
	err := r.run(ctx, c, q, run, true)
	if context.Cause(ctx) == errBusy {
		fmt.Fprintf(r.transcript, "%s: it still goes on; the mail is in the queue, and goes out after it\n",
			c.Name)
		r.transcript.Flush(ctx)
		return nil
	}
	return err
}

// options returns what is the same for all queue runs.
func (r *router) options(c *door.Call, q *spool.Queue) queue.RunOptions {
	run := queue.RunOptions{
		Age:    r.age(),
		Legacy: func(names []string) { takeOver(c, q, r, names) },
	}
	run.ConfigChanged, run.Setup = r.changed()
	return run
}

// run runs the queue and reports the result. With named, a person has named each message, and
// hears of those that were not tried.
func (r *router) run(ctx context.Context, c *door.Call, q *spool.Queue, run queue.RunOptions, named bool) error {
	// Words on standard error are read by somebody if it is a terminal; cron throws them away.
	attended := run.All && term.IsTerminal(int(c.Err.Fd()))
	r.announce(&run, q, attended)
	rec := r.record(&run, q)
	if r.progress != nil {
		run.Progress = r.progress.show
	}
	sum, err := queue.Run(ctx, q, r, run)
	r.progress.end()
	r.transcript.Flush(ctx)
	if err == nil && len(sum.Waiting) > 0 && !r.keeps {
		q.PokeToLook()
	}
	switch {
	case errors.Is(err, queue.ErrJoined):
		rec.close()
		return err
	case errors.Is(err, context.Canceled):
		return exit.Fail(exit.TempFail, "interrupted while another queue run was going on: nothing was tried")
	case err != nil:
		return exit.Fail(exit.TempFail, "%w", err)
	}
	if len(sum.Waiting) > 0 && ctx.Err() != nil {
		c.Remark("interrupted")
	}
	err = summarize(c, sum, named)
	if told := summarize(c, sum.Tell(ctx), false); err == nil {
		err = told
	}
	rec.end(ctx, c, &notifier{q, r, attended})
	return err
}

// age returns how old new mail must be before a run that is going on takes it.
func (r *router) age() time.Duration {
	if cfg, err := r.load(&spool.Envelope{}); err == nil {
		if d, err := submit.BatchDelay(cfg); err == nil {
			return max(d, 0)
		}
	}
	return 0
}

// changed returns when the configuration was last changed, and a text that identifies it.
func (r *router) changed() (time.Time, string) {
	cfg, err := r.load(&spool.Envelope{})
	if err != nil {
		return time.Time{}, ""
	}
	changed := cfg.Info.ModTime()
	return changed, fmt.Sprintf("%s %d %d %s@%s", cfg.File, changed.UnixNano(), cfg.Info.Size(), r.login(), whoami.Host())
}
