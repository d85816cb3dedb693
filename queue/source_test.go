package queue

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// manyRecipients returns addresses at example.com.
func manyRecipients(n int) (to []string) {
	for i := range n {
		to = append(to, fmt.Sprintf("a%d@example.com", i))
	}
	return to
}

// inParts answers for a delivery from its last recipients to its first, some at a time, and looks
// at the entry in between.
func inParts(src Source, d *Delivery, size int, answer func(i int) Report, between func(reported int)) error {
	for to := len(d.Recipients); to > 0; to -= size {
		o := Outcome{Delivery: d}
		for i := to - 1; i >= max(to-size, 0); i-- {
			o.Recipients = append(o.Recipients, i)
			o.Reports = append(o.Reports, answer(i))
		}
		if err := src.Sending(d, o.Recipients); err != nil {
			return err
		}
		if err := src.Record([]Outcome{o}); err != nil {
			return err
		}
		between(len(d.Recipients) - max(to-size, 0))
	}
	return nil
}

// Each part is in the entry as soon as it is recorded, and the last one lets go of the entry.
func TestDeliveryIsRecordedInParts(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, manyRecipients(1500)...)
	h := transportFunc(func(ctx context.Context, src Source) {
		d := src.Next(true)
		answer := func(int) Report { return relayed }
		between := func(reported int) {
			if reported == 1500 {
				return // and removed, by now or soon
			}
			m := read(t, q, id)
			want := strings.Repeat("-", 1500-reported) + strings.Repeat("r", reported)
			if got := letters(m); got != want {
				t.Errorf("after %d recipients: %q", reported, got)
			}
			if _, err := again(t, q).OpenEntry(id); err != spool.ErrLocked {
				t.Errorf("after %d recipients, the lock of the entry: %v", reported, err)
			}
		}
		if err := inParts(src, d, 100, answer, between); err != nil {
			t.Error(err)
		}
	})
	sum := runQueue(t, q, one(h), everything)
	if sum.Done != 1500 || len(sum.Waiting)+len(sum.Trouble) > 0 {
		t.Errorf("came to %+v", sum)
	}
	wantNames(t, q.Dir)
}

// An attempt counts once, however many parts it is recorded in; nor is a message given up by its
// own first attempt.
func TestAttemptInPartsCountsOnce(t *testing.T) {
	q := newQueue(t)
	id := submitAged(t, q, 6*day, manyRecipients(30)...)
	later := transportFunc(func(ctx context.Context, src Source) {
		if d := src.Next(true); d != nil {
			inParts(src, d, 7, func(int) Report { return tryLater }, func(int) {})
		}
	})
	sum := runQueue(t, q, one(later), everything)
	if m := read(t, q, id); m.Attempts != 1 || letters(m) != strings.Repeat("d", 30) {
		t.Errorf("left as %q after %d attempts", letters(m), m.Attempts)
	}
	wantWaiting(t, sum, 1)
	setMessage(t, q, id, func(m *spool.Message) { m.First = m.Envelope.Arrival })
	runQueue(t, q, one(later), everything)
	if m := read(t, q, id); letters(m) != strings.Repeat("f", 30) {
		t.Errorf("after the second attempt: %q", letters(m))
	}
}

// A run that dies between two parts has recorded the first.
func TestRunThatDiedBetweenParts(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, manyRecipients(4)...)
	died := transportFunc(func(ctx context.Context, src Source) {
		d := src.Next(true)
		src.Sending(d, []int{0, 1})
		src.Record([]Outcome{{Delivery: d, Recipients: []int{1, 0}, Reports: []Report{unknownUser, relayed}}})
		src.Sending(d, []int{2})
	})
	runQueue(t, q, one(died), everything)
	if got := letters(read(t, q, id)); got != "rfs-" {
		t.Fatalf("left as %q", got)
	}
	h := &fakeHost{}
	runQueue(t, q, one(h), everything)
	if want := []string{id + " a2@example.com", id + " a3@example.com"}; fmt.Sprint(h.to) != fmt.Sprint(want) {
		t.Errorf("then sent to %q", h.to)
	}
}

// A recipient that is reported twice counts once.
func TestSecondReportOfARecipient(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, manyRecipients(2)...)
	h := transportFunc(func(ctx context.Context, src Source) {
		d := src.Next(true)
		if d == nil {
			return
		}
		for _, r := range []Report{relayed, busy, unknownUser} {
			if err := src.Record([]Outcome{{Delivery: d, Recipients: []int{0}, Reports: []Report{r}}}); err != nil {
				t.Error(err)
			}
		}
		both := []Outcome{{Delivery: d, Recipients: []int{1}, Reports: []Report{busy}}, {Delivery: d, Reports: []Report{busy, relayed}}}
		for range 2 {
			if err := src.Record(both); err != nil {
				t.Error(err)
			}
		}
	})
	sum := runQueue(t, q, one(h), everything)
	if got := letters(read(t, q, id)); got != "rd" || sum.Done != 1 || len(sum.Failed) > 0 {
		t.Errorf("left as %q; came to %+v", got, sum)
	}
}

// Parts that come in together are recorded as one, by the name of the entry too.
func TestPartsOfManyDeliveriesAtOnce(t *testing.T) {
	q := newQueue(t)
	for range 5 {
		submit(t, q, manyRecipients(3)...)
	}
	h := transportFunc(func(ctx context.Context, src Source) {
		var all []Outcome
		var drawn []*Delivery
		for d := src.Next(true); d != nil; d = src.Next(true) {
			drawn = append(drawn, d)
		}
		for _, i := range []int{2, 0, 1} {
			for _, d := range drawn {
				all = append(all, Outcome{Delivery: d, Recipients: []int{i}, Reports: []Report{relayed}})
			}
		}
		if err := src.Record(all); err != nil {
			t.Error(err)
		}
	})
	if sum := runQueue(t, q, one(h), everything); sum.Done != 15 {
		t.Errorf("came to %+v", sum)
	}
	wantNames(t, q.Dir)
}

// Between a content and its end, Next neither waits for a scan nor makes one; nor does a busy
// scan hold up a record.
func TestNextWithoutWaiting(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com")
	submit(t, q, "slow@elsewhere.example")
	scanning, scan := make(chan struct{}), make(chan struct{})
	var once sync.Once
	router := one(nil)
	router.route = func(env *Envelope, rcpt Recipient) (Route, error) {
		if strings.HasPrefix(rcpt.Address, "slow") {
			once.Do(func() { close(scanning); <-scan })
		}
		return Route{Destination: domainOf(rcpt.Address), Address: rcpt.Address}, nil
	}
	var late string
	looked := make(chan struct{}) // the other destination looks for new mail when it may
	router.hosts["elsewhere.example"] = &fakeHost{after: func(Source, *Delivery) { <-looked }}
	router.hosts["example.com"] = transportFunc(func(ctx context.Context, src Source) {
		d := src.Next(true)
		if d == nil {
			return
		}
		receive(t, "the scan", scanning)
		if src.Next(false) != nil || src.Backlog() != 0 || src.Wait(ctx, time.Hour) {
			t.Error("there is more")
		}
		if err := src.Sending(d, nil); err != nil {
			t.Error(err)
		}
		if err := src.Record([]Outcome{{Delivery: d, Reports: []Report{relayed}}}); err != nil {
			t.Error(err)
		}
		close(scan)
		late = submit(t, again(t, q), "b@example.com")
		begin := time.Now()
		if src.Next(false) != nil && time.Since(begin) < rescanEvery/2 {
			t.Error("the directory was looked at")
		}
		close(looked)
		if d = src.Next(true); d == nil || d.ID != late {
			t.Errorf("drew %+v, want the late one", d)
			return
		}
		src.Record([]Outcome{{Delivery: d, Reports: []Report{relayed}}})
	})
	if sum := runQueue(t, q, router, RunOptions{}); sum.Done != 3 {
		t.Errorf("came to %+v", sum)
	}
}

// A transport with several sessions calls its source from all of them; the race detector watches.
func TestSourceOfSeveralSessions(t *testing.T) {
	q := newQueue(t)
	const n = 40
	for range n {
		submit(t, q, "a@example.com", "b@example.com", "c@other.example")
	}
	sessions := transportFunc(func(ctx context.Context, src Source) {
		var all sync.WaitGroup
		for range 4 {
			all.Add(1)
			go func() {
				defer all.Done()
				for d := src.Next(true); d != nil; d = src.Next(src.Backlog()%2 == 0) {
					if inParts(src, d, 1, func(int) Report { return relayed }, func(int) {}) != nil {
						t.Error("not recorded")
					}
				}
			}()
		}
		all.Wait()
	})
	var runs atomic.Int32
	other := transportFunc(func(ctx context.Context, src Source) {
		runs.Add(1)
		sessions(ctx, src)
	})
	sum := runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"example.com": sessions, "other.example": other}}, everything)
	if sum.Done != 3*n || len(sum.Waiting)+len(sum.Trouble) > 0 || runs.Load() == 0 {
		t.Errorf("came to %+v", sum)
	}
	wantNames(t, q.Dir)
}

// Who looks for new mail while another look goes on learns that it may have to look again: that
// look may have begun before the mail came.
func TestLookDuringALook(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com")
	submit(t, q, "slow@elsewhere.example")
	scanning, scan := make(chan struct{}), make(chan struct{})
	var once sync.Once
	router := one(nil)
	router.route = func(env *Envelope, rcpt Recipient) (Route, error) {
		if strings.HasPrefix(rcpt.Address, "slow") {
			once.Do(func() { close(scanning); <-scan })
		}
		return Route{Destination: domainOf(rcpt.Address), Address: rcpt.Address}, nil
	}
	router.hosts["elsewhere.example"] = &fakeHost{}
	router.hosts["example.com"] = transportFunc(func(ctx context.Context, src Source) {
		r := src.(*destination).run
		receive(t, "the scan", scanning)
		if r.rescan() {
			t.Error("the look of another counts as one's own")
		}
		close(scan)
		for r.rescan() == false {
			time.Sleep(time.Millisecond)
		}
	})
	runQueue(t, q, router, RunOptions{})
}
