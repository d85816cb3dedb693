package queue

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// A host decides how many mails it refuses, but not how many notices there are.
func TestRefusalsAreToldTogether(t *testing.T) {
	q, l := newQueue(t), &listener{}
	var ids []string
	for i := range 25 {
		ids = append(ids, submit(t, q, fmt.Sprintf("%02d@example.com", i)))
	}
	runQueue(t, q, one(&fakeHost{answer: refusing(noSuchUser)}), RunOptions{All: true, Notifier: l})
	var names string
	for i := range maxNamed {
		names += fmt.Sprintf(" %02d@example.com", i)
	}
	l.hears(t, "lost"+names+" and 15 others")
	for _, id := range ids {
		if read(t, q, id).Progress[0].Told.IsZero() {
			t.Errorf("%s is not recorded as told", id)
		}
	}
}

// While the owner is told, another run can deliver; and it does not tell the same again.
func TestTellingKeepsNoMailWaiting(t *testing.T) {
	q, l := newQueue(t), &listener{}
	submit(t, q, "nobody@example.com")
	var once sync.Once
	second := make(chan *Summary, 1)
	other := &listener{}
	l.after = func(*Notice) {
		once.Do(func() {
			submit(t, q, "bob@good.example")
			router := &fakeRouter{hosts: map[string]Transport{"good.example": &fakeHost{}}}
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			defer cancel()
			sum, err := Run(ctx, again(t, q), router, RunOptions{All: true, Notifier: other})
			if err != nil || sum.Done != 1 {
				t.Errorf("the other run: %+v, %v", sum, err)
				close(second)
				return
			}
			second <- sum
		})
	}
	runQueue(t, q, one(&fakeHost{answer: refusing(noSuchUser)}), RunOptions{All: true, Notifier: l})
	l.hears(t, "lost nobody@example.com")
	if sum := receive(t, "the other run", second); sum != nil {
		sum.Tell(context.Background())
	}
	other.hears(t)
}

// Telling ends with its context, and what it has not told is told by the next run.
func TestTellingIsBounded(t *testing.T) {
	q, l := newQueue(t), &listener{}
	submit(t, q, "nobody@example.com")
	hold, err := q.TryTold()
	if err != nil {
		t.Fatal(err)
	}
	run := RunOptions{All: true, Notifier: l}
	sum, err := Run(context.Background(), again(t, q), one(&fakeHost{answer: refusing(noSuchUser)}), run)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if more := sum.Tell(ctx); len(more.Trouble) != 1 {
		t.Errorf("came to %+v", more)
	}
	l.hears(t)
	hold.Close(func(string) bool { return false })
	runQueue(t, q, one(&fakeHost{}), run)
	l.hears(t, "lost nobody@example.com")
}

// What only a person can mend is told at once, and once, however much mail comes meanwhile.
func TestBlockedIsToldAtOnce(t *testing.T) {
	noMDA := Report{Action: Delayed, Scope: ScopeIdentity, Status: "4.3.5", Text: "command not found", Host: "MDA"}
	noPassword := Report{Action: Delayed, Scope: ScopeIdentity, Status: "4.7.0", Text: "the password command failed"}
	greylisted := Report{Action: Delayed, Scope: ScopeIdentity, Code: 451, Status: "4.7.1", Text: "come back later"}
	blocked := Report{Action: Delayed, Scope: ScopeIdentity, Code: 554, Status: "5.7.1", Text: "nobody from here"}
	bare := Report{Action: Delayed, Scope: ScopeIdentity, Code: 535, Status: "5.0.0", Text: "Incorrect authentication data", Mend: MendLogin}
	hotel := Report{Action: Delayed, Scope: ScopeIdentity, Status: "4.7.5", Text: "certificate"}
	for _, c := range []struct {
		why  Report
		told bool
	}{{badPassword, true}, {noPassword, true}, {noMDA, true}, {unreachable, false}, {greylisted, false}, {hotel, false}, {blocked, false}, {bare, true}} {
		t.Run(c.why.Text, func(t *testing.T) {
			q, l := newQueue(t), &listener{}
			h := &fakeHost{answer: refusing(c.why)}
			run := RunOptions{All: true, Notifier: l}
			for i := range 3 {
				submit(t, q, fmt.Sprintf("%d@example.com", i))
			}
			runQueue(t, q, one(h), run)
			if !c.told {
				l.hears(t)
				return
			}
			l.hears(t, "blocked 0@example.com 1@example.com 2@example.com")
			submitAged(t, q, 5*time.Hour, "late@example.com")
			for _, all := range []bool{true, false} {
				run.All = all
				runQueue(t, again(t, q), one(h), run)
				l.hears(t)
			}
			run.All = true
			h.answer = nil
			if runQueue(t, q, one(h), run); len(h.got()) < 4 {
				t.Errorf("sent %q", h.got())
			}
			h.answer = refusing(c.why)
			submit(t, q, "new@example.com")
			runQueue(t, q, one(h), run)
			l.hears(t, "blocked new@example.com")
		})
	}
}

// With nobody to tell, a block is told as soon as there is a way.
func TestBlockedIsToldLater(t *testing.T) {
	q, l := newQueue(t), &listener{nobody: true}
	submit(t, q, "a@example.com")
	h := &fakeHost{answer: refusing(badPassword)}
	runQueue(t, q, one(h), RunOptions{Notifier: l})
	l.nobody = false
	runQueue(t, q, one(h), RunOptions{Notifier: l}) // it does not even try
	l.hears(t, "blocked a@example.com")
	if len(h.got()) != 1 {
		t.Errorf("tried %q", h.got())
	}
}

// Mail that no configuration has a route for is told of at once, and once.
func TestNoRouteIsToldAtOnce(t *testing.T) {
	q, l := newQueue(t), &listener{}
	submit(t, q, "a@example.com")
	submit(t, q, "b@example.com")
	router := one(&fakeHost{})
	router.route = func(*Envelope, Recipient) (Route, error) { return Route{}, fmt.Errorf("no configuration") }
	for range 3 {
		if sum := runQueue(t, q, router, RunOptions{Notifier: l}); len(sum.Waiting) != 1 || sum.Waiting[0].Messages != 2 {
			t.Errorf("came to %+v", sum)
		}
	}
	l.hears(t, "stuck a@example.com b@example.com")
}

// The cure that the router knows is kept for mailq.
func TestCureIsKept(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com")
	router := &curer{one(&fakeHost{answer: refusing(badPassword)})}
	runQueue(t, q, router, everything)
	b := q.Backoffs()["example.com"]
	if b == nil || b.Cure != "cure of example.com 5.7.8" || !b.Waits(read(t, q, mustOne(t, q))) {
		t.Errorf("kept %+v", b)
	}
}

type curer struct{ *fakeRouter }

func (*curer) Cure(destination string, why *Report) string {
	return "cure of " + destination + " " + why.Status
}

func mustOne(t *testing.T, q *spool.Queue) string {
	t.Helper()
	l, err := q.List()
	if err != nil || len(l.IDs) != 1 {
		t.Fatal(l, err)
	}
	return l.IDs[0]
}

// Very many entries that cannot be read are counted, not listed.
func TestManyUnusables(t *testing.T) {
	r := &run{unsendable: map[string]spool.Unsendable{}, reasons: map[Reason]int{}, q: newQueue(t)}
	for i := range 2*maxNamed + 1 {
		r.unusable(spool.IDText(uint64(i)), "", fmt.Errorf("%w: cut short", ErrDamaged))
	}
	if n := len(r.sum.Waiting); n != maxNamed+1 || r.sum.Waiting[maxNamed].Messages != maxNamed+1 || !strings.Contains(r.sum.Waiting[maxNamed].Text, "mailq") {
		t.Errorf("%d lines: %+v", n, r.sum.Waiting)
	}
}

// Another trouble of an identity that waits already is told of, too; one that comes back is not.
func TestAnotherTroubleIsTold(t *testing.T) {
	noPassword := Report{Action: Delayed, Scope: ScopeIdentity, Status: "4.7.0", Text: "the password command failed"}
	q, l := newQueue(t), &listener{}
	submit(t, q, "a@example.com")
	h := &fakeHost{}
	for i, why := range []Report{badPassword, noPassword, badPassword, noPassword} {
		h.answer = refusing(why)
		runQueue(t, again(t, q), one(h), RunOptions{All: true, Notifier: l})
		if i < 2 {
			l.hears(t, "blocked a@example.com")
		} else {
			l.hears(t)
		}
	}
}

// A run that has met no refusal of its own does not wait until another has told of those before.
func TestTellingIsLeftToAnother(t *testing.T) {
	q, l := newQueue(t), &listener{nobody: true}
	submit(t, q, "nobody@example.com")
	runQueue(t, q, one(&fakeHost{answer: refusing(noSuchUser)}), RunOptions{All: true, Notifier: l})
	hold, err := q.TryTold()
	if err != nil {
		t.Fatal(err)
	}
	l.nobody = false
	submit(t, q, "bob@example.com")
	sum, err := Run(context.Background(), again(t, q), one(&fakeHost{}), RunOptions{All: true, Notifier: l})
	if err != nil || sum.Done != 1 {
		t.Fatalf("the other run: %+v, %v", sum, err)
	}
	told := make(chan *Summary, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { told <- sum.Tell(ctx) }()
	if more := receive(t, "its end", told); more != nil && len(more.Trouble) > 0 {
		t.Errorf("came to %+v", more)
	}
	l.hears(t)
	hold.Close(func(string) bool { return false })
	runQueue(t, again(t, q), one(&fakeHost{}), RunOptions{All: true, Notifier: l})
	l.hears(t, "lost nobody@example.com")
}
