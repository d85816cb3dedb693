package queue

import (
	"slices"
	"strings"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// scheduled submits a message with a time.
func scheduled(t *testing.T, q *spool.Queue, at time.Time, grace int64, recipients ...string) string {
	t.Helper()
	env := envelopeFor(recipients...)
	env.NotBefore, env.Grace = at, grace
	return commit(t, q, env, hello)
}

// Mail is not sent before its time by any run, unless a person has named it; it does not count as
// waiting, and the next time is noted.
func TestNotBeforeItsTime(t *testing.T) {
	q, h := newQueue(t), &fakeHost{}
	start := time.Now()
	at := start.Add(2 * time.Hour).Truncate(time.Second)
	late, soon, now := scheduled(t, q, at, 0, "a@example.com"), scheduled(t, q, time.Time{}, 600, "b@example.com"), submit(t, q, "c@example.com")
	for _, all := range []bool{true, false} {
		sum := runQueue(t, q, one(h), RunOptions{All: all})
		if wantWaiting(t, sum, 0); !slices.Equal(h.got(), []string{now}) {
			t.Fatalf("all %v: sent %q", all, h.got())
		}
		if wake := read(t, q, soon).Envelope.Arrival.Add(600 * time.Second); sum.Wake != wake || q.Schedule().Sub(wake).Abs() > time.Second {
			t.Errorf("wakes %v, noted %v, want %v", sum.Wake, q.Schedule(), wake)
		}
	}
	named := func(m *spool.Message) bool { return m.ID == late }
	if sum := runQueue(t, q, one(h), RunOptions{All: true, Select: named}); len(sum.Scheduled) != 1 || sum.Scheduled[0] != (Scheduled{late, at.UTC()}) {
		t.Errorf("%+v", sum.Scheduled)
	}
	runQueue(t, q, one(h), RunOptions{Now: func() time.Time { return start.Add(11 * time.Minute) }})
	if !slices.Equal(h.got(), []string{now, soon}) || !q.Schedule().Equal(at) {
		t.Errorf("sent %q, next %v", h.got(), q.Schedule())
	}
	runQueue(t, q, one(h), RunOptions{All: true, Select: named, Early: true})
	if runQueue(t, q, one(h), RunOptions{}); !slices.Equal(h.got(), []string{now, soon, late}) || !q.Schedule().IsZero() {
		t.Errorf("sent %q, next %v", h.got(), q.Schedule())
	}
}

// A clock that is set back does not make the time longer in which mail can be taken back; a time that was
// named holds by the clock as it is.
func TestReleaseAt(t *testing.T) {
	arrival := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	named := arrival.Add(time.Hour)
	for _, c := range []struct {
		at    time.Time
		grace int64
		now   time.Duration // since the arrival
		want  time.Duration // 0: at once
	}{
		{time.Time{}, 0, 0, 0}, {time.Time{}, 30, 0, 30 * time.Second}, {time.Time{}, 30, 30 * time.Second, 0},
		{time.Time{}, 30, -2 * time.Second, 30 * time.Second}, {time.Time{}, 30, -time.Hour, 0}, {time.Time{}, 1 << 62, 0, 366 * 24 * time.Hour},
		{named, 30, 0, time.Hour}, {named, 30, -24 * time.Hour, time.Hour}, {named, 30, time.Hour, 0}, {named, 7200, 0, 2 * time.Hour},
		{named, 7200, time.Hour, 2 * time.Hour}, {time.Time{}, -5, 0, 0},
	} {
		e := &Envelope{Arrival: arrival, NotBefore: c.at, Grace: c.grace}
		want := time.Time{}
		if c.want != 0 {
			want = arrival.Add(c.want)
		}
		if got := e.ReleaseAt(arrival.Add(c.now)); !got.Equal(want) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Outside of the hours of its identity mail waits, its other recipients do not; when the hours begin is
// recorded, and kept for the question since when it is late.
func TestSendWindow(t *testing.T) {
	q, h, ticks := newQueue(t), &fakeHost{}, &clock{time.Now().Truncate(time.Second)}
	opens := ticks.now.Add(3 * time.Hour)
	router := one(h)
	router.route = func(env *Envelope, rcpt Recipient) (Route, error) {
		r := Route{Destination: "example.com", Address: rcpt.Address}
		if strings.HasPrefix(rcpt.Address, "office") && ticks.now.Before(opens) {
			r.Opens = opens
		}
		return r, nil
	}
	id := submit(t, q, "office@example.com", "home@example.com")
	for range 2 {
		sum := runQueue(t, q, router, RunOptions{All: true, Now: ticks.read})
		if m := read(t, q, id); letters(m) != "-r" || !m.Opens.Equal(opens) || !m.Scheduled(ticks.now).Equal(opens) || !sum.Wake.Equal(opens) {
			t.Fatalf("%+v, wakes %v", m, sum.Wake)
		}
		wantWaiting(t, sum, 0)
	}
	h.answer = refusing(tryLater)
	l := &listener{}
	ticks.now = opens.Add(time.Hour)
	runQueue(t, q, router, RunOptions{Now: ticks.read, Notifier: l})
	if m := read(t, q, id); letters(m) != "dr" || len(l.heard) != 0 {
		t.Errorf("%+v, told %q", m, l.heard)
	}
	ticks.now = opens.Add(5 * time.Hour)
	runQueue(t, q, router, RunOptions{All: true, Now: ticks.read, Notifier: l})
	if len(l.heard) != 1 {
		t.Errorf("told %q", l.heard)
	}
	opens = ticks.now.Add(time.Hour) // and a person who names it is not kept
	h.answer = nil
	runQueue(t, q, router, RunOptions{All: true, Now: ticks.read, Select: func(*spool.Message) bool { return true }, Early: true})
	if n, _ := q.Count(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// In a long queue, scheduled mail is not opened before its time, and its time is known all the same.
func TestScheduledInTheDueIndex(t *testing.T) {
	q := newQueue(t)
	at := time.Now().Add(2 * time.Hour).Truncate(time.Second)
	for range dueIndexWorth + 1 {
		env := envelopeFor("a@example.com")
		env.NotBefore = at
		commit(t, q, env, hello)
	}
	h := &fakeHost{}
	for range 2 {
		sum := runQueue(t, q, one(h), RunOptions{})
		if wantWaiting(t, sum, 0); !hasDueIndex(q) || !sum.Wake.Equal(at) || !q.Schedule().Equal(at) {
			t.Fatalf("index %v, wakes %v, %v", hasDueIndex(q), sum.Wake, q.Schedule())
		}
	}
	runQueue(t, q, one(h), RunOptions{Now: func() time.Time { return at }})
	if len(h.got()) != dueIndexWorth+1 {
		t.Errorf("%d were sent", len(h.got()))
	}
}
