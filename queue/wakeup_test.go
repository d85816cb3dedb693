package queue

import (
	"context"
	"slices"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// Mail is accepted while a run is about to end, at each of the instants at which the run could
// miss it. The test submits from inside the run, so each instant is met by construction.
func TestMailAcceptedWhileTheRunEnds(t *testing.T) {
	for _, instant := range []string{"before the last report", "after the last report", "in the last look", "at the goodbye, seen"} {
		t.Run(instant, func(t *testing.T) {
			q := newQueue(t)
			ids := []string{submit(t, q, "a@example.com")}
			arrive := func() { ids = append(ids, submit(t, again(t, q), "a@example.com")) }
			h := &fakeHost{}
			once := func(do func()) {
				if len(h.got()) == 1 {
					do()
				}
			}
			switch instant {
			case "before the last report":
				h.before = func(*Delivery) { once(arrive) }
			case "after the last report":
				h.after = func(Source, *Delivery) { once(arrive) }
			case "in the last look":
				// The run sees mail while the destination asks for more: the destination waits for
				// the scan.
				h.after = func(src Source, _ *Delivery) {
					once(func() { arrive(); src.(*destination).run.rescan() })
				}
			case "at the goodbye, seen":
				h.goodbye = func(src Source) {
					once(func() { arrive(); src.(*destination).run.rescan() })
				}
			}
			sum := runQueue(t, q, one(h), RunOptions{})
			if !slices.Equal(h.got(), ids) || sum.Done != 2 || len(sum.Waiting) != 0 {
				t.Errorf("sent %q, want %q; %+v", h.got(), ids, sum)
			}
			wantNames(t, q.Dir)
		})
	}
}

// Young mail is left to the sleeper that its submission starts. It can start one: nobody has the
// wake-up lock.
func TestYoungMailIsLeftToItsSleeper(t *testing.T) {
	q := newQueue(t)
	first := submit(t, q, "a@example.com")
	var young string
	h := &fakeHost{}
	h.after = func(src Source, d *Delivery) {
		other := again(t, q)
		young = submit(t, other, "a@example.com")
		f, err := other.TryWakeup()
		if err != nil || f == nil {
			t.Fatalf("the wake-up lock cannot be had while a run goes on: %v", err)
		}
		defer f.Close()
		src.(*destination).run.rescan()
	}
	runQueue(t, q, one(h), RunOptions{Age: time.Hour})
	if !slices.Equal(h.got(), []string{first}) {
		t.Errorf("sent %q", h.got())
	}
	if m := read(t, q, young); letters(m) != "-" {
		t.Errorf("the young message was touched: %+v", m)
	}
	h.after = nil
	runQueue(t, q, one(h), RunOptions{Age: time.Hour}) // the sleeper wakes up
	wantNames(t, q.Dir, ".wakeup")
}

// A sleeper holds the wake-up lock while it waits for a run to end, and lets go of it when its
// own run has begun and has not looked yet.
func TestSleeperLetsGoBeforeItLooks(t *testing.T) {
	q := newQueue(t)
	sleeper, submitter := again(t, q), again(t, q)
	lock, err := sleeper.TryWakeup()
	if err != nil || lock == nil {
		t.Fatal(err)
	}
	submit(t, q, "a@example.com")
	h := &fakeHost{}
	done := make(chan *Summary, 1)
	var late string
	begun := func() {
		if f, _ := submitter.TryWakeup(); f != nil {
			t.Error("the wake-up lock was free before the sleeper let go of it")
		}
		lock.Close()
		f, err := submitter.TryWakeup()
		if err != nil || f == nil {
			t.Errorf("the wake-up lock is not free: %v", err)
		}
		f.Close()
		// Nothing has been listed yet: mail that is accepted now is seen even if it is young.
		late = submit(t, submitter, "late@example.com")
	}
	waiting := make(chan struct{})
	running := &fakeHost{before: func(*Delivery) {
		go func() {
			sum, err := Run(context.Background(), sleeper, one(h), RunOptions{Age: time.Hour, Begun: begun, Waiting: func() { close(waiting) }})
			if err != nil {
				t.Error(err)
			}
			done <- sum
		}()
		receive(t, "the sleeper to wait", waiting)
		if f, _ := submitter.TryWakeup(); f != nil {
			t.Error("a sleeper that waits for a run has lost the wake-up lock")
		}
	}}
	runQueue(t, q, one(running), RunOptions{Age: time.Hour})
	receive(t, "the sleeper's run", done)
	if !slices.Equal(h.got(), []string{late}) {
		t.Errorf("the sleeper sent %q, want %q", h.got(), late)
	}
}

// A look that comes too late must not start anything, since the run no longer has its lock.
func TestNothingBeginsAfterTheRun(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com")
	var ended *run
	h := &fakeHost{goodbye: func(src Source) { ended = src.(*destination).run }}
	runQueue(t, q, one(h), everything)
	id := submit(t, q, "a@example.com")
	ended.rescan()
	if _, seen := ended.seen[spool.Number(id)]; seen || len(h.got()) != 1 {
		t.Errorf("a run that had ended looked at new mail")
	}
}
