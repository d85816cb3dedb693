package queue

import (
	"os"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// A clock is set by hand in tests.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

// Instants at which a clock can find itself: without a battery, as it should be, and far ahead.
var (
	in1970 = time.Unix(3600, 0)
	in2000 = time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)
	in2026 = time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC) // about when summer time ends in Europe
	in2106 = time.Unix(1<<32+3600, 0)
)

// Whatever the clock said when a mail came, and wherever it jumps after each attempt, the mail is
// tried again, and it is given up neither before it was tried for five days nor never.
func TestClockThatJumps(t *testing.T) {
	for _, c := range []struct {
		name    string
		arrival time.Time
		times   []time.Time // of runs; the host puts the mail off in each
		failed  bool
	}{
		{"arrived in 1970, then the clock is set", in1970, []time.Time{in2026, in2026.Add(time.Hour), in2026.Add(4 * day)}, false},
		{"tried in 1970, then the clock is set", in1970, []time.Time{in1970.Add(time.Minute), in2026, in2026.Add(time.Hour), in2026.Add(4 * day)}, false},
		{"tried in 2000, then the clock is set", in2000, []time.Time{in2000.Add(time.Minute), in2026, in2026.Add(4 * day)}, false},
		{"arrived in 2106, then the clock is set", in2106, []time.Time{in2026, in2026.Add(time.Hour), in2026.Add(4 * day)}, false},
		{"tried in 2106, then the clock is set", in2106, []time.Time{in2106.Add(time.Minute), in2026, in2026.Add(4 * day)}, false},
		{"in 2106 for one run", in2026, []time.Time{in2026, in2106, in2026.Add(time.Hour), in2026.Add(4 * day)}, false},
		{"an hour back and forth", in2026, []time.Time{in2026.Add(time.Hour), in2026, in2026.Add(time.Hour), in2026.Add(-time.Hour)}, false},
		{"resumed after a week", in2026, []time.Time{in2026, in2026.Add(7 * day)}, false},
		{"in 1970 all the time", in1970, []time.Time{in1970.Add(time.Hour), in1970.Add(day), in1970.Add(6 * day)}, false},
		{"in 2106 all the time", in2106, []time.Time{in2106.Add(time.Hour), in2106.Add(5 * day), in2106.Add(5*day + 2*time.Hour)}, true},
		{"five days", in2026, []time.Time{in2026, in2026.Add(4*day + 23*time.Hour), in2026.Add(5*day + time.Hour)}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := newQueue(t)
			env := envelopeFor("a@example.com")
			env.Arrival = c.arrival
			id := commit(t, q, env, hello)
			h, ticks := &fakeHost{answer: refusing(tryLater)}, &clock{}
			for i, now := range c.times {
				ticks.now = now
				runQueue(t, q, one(h), RunOptions{All: true, Now: ticks.read})
				m := read(t, q, id)
				if len(h.got()) != i+1 {
					t.Fatalf("run %d: not tried", i+1)
				}
				if failed := letters(m) == "f"; failed != (c.failed && i == len(c.times)-1) {
					t.Fatalf("run %d: %+v", i+1, m)
				}
				if m.Pending() {
					if wait := m.Next.Sub(now); wait < retryFloor/2 || wait > retryCeiling*5/4+time.Second {
						t.Errorf("run %d: due in %v", i+1, wait)
					}
				}
			}
		})
	}
}

// A mail that is due by a clock that was ahead is due now; one that is due by a clock that was behind
// is, too. So it is with an identity.
func TestDueByAnotherClock(t *testing.T) {
	for name, then := range map[string]time.Time{"1970": in1970, "2000": in2000, "2106": in2106} {
		for what, why := range map[string]Report{"mail": tryLater, "identity": hostIsDown} {
			q := newQueue(t)
			submit(t, q, "a@example.com")
			h, ticks := &fakeHost{answer: refusing(why)}, &clock{then}
			runQueue(t, q, one(h), RunOptions{All: true, Now: ticks.read})
			ticks.now, h.answer = in2026, nil
			if runQueue(t, q, one(h), RunOptions{Now: ticks.read}); len(h.got()) != 2 {
				t.Errorf("tried in %s: %s waits on", name, what)
			}
		}
	}
}

// The delay of a mail that came by a wrong clock is not told at once, and is told in the end.
func TestLateByAnotherClock(t *testing.T) {
	for _, arrival := range []time.Time{in1970, in2106} {
		q, l := newQueue(t), &listener{}
		env := envelopeFor("a@example.com")
		env.Arrival = arrival
		commit(t, q, env, hello)
		ticks := &clock{in2026}
		run := RunOptions{All: true, Now: ticks.read, Notifier: l}
		host := one(&fakeHost{answer: refusing(tryLater)})
		runQueue(t, q, host, run)
		l.hears(t)
		ticks.now = in2026.Add(5 * time.Hour)
		runQueue(t, q, host, run)
		l.hears(t, "overdue a@example.com")
	}
}

// A clock that is ahead for some hours costs no failed mail.
func TestNothingIsDroppedByAClockThatIsAhead(t *testing.T) {
	q, l := newQueue(t), &listener{}
	env := envelopeFor("nobody@example.com")
	env.Arrival = in2026
	id := commit(t, q, env, hello)
	ticks := &clock{in2026}
	run := RunOptions{Now: ticks.read, Notifier: l, Attended: true}
	host := one(&fakeHost{answer: refusing(noSuchUser)})
	runQueue(t, q, host, run)
	l.hears(t, "lost nobody@example.com")
	for _, now := range []time.Time{in2106, in2106.Add(12 * time.Hour), in2026.Add(day), in2026.Add(20 * day), in2026.Add(31 * day), in2026.Add(31*day + time.Hour)} {
		ticks.now = now
		runQueue(t, q, host, run)
		if _, err := q.Read(id); err != nil {
			t.Fatalf("dropped in %v", now)
		}
	}
	ticks.now = in2026.Add(32*day + time.Hour)
	runQueue(t, q, host, run)
	if _, err := q.Read(id); err == nil {
		t.Error("never dropped")
	}
}

// A configuration with a time in the future is no reason to try a refused password with each mail.
func TestConfigurationFromTheFuture(t *testing.T) {
	q, ticks := newQueue(t), &clock{in2026}
	submit(t, q, "a@example.com")
	h := &fakeHost{answer: refusing(badPassword)}
	run := RunOptions{Now: ticks.read, ConfigChanged: in2026.Add(day)}
	for range 3 {
		runQueue(t, q, one(h), run)
		submit(t, q, "b@example.com")
	}
	if n := len(h.got()); n != 1 {
		t.Errorf("tried %d times", n)
	}
	run.ConfigChanged = in2026.Add(time.Second) // just now
	if runQueue(t, q, one(h), run); len(h.got()) != 2 {
		t.Errorf("not tried after a change: %q", h.got())
	}
}

// New mail is seen although the clock was set back since the run last looked.
func TestLookAfterTheClockWasSetBack(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com")
	h := &fakeHost{}
	var late string
	h.after = func(src Source, d *Delivery) {
		if late != "" {
			return
		}
		late = submit(t, again(t, q), "b@example.com")
		past := time.Now().Add(-time.Hour)
		if err := os.Chtimes(q.Dir, past, past); err != nil {
			t.Error(err)
		}
	}
	runQueue(t, q, one(h), RunOptions{})
	if got := h.got(); len(got) != 2 || got[1] != late {
		t.Errorf("sent %q, want %s as well", got, late)
	}
}

// The first attempt is recorded, and forgotten when the owner begins anew.
func TestFirstAttempt(t *testing.T) {
	q, ticks := newQueue(t), &clock{in2026}
	id := submit(t, q, "a@example.com")
	for _, why := range []Report{hostIsDown, tryLater, tryLater} {
		runQueue(t, q, one(&fakeHost{answer: refusing(why)}), RunOptions{All: true, Now: ticks.read})
		m := read(t, q, id)
		if want := in2026.Add(time.Hour); why.Scope == spool.ScopeIdentity && !m.First.IsZero() || why.Scope != spool.ScopeIdentity && !m.First.Equal(want) {
			t.Errorf("at %v: first tried %v", ticks.now, m.First)
		}
		ticks.now = ticks.now.Add(time.Hour)
	}
	if _, err := q.Retry(id); err != nil {
		t.Fatal(err)
	}
	if m := read(t, q, id); !m.First.IsZero() {
		t.Errorf("begun anew: %v", m.First)
	}
}
