//go:build linux && amd64

package faults

import (
	"esmtpq/tests/stage"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ailments are the errors that a call can have, by its name.
var ailments = map[string][]unix.Errno{
	"openat":   {unix.EMFILE, unix.EACCES, unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EINTR},
	"mkdir":    {unix.ENOSPC, unix.EDQUOT, unix.EACCES, unix.EIO, unix.EROFS},
	"write":    {unix.ENOSPC, unix.EDQUOT, unix.EIO, unix.EROFS, unix.EINTR, 0},
	"sync":     {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EINVAL, unix.EINTR}, // EINVAL: it cannot be synced
	"rename":   {unix.ENOSPC, unix.EDQUOT, unix.EACCES, unix.EIO},
	"unlink":   {unix.EIO, unix.EACCES, unix.EROFS},
	"chmod":    {unix.EIO, unix.EACCES, unix.EROFS},
	"truncate": {unix.EIO},
	"close":    {unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EINTR},
	"flock":    {unix.EINTR, unix.EIO, unix.ENOLCK},
}

// faultsAt returns the faults for a call: each error, once and from there on. Error 0 stands for
// a short write. A call is interrupted a few times, since no interruption lasts. Without -long
// each call fails for good with only one of its errors, the next call with another one.
func faultsAt(name string, at int) []fault {
	var all []fault
	for i, errno := range ailments[name] {
		f := fault{deed: failWith, errno: errno, at: at}
		if errno == 0 {
			f.deed = shorten
		}
		all = append(all, f)
		if !stage.Long() && i != at%len(ailments[name]) {
			continue
		}
		f.times = forGood
		if errno == unix.EINTR {
			f.times = 3
		}
		all = append(all, f)
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

// An illness is a scenario with a fault.
type illness struct {
	scenario
	fault
	call *sysCall // the call that fails, from a run without faults
}

// illnesses returns everything that can happen to the calls on files of a scenario's program.
func illnesses(t *testing.T, fig *figures, host *faultHost, s scenario) []illness {
	w := newWorld(t, fig, host, s.name)
	defer w.end()
	// The order of some calls differs between runs; what matters is that all numbers are tried.
	var all []illness
	for i, c := range s.play(w, fault{}).calls {
		if len(ailments[c.name]) == 0 {
			t.Errorf("%s: no ailments known of %s", s.name, c)
		}
		for _, f := range faultsAt(c.name, i+1) {
			all = append(all, illness{s, f, c})
		}
	}
	return all
}

// failingCalls makes every call on files of every scenario's program fail in every way.
func failingCalls(t *testing.T, fig *figures) {
	var all []illness
	host := newFaultHost(t)
	for _, s := range scenarios {
		all = append(all, illnesses(t, fig, host, s)...)
	}
	// If time is short, it is short for all of them.
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	inParallel(t, len(all), fig.remaining(), func(host *faultHost, i int) bool {
		s := all[i]
		w := newWorld(t, fig, host, "")
		defer w.end()
		w.what = fmt.Sprintf("%s, %s with %v (%s)", s.name, s.program, s.fault, s.call)
		r := s.play(w, s.fault)
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

// refused checks a sendmail that met an error: a message that it did not accept has left nothing,
// unless the files could not be removed either.
func (w *world) refused(r *traceResult) {
	last := w.mails[len(w.mails)-1].serial
	switch {
	case r.code == 0:
		w.durable(r)
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

// durable checks that a message is not accepted if a sync of it has failed: the kernel may have
// dropped the data. A file that cannot be synced at all (EINVAL) is as durable as it gets.
func (w *world) durable(r *traceResult) {
	for _, c := range r.calls {
		switch unix.Errno(-c.ret) {
		case unix.EIO, unix.ENOSPC, unix.EDQUOT:
			if c.name == "sync" {
				w.fig.add(&w.fig.lost, 1)
				w.t.Errorf("%s: accepted, although %s failed", w.what, c)
			}
		}
	}
}

// interrupted checks a deliver that met an error: it sent no more than it could record, and said
// so if it left something.
func (w *world) interrupted(r *traceResult) {
	w.died()
	for at, c := range r.calls {
		// A single octet marks a message that is about to be sent: without the mark it is not sent, and
		// the next one may be. The line of the message is written over itself before that, with the
		// same consequence. Why a message waits can be lost without harm.
		outcome := c.name == "sync" || c.name == "write" && len(c.data) > 256 && !strings.HasPrefix(string(c.data), `{"state":"d"`)
		unrecorded := outcome && c.ret < 0 && c.ret != -int64(unix.EINTR) && filepath.Base(c.path) == "envelope" && !recordedAfter(r.calls[at:], c)
		if unrecorded && w.host.inFlight() == 1 && w.host.number() > c.host {
			w.fig.add(&w.fig.doubled, 1)
			w.t.Errorf("%s: it could not record what it had sent, and sent more", w.what)
		}
	}
	pending := 0
	for _, m := range w.mails {
		for _, rcpt := range m.rcpts {
			if w.arrived[copyOf{m.serial, rcpt}] == 0 {
				pending++
			}
		}
	}
	if (pending > 0 || len(w.window) > 0) && (r.code == 0 || r.stderr == "") {
		w.fig.add(&w.fig.silent, 1)
		w.t.Errorf("%s: exit %d, %q, and %d copies are still to be sent, %d possibly sent", w.what, r.code, r.stderr, pending, len(w.window))
	}
}

// recordedAfter reports whether what a failed call should have recorded was recorded after it in another
// way: by a sync of the same envelope, by the name of the entry, or by the mode of the envelope.
func recordedAfter(calls []*sysCall, failed *sysCall) bool {
	id := filepath.Base(filepath.Dir(failed.path))
	return slices.ContainsFunc(calls, func(c *sysCall) bool {
		switch {
		case c.ret < 0:
			return false
		case c.name == "sync" || c.name == "chmod":
			return c.path == failed.path
		}
		return c.name == "rename" && filepath.Base(c.path) == id && filepath.Base(c.to) == ".sent-"+id
	})
}
