package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

const day = 24 * time.Hour

func TestExpired(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		limit    time.Duration
		attempts int
		age      time.Duration // since its arrival
		first    time.Duration // since its first attempt; 0 for not recorded
		last     time.Duration // since the last one; 0 for none
		want     bool
	}{
		{"young", 0, 3, 5*day - time.Second, 5*day - time.Minute, time.Hour, false},
		{"old", 0, 3, 5*day + time.Minute, 5 * day, time.Hour, true},
		{"the first attempt, after a week's sleep", 0, 0, 7 * day, 0, 0, false},
		{"the second one", 0, 1, 7*day + time.Minute, time.Minute, time.Minute, false},
		{"five days later", 0, 9, 12 * day, 5 * day, time.Hour, true},
		{"after a pause", 0, 1, 7 * day, 6 * day, 6 * day, false},
		{"the attempt after that", 0, 2, 7 * day, 6 * day, time.Hour, true},
		{"a queue of an older program", 0, 3, 6 * day, 0, time.Hour, true},
		{"another limit", day, 1, 2 * day, day, time.Hour, true},
		{"never", -1, 99, 1000 * day, 1000 * day, time.Hour, false},
		{"from the future", 0, 3, -day, -day, -day, false},
		{"arrived in 1970", 0, 1, now.Sub(time.Unix(100, 0)), time.Hour, time.Hour, false},
		{"first tried in 1970", 0, 1, day, now.Sub(time.Unix(100, 0)), time.Hour, false},
		{"arrived and tried in 1970", 0, 9, now.Sub(time.Unix(100, 0)), now.Sub(time.Unix(200, 0)), time.Hour, false},
	}
	for _, test := range tests {
		l, ago := Limits{Expire: test.limit}, func(d time.Duration) time.Time { return now.Add(-d) }
		m := &spool.Message{Attempts: test.attempts, Envelope: Envelope{Arrival: ago(test.age)}}
		if test.first != 0 {
			m.First = ago(test.first)
		}
		if test.last != 0 {
			m.Last = ago(test.last)
		}
		if got := l.expired(m, now); got != test.want {
			t.Errorf("%s: expired is %v", test.name, got)
		}
	}
}

func TestForgotten(t *testing.T) {
	failed := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	null, told := "", failed.Add(day)
	tests := []struct {
		name  string
		m     spool.Message
		limit time.Duration
		age   time.Duration
		want  bool
	}{
		{"told lately", spool.Message{Progress: []spool.Progress{{State: spool.Refused, Time: failed, Told: told}}}, 0, 31*day - time.Second, false},
		{"told long ago", spool.Message{Progress: []spool.Progress{{State: spool.Refused, Time: failed, Told: told}}}, 0, 31 * day, true},
		{"never told", spool.Message{Progress: []spool.Progress{{State: spool.Refused, Time: failed}}}, 0, 1000 * day, false},
		{"nobody to tell", spool.Message{Envelope: Envelope{ReversePath: &null}, Progress: []spool.Progress{{State: spool.Refused, Time: failed}}}, 0, 30 * day, true},
		{"one is pending", spool.Message{Progress: []spool.Progress{{State: spool.Refused, Time: failed, Told: told}, {State: spool.Deferred}}}, 0, 99 * day, false},
		{"one was served", spool.Message{Progress: []spool.Progress{{State: spool.Refused, Time: failed, Told: told}, {State: spool.Accepted}}}, 0, 99 * day, true},
		{"held", spool.Message{Held: true, Progress: []spool.Progress{{State: spool.Refused, Time: failed, Told: told}}}, 0, 99 * day, false},
		{"kept for ever", spool.Message{Progress: []spool.Progress{{State: spool.Refused, Time: failed, Told: told}}}, -1, 999 * day, false},
		{"another limit", spool.Message{Progress: []spool.Progress{{State: spool.Refused, Time: failed, Told: told}}}, time.Hour, 2 * day, true},
	}
	for _, test := range tests {
		test.m.Envelope.Arrival = failed.Add(-day)
		test.m.Envelope.Recipients = make([]Recipient, len(test.m.Progress))
		l := Limits{KeepFailed: test.limit}
		if got := l.forgotten(&test.m, failed.Add(test.age)); got != test.want {
			t.Errorf("%s: forgotten is %v", test.name, got)
		}
	}
}

// A listener is a Notifier that notes what it is told.
type listener struct {
	heard  []string
	nobody bool // there is no way to tell anybody
	spools bool // the notices are mail
	err    error
	after  func(n *Notice)
}

func (l *listener) Way(*spool.Message, string) Way {
	if l.nobody {
		return Way{}
	}
	return Way{Name: "ear", Spooled: l.spools}
}

func (l *listener) Notify(_ context.Context, n *Notice) error {
	if l.err == nil {
		heard := [...]string{"lost", "overdue", "dropped", "stuck", "blocked"}[n.Kind]
		for _, p := range n.Parts {
			for _, i := range p.Recipients {
				heard += " " + p.Message.Envelope.Recipients[i].Address
			}
			if p.Why != "" {
				heard += " " + p.Message.ID
			}
		}
		if n.Others > 0 {
			heard += fmt.Sprintf(" and %d others", n.Others)
		}
		l.heard = append(l.heard, heard)
	}
	if l.after != nil {
		l.after(n)
	}
	return l.err
}

// hears checks what it was told since the last time.
func (l *listener) hears(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(l.heard, want) {
		t.Errorf("heard %q, want %q", l.heard, want)
	}
	l.heard = nil
}

var (
	noSuchUser = Report{Action: Failed, Scope: ScopeRecipient, Code: 550, Status: "5.1.1", Text: "no such user", Host: "mx.example.org"}
	tryLater   = Report{Action: Delayed, Scope: ScopeMessage, Code: 451, Status: "4.7.1", Text: "try again later", Host: "mx.example.org"}
	hostIsDown = Report{Action: Delayed, Scope: ScopeIdentity, Status: "4.4.1", Text: "connection refused"}
)

// submitAged puts a message into the queue that arrived some time ago.
func submitAged(t *testing.T, q *spool.Queue, age time.Duration, recipients ...string) string {
	t.Helper()
	env := envelopeFor(recipients...)
	env.Arrival = time.Now().Add(-age)
	return commit(t, q, env, hello)
}

func TestFailureIsToldOnce(t *testing.T) {
	q, l := newQueue(t), &listener{}
	answer := func(_ *Delivery, rcpt Recipient) Report {
		if strings.HasPrefix(rcpt.Address, "nobody") {
			return noSuchUser
		}
		return relayed
	}
	host := one(&fakeHost{answer: answer})
	id := submit(t, q, "nobody1@example.com", "bob@example.com", "nobody2@example.com")
	run := RunOptions{All: true, Notifier: l}
	runQueue(t, q, host, run)
	l.hears(t, "lost nobody1@example.com nobody2@example.com")
	for range 3 {
		runQueue(t, again(t, q), host, run)
	}
	l.hears(t)
	if m := read(t, q, id); letters(m) != "frf" || m.Progress[0].Told.IsZero() || !m.Progress[1].Told.IsZero() {
		t.Errorf("after it: %+v", m.Progress)
	}
	// Trying again after a repair and failing again is news.
	if _, err := q.Retry(id); err != nil {
		t.Fatal(err)
	}
	runQueue(t, q, host, run)
	l.hears(t, "lost nobody1@example.com nobody2@example.com")
}

// A notice that is not durable, or not recorded, is given again: perhaps twice, but never not at
// all.
func TestNoticeThatFails(t *testing.T) {
	q, l := newQueue(t), &listener{err: errors.New("disk full")}
	host := one(&fakeHost{answer: refusing(noSuchUser)})
	id := submit(t, q, "nobody@example.com")
	run := RunOptions{All: true, Notifier: l}
	if sum := runQueue(t, q, host, run); len(sum.Trouble) != 1 || !strings.Contains(sum.Trouble[0], "disk full") {
		t.Errorf("trouble: %q", sum.Trouble)
	}
	l.err = nil
	runQueue(t, q, host, run)
	l.hears(t, "lost nobody@example.com")
	// This is what a crash before the record leaves.
	p := read(t, q, id).Progress[0]
	p.Told = time.Time{}
	overwrite(t, file(q, id, "envelope"), progressOffset(t, q, id)+messageLine, recipientLineOf(&p))
	runQueue(t, q, host, run)
	l.hears(t, "lost nobody@example.com")
}

// Senders who want no notice, and mail that must not be answered.
func TestNoNotice(t *testing.T) {
	null := ""
	tests := []struct {
		name string
		env  Envelope
	}{
		{"null reverse-path", Envelope{ReversePath: &null, Recipients: []Recipient{{Address: "nobody@example.com"}}}},
		{"NOTIFY=NEVER", Envelope{Recipients: []Recipient{{Address: "nobody@example.com", Notify: "NEVER"}}}},
		{"NOTIFY=SUCCESS", Envelope{Recipients: []Recipient{{Address: "nobody@example.com", Notify: "SUCCESS,DELAY"}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q, l := newQueue(t), &listener{}
			env := test.env
			env.Arrival = time.Now().Add(-6 * day)
			id := commit(t, q, &env, hello)
			runQueue(t, q, one(&fakeHost{answer: refusing(noSuchUser)}), RunOptions{All: true, Notifier: l})
			l.hears(t)
			if got := letters(read(t, q, id)); got != "f" {
				t.Errorf("state %s", got)
			}
		})
	}
}

// If nobody could be told, the summary of a run that a person reads has the failures of
// unattended runs.
func TestSummaryTells(t *testing.T) {
	q, l := newQueue(t), &listener{nobody: true}
	host := one(&fakeHost{answer: refusing(noSuchUser)})
	id := submit(t, q, "nobody@example.com")
	runQueue(t, q, host, RunOptions{Notifier: l})
	if !read(t, q, id).Progress[0].Told.IsZero() {
		t.Error("an unattended run counts as told")
	}
	for i, want := range []int{1, 0} {
		sum := runQueue(t, q, host, RunOptions{All: true, Notifier: l, Attended: true})
		if len(sum.Failed) != want || len(sum.Trouble) > 0 {
			t.Errorf("attended run %d: %+v", i+1, sum)
		}
	}
	// A failure in the attended run itself is reported once.
	submit(t, q, "nobody@example.com")
	if sum := runQueue(t, q, host, RunOptions{All: true, Notifier: l, Attended: true}); len(sum.Failed) != 1 {
		t.Errorf("failed: %+v", sum.Failed)
	}
}

// Five days of its own failures end a message; failures of its identity never do.
func TestGivingUp(t *testing.T) {
	tests := []struct {
		name   string
		age    time.Duration
		answer Report
		want   []string // states after each attempt
	}{
		{"young", 4 * day, tryLater, []string{"d", "d", "d"}},
		{"old", 6 * day, tryLater, []string{"d", "f", "f"}},
		{"dead identity", 60 * day, hostIsDown, []string{"d", "d", "d"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q, l := newQueue(t), &listener{}
			id := submitAged(t, q, test.age, "bob@example.com")
			for i, want := range test.want {
				if i > 0 && test.age > 5*day { // the first attempt was that long ago
					setMessage(t, q, id, func(m *spool.Message) { m.First = m.Envelope.Arrival })
				}
				runQueue(t, q, one(&fakeHost{answer: refusing(test.answer)}), RunOptions{All: true, Notifier: l})
				if got := letters(read(t, q, id)); got != want {
					t.Fatalf("after attempt %d: %s, want %s", i+1, got, want)
				}
			}
			last := "overdue bob@example.com"
			if p := read(t, q, id).Progress[0]; p.State == spool.Refused {
				l.hears(t, last, "lost bob@example.com")
				if why := p.Explain(); why != "given up, last attempt: host mx.example.org said: 451 4.7.1 try again later" {
					t.Errorf("because: %s", why)
				}
			} else {
				l.hears(t, last)
			}
		})
	}
}

// The notice of a message that is given up says that it may have arrived.
func TestGivingUpUnsure(t *testing.T) {
	q := newQueue(t)
	id := submitAged(t, q, 6*day, "bob@example.com")
	setMessage(t, q, id, func(m *spool.Message) { m.Attempts = 1 })
	setLetters(t, q, id, "u")
	sum := runQueue(t, q, one(&fakeHost{answer: refusing(tryLater)}), everything)
	if len(sum.Failed) != 1 || !strings.Contains(sum.Failed[0].Report.Text, "possibly delivered") {
		t.Errorf("failed: %+v", sum.Failed)
	}
}

// There is one notice of late mail, and a single one for all mail that waits for one identity.
func TestDelayNotice(t *testing.T) {
	q, l := newQueue(t), &listener{}
	run := RunOptions{All: true, Notifier: l}
	host := one(&fakeHost{answer: refusing(hostIsDown)})
	submitAged(t, q, 3*time.Hour, "young@example.com")
	runQueue(t, q, host, run)
	l.hears(t)
	for _, name := range []string{"a", "b", "c"} {
		submitAged(t, q, 5*time.Hour, name+"@example.com")
	}
	quiet := envelopeFor("d@example.com")
	quiet.Arrival, quiet.Recipients[0].Notify = time.Now().Add(-5*time.Hour), "FAILURE"
	commit(t, q, quiet, hello)
	runQueue(t, q, host, run)
	l.hears(t, "overdue a@example.com and 2 others")
	runQueue(t, q, host, run)
	l.hears(t)

	never := run
	never.Limits.DelayNotice = -1
	submitAged(t, q, 5*time.Hour, "e@example.com")
	runQueue(t, q, host, never)
	l.hears(t)
	host = one(&fakeHost{answer: refusing(tryLater)})
	runQueue(t, q, host, run) // for reasons of the messages now: the others have been told of already
	l.hears(t, "overdue e@example.com")
}

// A machine that was asleep tries first, and gives no notice of mail that goes out.
func TestDelayNoticeAfterSleep(t *testing.T) {
	q, l := newQueue(t), &listener{}
	submitAged(t, q, 5*day, "bob@example.com")
	runQueue(t, q, one(&fakeHost{}), RunOptions{Notifier: l})
	l.hears(t)
	// It is not tried in this run, and its last attempt was before it was late.
	id := submitAged(t, q, 5*time.Hour, "bob@example.com")
	setMessage(t, q, id, func(m *spool.Message) {
		m.Attempts, m.Last, m.Next = 1, m.Envelope.Arrival.Add(time.Hour), time.Now().Add(time.Hour)
	})
	setLetters(t, q, id, "d")
	runQueue(t, q, one(&fakeHost{}), RunOptions{Notifier: l})
	l.hears(t)
}

// Failed mail is dropped when it was kept long enough, and not silently.
func TestDropping(t *testing.T) {
	null := ""
	for _, test := range []struct {
		name     string
		null     bool
		nobody   bool
		attended bool
		dropped  bool
	}{
		{"with a notice", false, false, false, true},
		{"nobody to tell", false, true, false, false},
		{"nobody to tell but the reader of the summary", false, true, true, true},
		{"null reverse-path", true, false, false, false},
		{"null reverse-path, summary read", true, false, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			q, l := newQueue(t), &listener{}
			env := envelopeFor("nobody@example.com")
			if env.Arrival = time.Now().Add(-40 * day); test.null {
				env.ReversePath = &null
			}
			id := commit(t, q, env, hello)
			p := spool.Progress{State: spool.Refused, Time: time.Now().Add(-31 * day), Told: time.Now().Add(-31 * day), Status: "5.1.1"}
			overwrite(t, file(q, id, "envelope"), progressOffset(t, q, id)+messageLine, recipientLineOf(&p))
			if test.nobody {
				l.nobody = true
			}
			run := RunOptions{Notifier: l, Attended: test.attended}
			for range 2 { // a day passes before anything is dropped
				if sum := runQueue(t, q, one(&fakeHost{}), run); len(sum.Dropped) > 0 {
					t.Errorf("dropped at once: %+v", sum.Dropped)
				}
			}
			l.hears(t)
			run.Now = func() time.Time { return time.Now().Add(25 * time.Hour) }
			sum := runQueue(t, q, one(&fakeHost{}), run)
			if _, err := q.Read(id); (err != nil) != test.dropped || (len(sum.Dropped) == 1) != test.dropped {
				t.Errorf("read: %v; dropped: %+v", err, sum.Dropped)
			}
			if test.dropped && !test.null && !test.nobody {
				l.hears(t, "dropped nobody@example.com")
			} else {
				l.hears(t)
			}
		})
	}
}

// A bounce is delivered at once, even if the run that made it was for one message only.
func TestBounceGoesOutAtOnce(t *testing.T) {
	q, local, null := newQueue(t), &fakeHost{}, ""
	bounce := func(*Notice) {
		env := envelopeFor("me")
		env.ReversePath, env.Notice = &null, true
		commit(t, q, env, hello)
	}
	l := &listener{after: bounce, spools: true}
	hosts := map[string]Transport{"example.com": &fakeHost{answer: refusing(noSuchUser)}, "local": local}
	id := submit(t, q, "nobody@example.com")
	only := func(m *spool.Message) bool { return m.ID == id }
	runQueue(t, q, &fakeRouter{hosts: hosts}, RunOptions{All: true, Age: time.Hour, Select: only, Notifier: l})
	if len(local.got()) != 1 {
		t.Errorf("delivered locally: %v", local.got())
	}
}
