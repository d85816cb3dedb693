//go:build linux && amd64

package faults

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// A scenario is a prepared world, and a program that is then run in it.
type scenario struct {
	name    string
	program string
	ready   func(w *world)            // submits the mail that is there before
	mail    func(w *world) *faultMail // for sendmail: the message that is submitted
}

// scenarios are the uses that the programs make of files.
var scenarios = []scenario{
	{"the first message ever", "sendmail", func(*world) {}, func(w *world) *faultMail {
		return w.mail(500, "a@example.com")
	}},
	{"a long message", "sendmail", func(w *world) { w.submit(w.mail(500, "a@example.com")) }, func(w *world) *faultMail {
		return w.mail(300<<10, "a@example.com", "b@example.net")
	}},
	{"three messages", "deliver", func(w *world) {
		w.submit(w.mail(500, "a@example.com"))
		w.submit(w.mail(500, "b@example.com", "later@example.net", "c@example.com"))
		w.submit(w.mail(300<<10, "d@example.com"))
		w.host.begin(true)
	}, nil},
	{"back to back", "deliver", func(w *world) {
		for n := range 6 {
			w.submit(w.mail(500+n, "a@example.com"))
		}
		w.host.setChunking(true)
	}, nil},
	{"a second attempt", "deliver", func(w *world) {
		w.submit(w.mail(500, "a@example.com", "later@example.net"))
		w.host.begin(true)
		w.ended(w.program("deliver"), "")
		w.host.settle()
		w.host.setBusy(false)
		w.submit(w.mail(500, "b@example.com"))
	}, nil},
	{"no smart host", "deliver", func(w *world) {
		w.submit(w.mail(500, "a@example.com"))
		w.unreachable()
	}, nil},
}

// play runs the scenario's program with a fault, and returns how it ended.
func (s *scenario) play(w *world, f fault) *traceResult {
	if s.program == "deliver" {
		s.ready(w)
		return w.traced(f, "", "deliver")
	}
	s.ready(w)
	m := s.mail(w)
	r := w.traced(f, m.content, "sendmail", submitted(m)...)
	w.accepted[m.serial] = r.code == 0
	return r
}

// killPoints kills a scenario's program before and after each of its calls on files, the first,
// the second and so on, until a run reaches its end.
func killPoints(t *testing.T, fig *figures, s scenario) {
	const ample = 1000
	inParallel(t, 2*ample, noLimit, func(host *faultHost, i int) bool {
		f := fault{deed: killBefore, at: i/2 + 1}
		if i%2 == 1 {
			f.deed = killAfter
		}
		w := newWorld(t, fig, host, fmt.Sprintf("%s, %s killed at call %d.%d", s.name, s.program, f.at, i%2))
		defer w.end()
		r := s.play(w, f)
		if r.reached {
			fig.add(&fig.killPoints, 1)
			if r.code != -1 {
				t.Errorf("%s: exit %d, want it killed", w.what, r.code)
			}
		}
		w.configure() // where it was unreachable
		w.died()
		w.reckon()
		return r.reached
	})
}

// randomKills kills several programs that work at the same time, at random instants.
func randomKills(t *testing.T, fig *figures, n int) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	inParallel(t, n, fig.remaining(), func(host *faultHost, i int) bool {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		w := newWorld(t, fig, host, fmt.Sprintf("random kill %d, seed %d", i, seed))
		defer w.end()
		w.host.setChunking(rng.IntN(2) > 0)
		w.submit(w.mail(500, "a@example.com", "b@example.com"))
		w.submit(w.mail(300<<10, "a@example.com"))
		for round := range 2 {
			w.scramble(rng, round == 0)
			w.died()
		}
		w.reckon()
		return true
	})
}

// scramble runs two sendmails, if wanted, and a deliver at the same time, and kills most of them
// at some point.
func (w *world) scramble(rng *rand.Rand, submit bool) {
	mails := []*faultMail{nil} // nil is a deliver
	if submit {
		mails = append(mails, w.mail(1000+rng.IntN(100_000), "c@example.com"), w.mail(1000, "c@example.com"))
	}
	done := make(chan func())
	for _, m := range mails {
		cmd := w.started(m)
		kill, after := rng.IntN(4) > 0, time.Duration(rng.Int64N(int64(12*time.Millisecond)))
		go func() {
			killed, code := killed(cmd, kill, after)
			done <- func() {
				if killed {
					w.fig.add(&w.fig.randomKills, 1)
				}
				if m != nil {
					w.accepted[m.serial] = code == 0
				}
			}
		}()
	}
	for range mails {
		(<-done)()
	}
}

// killed waits for a program, kills it if it still runs after a while, and reports whether it did.
func killed(cmd *exec.Cmd, kill bool, after time.Duration) (bool, int) {
	if !kill {
		after = stage.Limit
	}
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	cmd.Wait()
	timer.Stop()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return status.Signaled(), cmd.ProcessState.ExitCode()
}
