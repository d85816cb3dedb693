package queue

import (
	"os"
	"slices"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// prospect looks ahead after a run, at the time of the run.
func prospect(t *testing.T, q *spool.Queue, opt RunOptions) Prospect {
	t.Helper()
	p, err := Ahead(q, opt)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// noNetwork and refusedLogin concern an identity: the first is one of the network.
var (
	noNetwork    = Report{Action: Delayed, Scope: ScopeIdentity, Status: "4.4.1", Text: "cannot connect to mx.example.org"}
	refusedLogin = Report{Action: Delayed, Scope: ScopeIdentity, Code: 535, Status: "4.7.8", Text: "bad password", Host: "mx.example.org", Mend: MendLogin}
)

// backoffOf returns when the one identity that waits is tried again.
func backoffOf(t *testing.T, q *spool.Queue, destination string) time.Time {
	t.Helper()
	b := readBackoffs(q)[destination]
	if b == nil {
		t.Fatalf("%s does not wait", destination)
	}
	return b.Next
}

// Whatever a run leaves, the time at which there is something to do next is known afterwards.
func TestProspect(t *testing.T) {
	now := time.Now()
	opt := RunOptions{Now: func() time.Time { return now }}
	for _, c := range []struct {
		name    string
		answer  func(d *Delivery, rcpt Recipient) Report
		prepare func(q *spool.Queue)
		next    func(q *spool.Queue, ids []string) time.Time
		network bool
	}{
		{"nothing is left", nil, func(q *spool.Queue) { submit(t, q, "a@example.com") },
			func(*spool.Queue, []string) time.Time { return time.Time{} }, false},
		{"put off", refusing(tryLater), func(q *spool.Queue) { submit(t, q, "a@example.com") },
			func(q *spool.Queue, ids []string) time.Time { return read(t, q, ids[0]).Next }, false},
		{"put off, two: the sooner", refusing(tryLater), func(q *spool.Queue) { submit(t, q, "a@example.com"); submit(t, q, "b@example.com") },
			func(q *spool.Queue, ids []string) time.Time {
				return slices.MinFunc([]time.Time{read(t, q, ids[0]).Next, read(t, q, ids[1]).Next}, time.Time.Compare)
			}, false},
		{"a network is not there", refusing(noNetwork), func(q *spool.Queue) { submit(t, q, "a@example.com") },
			func(q *spool.Queue, _ []string) time.Time { return backoffOf(t, q, "example.com") }, true},
		{"a login is refused", refusing(refusedLogin), func(q *spool.Queue) { submit(t, q, "a@example.com") },
			func(q *spool.Queue, _ []string) time.Time { return backoffOf(t, q, "example.com") }, false},
		{"held", nil, func(q *spool.Queue) {
			if err := q.SetHeld(submit(t, q, "a@example.com"), true); err != nil {
				t.Fatal(err)
			}
		}, func(*spool.Queue, []string) time.Time { return now.Add(dueIndexTrust) }, false},
		{"before its time", nil, func(q *spool.Queue) { scheduled(t, q, now.Add(90*time.Minute), 0, "a@example.com") },
			func(*spool.Queue, []string) time.Time { return now.Add(90 * time.Minute) }, false},
		{"refused for good, and nobody could be told", refusing(unknownUser), func(q *spool.Queue) { submit(t, q, "a@example.com") },
			func(*spool.Queue, []string) time.Time { return now.Add(tellAgain) }, false},
		{"locked by a command", nil, func(q *spool.Queue) {
			e, err := again(t, q).OpenEntry(submit(t, q, "a@example.com"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { e.Close() })
		}, func(*spool.Queue, []string) time.Time { return now.Add(notYet) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := newQueue(t)
			c.prepare(q)
			if err := q.ForgetEdited(); err != nil {
				t.Fatal(err)
			}
			runQueue(t, q, one(&fakeHost{answer: c.answer}), opt)
			l, err := q.List()
			if err != nil {
				t.Fatal(err)
			}
			got, want := prospect(t, q, opt), c.next(q, l.IDs)
			if got.Next.Sub(want).Abs() > time.Second || got.Network != c.network {
				t.Errorf("%+v, want %v, %t", got, want, c.network)
			}
		})
	}
}

// What another identity waits for does not put off a mail that was left for another reason; and a mail
// that waits for two looks at both.
func TestProspectByIdentity(t *testing.T) {
	q := newQueue(t)
	long, short := submit(t, q, "a@example.com", "b@example.net"), time.Now()
	answers := map[string]Transport{"example.com": &fakeHost{answer: refusing(refusedLogin)}, "example.net": &fakeHost{answer: refusing(noNetwork)}}
	router := &fakeRouter{hosts: answers}
	runQueue(t, q, router, RunOptions{})
	want := slices.MinFunc([]time.Time{backoffOf(t, q, "example.com"), backoffOf(t, q, "example.net")}, time.Time.Compare)
	if got := prospect(t, q, RunOptions{}); !got.Next.Equal(want) || !got.Network {
		t.Errorf("%+v, want %v", got, want)
	}
	all := readBackoffs(q)
	for _, b := range all {
		b.Next = short.Add(3 * time.Hour)
	}
	if err := writeBackoffs(q, all); err != nil {
		t.Fatal(err)
	}
	if got := prospect(t, q, RunOptions{}); got.Next.Sub(short.Add(3*time.Hour)).Abs() > time.Second {
		t.Errorf("%s: %+v", long, got)
	}
	submit(t, q, "c@example.org") // was not tried
	if got := prospect(t, q, RunOptions{}); time.Until(got.Next) > notYet {
		t.Errorf("%+v", got)
	}
}

// The due index says the same as the entries.
func TestProspectByIndex(t *testing.T) {
	for name, report := range map[string]Report{"message": tryLater, "identity": noNetwork} {
		q := newQueue(t)
		for i := range dueIndexWorth + 1 {
			entryUnsynced(t, q, i)
		}
		l, err := q.List()
		if err != nil {
			t.Fatal(err)
		}
		setMessage(t, q, l.IDs[7], dueNow)
		for range 2 { // the second finds that it has to wait
			runQueue(t, q, one(&fakeHost{answer: refusing(report)}), RunOptions{})
		}
		if !hasDueIndex(q) {
			t.Fatalf("%s: there is no due index", name)
		}
		by := prospect(t, q, RunOptions{})
		if err := os.Remove(q.Dir + "/" + dueIndexFile); err != nil {
			t.Fatal(err)
		}
		if without := prospect(t, q, RunOptions{}); by.Network != without.Network || by.Next.Sub(without.Next).Abs() > time.Second || time.Until(by.Next) > time.Hour {
			t.Errorf("%s: by the index %+v, without %+v", name, by, without)
		}
	}
}
