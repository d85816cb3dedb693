// Package watch is the door of the watcher, deliver --watch: a process that stays and has mail
// delivered as soon as that can be. It is woken by a new message, when mail is due again, by a change
// of the network, when the machine wakes or its clock is set, and by signals. It delivers nothing
// itself: a process that it starts does (see package watched), so that it stays small, and nothing at
// all happens while there is nothing to do.
package watch

import (
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/watched"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue/spool"
)

// Option is the option of deliver that asks for the watcher.
const Option = "--watch"

// Or returns the verb deliver: the watcher if the command line asks for it, or else a queue run.
func Or(run door.Verb) door.Verb {
	return func(c *door.Call) error {
		if c.Sendmail != nil || !slices.Contains(c.Args, Option) || c.AsksHelp(door.ChoiceOptions...) {
			return run(c)
		}
		if len(c.Args) > 1 {
			return exit.Fail(exit.Usage, "%s goes with no other argument", Option)
		}
		return watch(c)
	}
}

const (
	// debounce is how long changes of the network are collected.
	debounce = 250 * time.Millisecond
	// again is when the network is looked at once more: addresses of IPv6 come late, and routes of IPv4
	// go without a word.
	again = 2 * time.Second
	// resumePatience is how long the network has after the machine has woken.
	resumePatience = 10 * time.Second
)

// A watcher is the state of the process. All of it belongs to the goroutine of loop.
type watcher struct {
	call    *door.Call
	socket  *socket
	clock   *clock
	network *network
	runner  *runner
	manager *manager
	signals chan os.Signal

	waitsNetwork bool // mail waits for a network
	state        string
	look         timer // at the network, once changes have been collected
	lookAgain    timer
	resumed      timer // running while the network has time after the machine has woken
}

func watch(c *door.Call) error {
	home, err := whoami.Home()
	if err != nil {
		return err
	}
	// Little is needed, and rarely.
	debug.SetGCPercent(20)
	w := &watcher{call: c, manager: newManager(), signals: make(chan os.Signal, 8)}
	signal.Notify(w.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGALRM)
	signal.Ignore(syscall.SIGPIPE)
	if w.clock, err = newClock(); err != nil {
		return exit.Fail(exit.OSErr, "cannot watch the clock: %w", err)
	}
	// From here on submissions rely on us.
	if w.socket, err = listen(whoami.Queue(home)); err != nil {
		return err
	}
	w.network = newNetwork()
	w.state = snapshot()
	w.runner = newRunner(home, c.Err)
	w.runner.ask(watched.Network, 0) // whatever it was before, it may be another one now
	w.manager.say("READY=1")
	return w.loop()
}

// loop waits for what happens, one after the other.
func (w *watcher) loop() error {
	for {
		w.manager.working(w.runner.busy())
		idle := !w.runner.busy() && !w.look.running() && !w.lookAgain.running() && !w.resumed.running()
		if idle {
			rest()
		}
		select {
		case r, ok := <-w.socket.pokes:
			leaveRest()
			if !ok {
				w.stop()
				return exit.Fail(exit.OSErr, "the socket for new messages cannot be read any more: start it again")
			}
			w.runner.ask(r.Kind, r.Delay)
		case <-w.network.hints:
			leaveRest()
			w.hint()
		case e := <-w.clock.events:
			leaveRest()
			w.time(e)
		case <-w.look.C():
			w.look.stop()
			w.compare()
			w.lookAgain.start(again)
		case <-w.lookAgain.C():
			w.lookAgain.stop()
			w.compare()
		case <-w.resumed.C():
			w.resumed.stop()
			w.tryNetwork()
		case r := <-w.runner.replies:
			w.reply(r)
		case <-w.runner.again.C():
			w.runner.retry()
		case <-w.manager.tick():
			w.manager.say("WATCHDOG=1")
		case s := <-w.signals:
			leaveRest()
			switch s {
			case syscall.SIGTERM, syscall.SIGINT:
				w.stop()
				return nil
			case syscall.SIGHUP:
				w.runner.ask(watched.Due, 0)
			default:
				w.runner.ask(watched.Flush, 0)
			}
		}
		if err := w.keepSocket(); err != nil {
			w.stop()
			return err
		}
	}
}

// hint takes note that something about the network has changed.
func (w *watcher) hint() {
	if w.resumed.running() {
		w.resumed.stop()
		w.tryNetwork()
	}
	if w.look.running() {
		return
	}
	if w.waitsNetwork {
		w.runner.ready() // it takes its time to start
	}
	w.look.start(debounce)
}

// compare looks whether the network is another one.
func (w *watcher) compare() {
	state := snapshot()
	if state != w.state {
		w.state = state
		w.tryNetwork()
	}
}

// tryNetwork has tried what waits for the network. That there is no route is no reason not to: nobody
// knows all the ways out of a machine.
func (w *watcher) tryNetwork() {
	if w.waitsNetwork || w.runner.busy() {
		w.runner.ask(watched.Network, 0)
	}
}

// time takes note of an event of the clock.
func (w *watcher) time(e event) {
	switch e {
	case expired:
		w.runner.ask(watched.Due, 0)
	case resumed:
		w.resumed.start(resumePatience)
		fallthrough
	case stepped: // what is due may be so by the clock of before
		if !w.clock.armed.IsZero() {
			w.runner.ask(watched.Due, 0)
		}
	}
}

// reply takes a reply of the process that delivers.
func (w *watcher) reply(r *watched.Reply) {
	if !w.runner.reply(r) || !r.Over {
		return
	}
	w.waitsNetwork = r.Network
	if w.clock.arm(r.Next) == errClockSet {
		w.time(resumed) // or it has slept
	}
}

// keepSocket makes the socket anew if somebody has removed it, or the queue directory.
func (w *watcher) keepSocket() error {
	if w.socket.there() {
		return nil
	}
	dir := w.socket.q.Dir
	w.socket.close()
	next, err := listen(dir)
	if err != nil {
		return err
	}
	w.socket = next
	w.runner.ask(watched.Due, 0)
	return nil
}

// stop ends this process: the mail that we were told of until now is delivered.
func (w *watcher) stop() {
	w.manager.say("STOPPING=1")
	if w.socket.close() {
		w.runner.ask(watched.New, 0)
	}
	w.runner.stop()
}

// alreadyWatched says that another watcher is there.
func alreadyWatched(q *spool.Queue) error {
	h, ok := q.Watcher()
	if !ok {
		return exit.Fail(exit.TempFail, "another process watches %s already", q.Dir)
	}
	return &exit.Failure{
		Code: exit.TempFail, Err: exit.Fail(exit.TempFail, "process %d watches %s already, since %s", h.PID, q.Dir, door.Stamp(h.Since)),
		Hint: "one is enough",
	}
}

// A timer is a timer that may not be running.
type timer struct{ t *time.Timer }

func (t *timer) running() bool { return t.t != nil }

func (t *timer) start(d time.Duration) {
	t.stop()
	t.t = time.NewTimer(d)
}

func (t *timer) stop() {
	if t.t != nil {
		t.t.Stop()
		t.t = nil
	}
}

// C returns its channel, nil while it is not running.
func (t *timer) C() <-chan time.Time {
	if t.t == nil {
		return nil
	}
	return t.t.C
}
