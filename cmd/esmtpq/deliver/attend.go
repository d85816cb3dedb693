package deliver

import (
	"bufio"
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/watched"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue"
	"esmtpq/queue/spool"
	"esmtpq/relay"
)

// apart is how far apart identities begin after the network has come back.
const apart = 2 * time.Second

// An attendant is the process that runs the queue for the watcher.
type attendant struct {
	call     *door.Call
	q        *spool.Queue
	r        *router
	control  *os.File
	requests chan *watched.Request // closed when the watcher has nothing more to ask for, or is gone
	asked    chan os.Signal        // to end

	later   []*watched.Request // requests that came during a run; nil after the last one
	taken   int                // requests taken and not acknowledged
	pending bool               // a run is asked for, or a look
	try     bool               // a run
	begin   time.Time          // when it is to begin
	early   bool               // sessions have been opened for it
	all     bool               // it is to try everything
	network bool               // it is the first over another network
	mail    bool               // new mail is a reason for it
	ending  bool               // it is the last one, whatever may come
	closed  bool               // no more requests come
}

// attend is the process that the watcher starts: it runs the queue as it is asked to, until nobody
// asks for more and no session is kept open.
func attend(c *door.Call) error {
	outlive()
	a := &attendant{call: c, requests: make(chan *watched.Request, 64), asked: takeSignals()}
	a.control = os.NewFile(watched.FD, "control")
	if st, err := a.control.Stat(); err != nil || st.Mode()&os.ModeSocket == 0 {
		return exit.Fail(exit.Usage, "%s is for deliver --watch to use", watched.Flag)
	}
	syscall.CloseOnExec(watched.FD)
	home, err := whoami.Home()
	if err != nil {
		return err
	}
	step, err := submit.StepLimit()
	if err != nil {
		return err
	}
	if a.q, err = door.OpenQueue(); a.q == nil {
		return err
	}
	defer a.q.Close()
	a.r = newRouter(home, "", a.q)
	a.r.step, a.r.keeps = step, true
	go a.listen()
	return a.serve()
}

// listen takes the requests of the watcher.
func (a *attendant) listen() {
	defer close(a.requests)
	in := bufio.NewScanner(a.control)
	for {
		r, err := watched.Read(in)
		if err != nil {
			return // the watcher is gone, and the run goes on
		}
		if r.Kind == watched.Network {
			a.r.networkChanged()
		}
		a.requests <- r
	}
}

// serve runs the queue again and again.
func (a *attendant) serve() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer a.r.closeUnused()
	a.begin = time.Now().Add(readyTime)
	for {
		last := a.wait(ctx)
		if !a.pending {
			return nil
		}
		err := a.run(ctx, cancel)
		if err == nil && ctx.Err() != nil {
			return exit.Silent(exit.TempFail) // what else was asked for is not done
		}
		if err != nil || last {
			return err
		}
		a.begin = a.r.kept() // the end of the wait
	}
}

// worthOpening is how long before a run it is worth opening sessions for it.
const worthOpening = 50 * time.Millisecond

// readyTime is how long a process that is to be ready waits for the first request.
const readyTime = 5 * time.Second

// wait waits until a run is to begin, or nothing is to be waited for any more. It reports whether the
// process is to end after that.
func (a *attendant) wait(ctx context.Context) (last bool) {
	for _, r := range a.later {
		a.take(r)
	}
	a.later = nil
	for !a.ending && (!a.closed || a.pending) {
		until := a.begin
		if a.pending && a.mail && !a.early && time.Until(a.begin) > worthOpening {
			if until = a.begin.Add(-opensBefore); !until.After(time.Now()) {
				a.early = true
				a.r.prepare(ctx, a.q)
				continue
			}
		}
		timer := time.NewTimer(time.Until(until))
		select {
		case r := <-a.requests:
			a.take(r)
		case <-a.asked: // what was waited for goes out now
			for len(a.requests) > 0 {
				a.take(<-a.requests)
			}
			a.ending = true
		case <-timer.C:
			if until.Equal(a.begin) {
				return false
			}
		}
		timer.Stop()
	}
	return true
}

// take takes a request on; nil is the end of all.
func (a *attendant) take(r *watched.Request) {
	switch {
	case r == nil:
		a.requests, a.closed = nil, true
		return
	case r.Kind == watched.End:
		a.ending = true
		return
	case r.Kind == watched.Ready:
		return
	}
	a.taken++
	begin := time.Now()
	switch r.Kind {
	case watched.New:
		a.mail = true
		begin = begin.Add(min(max(r.Delay, 0), maxDelay))
	case watched.Network:
		a.network = true
	case watched.Flush:
		a.all = true
	}
	if !a.pending || begin.Before(a.begin) {
		a.begin = begin
	}
	a.pending, a.try = true, a.try || r.Kind != watched.Look
}

// maxDelay is the longest delay that the process waits for more mail.
const maxDelay = 24 * time.Hour

// lastTime is how long a run may still go on when the watcher ends: the mail that was asked for last
// goes out, and a long queue stays for the next one.
const lastTime = 3 * time.Second

// heed takes requests while a run goes on, until done. A signal ends the run, and so does the watcher's
// end, after a while.
func (a *attendant) heed(cancel context.CancelFunc, done <-chan struct{}) {
	requests := a.requests
	var over <-chan time.Time
	for {
		select {
		case <-a.asked:
			cancel()
		case <-over:
			cancel()
		case r := <-requests:
			a.later = append(a.later, r)
			if r == nil {
				requests = nil
			} else if r.Kind == watched.End {
				over = time.After(lastTime)
			}
		case <-done:
			return
		}
	}
}

// run is one run of the queue.
func (a *attendant) run(ctx context.Context, cancel context.CancelFunc) error {
	done, heeded := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(heeded)
		a.heed(cancel, done)
	}()
	defer func() {
		close(done)
		<-heeded
	}()
	a.r.refresh()
	run := a.r.options(a.call, a.q)
	run.All, run.NewNetwork = a.all, a.network
	if a.network {
		run.Apart = apart
	}
	taken := a.taken
	run.Begun = func() { a.say(&watched.Reply{Taken: taken}) }
	run.Waiting = a.r.closeUnused
	try := a.try
	a.taken, a.pending, a.try, a.early, a.all, a.network, a.mail = 0, false, false, false, false, false, false
	var err error
	if try {
		err = a.r.run(ctx, a.call, a.q, run, false)
	} else {
		run.Begun()
	}
	if err != nil && !errors.Is(err, exit.ErrSilent) {
		return err // the watcher tries again
	}
	a.r.announce(&run, a.q, false) // for the limits
	ahead, err := queue.Ahead(a.q, run)
	if err == nil {
		a.say(&watched.Reply{Over: true, Next: ahead.Next, Network: ahead.Network})
	}
	return err
}

// say tells the watcher something. If it is gone, nobody has to know.
func (a *attendant) say(r *watched.Reply) { r.Write(a.control) }

// kept returns until when a session is kept open.
func (r *router) kept() (until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.transports {
		if t, ok := t.(*relay.Transport); ok {
			if end := t.Kept(); end.After(until) {
				until = end
			}
		}
	}
	return until
}

// networkChanged tells all transports that the network has changed.
func (r *router) networkChanged() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moved = true
	for _, t := range r.transports {
		if t, ok := t.(*relay.Transport); ok {
			t.NetworkChanged()
		}
	}
}
