//go:build linux && amd64

package main_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ailments are what can be wrong with a call, by its name.
var ailments = map[string][]unix.Errno{
	"openat":   {unix.EMFILE, unix.EACCES, unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EINTR},
	"mkdir":    {unix.ENOSPC, unix.EDQUOT, unix.EACCES, unix.EIO},
	"write":    {unix.ENOSPC, unix.EDQUOT, unix.EIO, unix.EINTR, 0},
	"sync":     {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EINTR},
	"rename":   {unix.ENOSPC, unix.EDQUOT, unix.EACCES, unix.EIO},
	"unlink":   {unix.EIO, unix.EACCES, unix.EROFS},
	"chmod":    {unix.EIO, unix.EACCES, unix.EROFS},
	"truncate": {unix.EIO},
	"close":    {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EINTR},
	"flock":    {unix.EINTR, unix.EIO, unix.ENOLCK},
}

// faultsAt returns what is done at a call: each error, once and from there on. Error 0 stands for a
// short write. A call that is interrupted is so a few times: nothing interrupts for good.
func faultsAt(name string, at int) []fault {
	var all []fault
	for _, errno := range ailments[name] {
		switch errno {
		case 0:
			all = append(all, fault{deed: shorten, at: at}, fault{deed: shorten, at: at, times: forGood})
		case unix.EINTR:
			all = append(all, fault{deed: failWith, errno: errno, at: at}, fault{deed: failWith, errno: errno, at: at, times: 3})
		default:
			all = append(all, fault{deed: failWith, errno: errno, at: at}, fault{deed: failWith, errno: errno, at: at, times: forGood})
		}
	}
	return all
}

func (f fault) String() string {
	word := "a short write"
	if f.deed == failWith {
		word = unix.ErrnoName(f.errno)
	}
	switch {
	case f.times >= forGood:
		return fmt.Sprintf("%s from call %d on", word, f.at)
	case f.times > 1:
		return fmt.Sprintf("%s %d times from call %d on", word, f.times, f.at)
	}
	return fmt.Sprintf("%s at call %d", word, f.at)
}

// failingCalls lets every call on files of a scenario's program fail in every way.
func failingCalls(t *testing.T, fig *figures, s scenario) {
	// A run without a fault tells which calls there are. Some come in another order the next time.
	w := newWorld(t, fig, newFaultHost(t), s.name)
	calls := s.play(w, fault{}).calls
	w.end()
	var all []fault
	for i, c := range calls {
		if len(ailments[c.name]) == 0 {
			t.Errorf("%s: no ailments known of %s", s.name, c)
		}
		all = append(all, faultsAt(c.name, i+1)...)
	}
	inParallel(t, len(all), 2*time.Minute, func(host *faultHost, i int) bool {
		f := all[i]
		w := newWorld(t, fig, host, "")
		defer w.end()
		w.what = fmt.Sprintf("%s, %s with %v (%s)", s.name, s.program, f, calls[f.at-1])
		r := s.play(w, f)
		fig.add(&fig.injected, 1)
		if s.program == "sendmail" {
			w.refused(r)
		} else {
			w.interrupted(r)
		}
		w.configure()
		w.reckon()
		return true
	})
}

// refused looks at a sendmail that met trouble: what it did not accept has left nothing, unless
// what had been written could not be removed either.
func (w *world) refused(r *traceResult) {
	last := w.mails[len(w.mails)-1].serial
	switch {
	case r.code == 0:
		return
	case r.stderr == "":
		w.fig.add(&w.fig.silent, 1)
		w.t.Errorf("%s: exit %d without a word", w.what, r.code)
	}
	if w.queued()[last] != nil {
		removable := !slices.ContainsFunc(r.calls, func(c *sysCall) bool { return c.name == "unlink" && c.ret < 0 })
		if removable {
			w.t.Errorf("%s: exit %d, yet the message is in the queue", w.what, r.code)
		}
		w.fig.add(&w.fig.kept, 1)
	}
}

// interrupted looks at a deliver that met trouble: it sent nothing more than it could record, and said so
// if it left something.
func (w *world) interrupted(r *traceResult) {
	w.died()
	doubtful := map[int]bool{}
	for c := range w.window {
		doubtful[c.serial] = true
	}
	if len(doubtful) > 1 {
		w.t.Errorf("%s: it went on sending after it could not record what it had sent: %v", w.what, w.window)
	}
	pending := 0
	for _, m := range w.mails {
		for _, rcpt := range m.rcpts {
			if w.arrived[copyOf{m.serial, rcpt}] == 0 {
				pending++
			}
		}
	}
	if (pending > 0 || len(doubtful) > 0) && (r.code == 0 || r.stderr == "") {
		w.fig.add(&w.fig.silent, 1)
		w.t.Errorf("%s: exit %d, %q, and %d copies are still to be sent, %d messages possibly sent", w.what, r.code, r.stderr, pending, len(doubtful))
	}
}
