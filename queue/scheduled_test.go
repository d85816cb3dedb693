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

// Mail with a time goes ahead of it by a route whose host may hold it, once it cannot be taken back; by no
// other. What is not taken that way is not charged, nor counted, nor tried again before its time.
func TestAhead(t *testing.T) {
	ticks := &clock{time.Now().Truncate(time.Second)}
	start := ticks.now
	at := start.Add(8 * 24 * time.Hour)
	router := func(h Transport) *fakeRouter {
		f := one(h)
		f.hosts["example.net"] = h
		f.route = func(env *Envelope, rcpt Recipient) (Route, error) {
			r := Route{Destination: domainOf(rcpt.Address), Address: rcpt.Address}
			if r.Destination == "example.com" {
				r.HoldUntil = env.NotBefore
			}
			return r, nil
		}
		return f
	}
	q, h := newQueue(t), &fakeHost{}
	var held []time.Time
	h.before = func(d *Delivery) { held = append(held, d.HoldUntil) }
	go1, other := scheduled(t, q, at, 60, "a@example.com", "b@example.net"), scheduled(t, q, at, 0, "c@example.net")
	sum := runQueue(t, q, router(h), RunOptions{Now: ticks.read})
	if len(h.got()) != 0 || sum.Wake.After(read(t, q, go1).Envelope.Arrival.Add(time.Minute)) {
		t.Fatalf("sent %q, wakes %v", h.to, sum.Wake)
	}
	ticks.now = start.Add(2 * time.Minute)
	for range 2 {
		sum = runQueue(t, q, router(h), RunOptions{Now: ticks.read})
		wantWaiting(t, sum, 0)
		if !slices.Equal(h.to, []string{go1 + " a@example.com"}) || !held[0].Equal(at) || !sum.Wake.Equal(at.UTC()) || letters(read(t, q, go1)) != "r-" {
			t.Fatalf("sent %q, to be held until %v, wakes %v", h.to, held, sum.Wake)
		}
	}
	ticks.now = at.Add(time.Second)
	runQueue(t, q, router(h), RunOptions{Now: ticks.read})
	if len(h.to) != 3 || !held[1].IsZero() || !held[2].IsZero() {
		t.Errorf("sent %q of %s, %s, held until %v", h.to, go1, other, held)
	}

	// Not taken: for how long is the transport's to say.
	ticks.now = start
	until := start.Add(6 * 24 * time.Hour)
	h = &fakeHost{answer: func(d *Delivery, _ Recipient) Report {
		if d.HoldUntil.IsZero() {
			return relayed
		}
		return Report{Action: Delayed, Scope: ScopeMessage, Code: 501, Status: "5.5.4", Text: "no", Host: "mx.example.org", Until: until}
	}}
	l := &listener{}
	id := scheduled(t, q, at, 0, "a@example.com")
	for i, step := range []struct {
		now    time.Time
		sent   int
		wake   time.Time
		opened time.Time
	}{
		{start, 1, until, until}, {start.Add(24 * time.Hour), 1, until, until}, {until.Add(time.Second), 2, at, at}, {until.Add(time.Hour), 2, at, at},
	} {
		if i == 2 {
			until = at
		}
		ticks.now = step.now
		for _, all := range []bool{false, true} {
			sum := runQueue(t, q, router(h), RunOptions{Now: ticks.read, Notifier: l, All: all})
			wantWaiting(t, sum, 0)
			m := read(t, q, id)
			if len(h.got()) != step.sent || m.Attempts != 0 || !m.Opens.Equal(step.opened) || !sum.Wake.Equal(step.wake.UTC()) || len(sum.Failed)+len(l.heard) != 0 {
				t.Fatalf("step %d: sent %q, %d attempts, opens %v, wakes %v, told %q", i, h.got(), m.Attempts, m.Opens, sum.Wake, l.heard)
			}
			if text := m.ScheduledText(ticks.now, func(time.Time) string { return "T" }); text != "to be sent T" {
				t.Errorf("step %d: %s", i, text)
			}
		}
	}
	ticks.now = at.Add(time.Second)
	runQueue(t, q, router(h), RunOptions{Now: ticks.read})
	if n, _ := q.Count(); n != 0 {
		t.Error("not sent at its time")
	}

	// Who has gone ahead leaves nothing to wake up for.
	q2, h2 := newQueue(t), &fakeHost{}
	scheduled(t, q2, at, 0, "a@example.com")
	if sum := runQueue(t, q2, router(h2), RunOptions{Now: func() time.Time { return start }}); len(h2.got()) != 1 || !sum.Wake.IsZero() || !q2.Schedule().IsZero() {
		t.Errorf("sent %q, wakes %v, %v", h2.got(), sum.Wake, q2.Schedule())
	}

	// The trouble of an identity is told as such, and the mail goes ahead when that is over.
	ticks.now = start
	h = &fakeHost{answer: refusing(unreachable)}
	id = scheduled(t, q, at, 0, "a@example.com")
	runQueue(t, q, router(h), RunOptions{Now: ticks.read})
	if p, err := Ahead(q, RunOptions{Now: ticks.read}); err != nil || !p.Network || p.Next.After(start.Add(time.Hour)) {
		t.Errorf("%+v, %v", p, err)
	}
	h.answer = nil
	ticks.now = start.Add(time.Hour)
	runQueue(t, q, router(h), RunOptions{Now: ticks.read})
	if got := h.got(); len(got) != 2 || got[1] != id {
		t.Errorf("sent %q", got)
	}

	// A person who names it does not want it held.
	held = nil
	h.before = func(d *Delivery) { held = append(held, d.HoldUntil) }
	scheduled(t, q, at, 0, "a@example.com")
	runQueue(t, q, router(h), RunOptions{All: true, Early: true, Select: func(*spool.Message) bool { return true }, Now: ticks.read})
	if len(held) != 1 || !held[0].IsZero() {
		t.Errorf("held until %v", held)
	}
}
