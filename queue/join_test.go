package queue

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// Who asks for a run for everything while one goes on leaves it to that one, which looks at the queue
// once more, whenever the mail came; and what was tried is not tried again.
func TestRunIsJoined(t *testing.T) {
	for _, instant := range []string{"before", "at the end", "at the goodbye"} {
		t.Run(instant, func(t *testing.T) {
			q := newQueue(t)
			first := submit(t, q, "a@example.com")
			stuckID := submit(t, q, "busy@example.com")
			var late string
			var once sync.Once
			arrive := func() {
				once.Do(func() {
					late = submit(t, again(t, q), "a@example.com")
					if !again(t, q).JoinRun() {
						t.Error("not joined")
					}
				})
			}
			h := &fakeHost{answer: func(_ *Delivery, rcpt Recipient) Report {
				if rcpt.Address == "busy@example.com" {
					return busy
				}
				return relayed
			}}
			switch instant {
			case "before":
				h.before = func(*Delivery) { arrive() }
			case "at the end":
				h.after = func(Source, *Delivery) { arrive() }
			default:
				h.goodbye = func(src Source) { arrive() }
			}
			sum := runQueue(t, q, one(h), everything)
			got := h.got()
			slices.Sort(got)
			got = slices.Compact(got) // the clock may have gone on by a second meanwhile
			if want := []string{first, stuckID, late}; !slices.Equal(got, want) {
				t.Errorf("sent %q, want %q", got, want)
			}
			if sum.Done != 2 || len(sum.Waiting) != 1 || sum.Waiting[0].Messages != 1 {
				t.Errorf("came to %+v", sum)
			}
			if q.JoinRun() {
				t.Error("joined nobody")
			}
			if _, err := os.Stat(q.Dir + "/.again"); err == nil {
				t.Error("the note is left")
			}
		})
	}
}

// What was tried before somebody asked is tried again for him: the network may have come meanwhile.
func TestJoinedRunTriesAgain(t *testing.T) {
	for _, test := range []struct {
		after time.Duration // the last who asked, after the attempt
		want  int
	}{{5 * time.Second, 2}, {-5 * time.Second, 1}} {
		for name, report := range map[string]Report{"message": busy, "identity": {Action: Delayed, Scope: ScopeIdentity, Status: "4.4.1"}} {
			q := newQueue(t)
			submit(t, q, "a@example.com")
			var once sync.Once
			h := &fakeHost{answer: refusing(report)}
			h.after = func(Source, *Delivery) {
				once.Do(func() {
					other := again(t, q)
					if !other.JoinRun() {
						t.Error("not joined")
					}
					asked := time.Now().Add(test.after)
					if err := os.Chtimes(q.Dir+"/.again", asked, asked); err != nil {
						t.Error(err)
					}
				})
			}
			if runQueue(t, q, one(h), everything); len(h.got()) != test.want {
				t.Errorf("%s, asked %v after the attempt: tried %d times", name, test.after, len(h.got()))
			}
		}
	}
}

// The note has the time of the last who asked.
func TestTimeOfTheNote(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com")
	h := &fakeHost{before: func(*Delivery) {
		other, old := again(t, q), time.Now().Add(-time.Hour)
		other.JoinRun()
		if err := os.Chtimes(q.Dir+"/.again", old, old); err != nil {
			t.Error(err)
		}
		other.JoinRun()
		if st, err := os.Stat(q.Dir + "/.again"); err != nil || time.Since(st.ModTime()) > time.Minute {
			t.Errorf("the note: %v, %v", st, err)
		}
	}}
	runQueue(t, q, one(h), everything)
}

// A run for chosen mail is not joined: a person waits for it.
func TestChosenRunIsNotJoined(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com")
	h := &fakeHost{before: func(*Delivery) {
		if again(t, q).JoinRun() {
			t.Error("joined")
		}
	}}
	chosen := RunOptions{All: true, Select: func(*spool.Message) bool { return true }}
	if sum := runQueue(t, q, one(h), chosen); sum.Done != 1 {
		t.Errorf("%+v", sum)
	}
}

// A run for what is due takes the note, too, and then tries everything.
func TestDueRunIsJoined(t *testing.T) {
	q := newQueue(t)
	waits := submit(t, q, "a@example.com")
	h := &fakeHost{answer: refusing(busy)}
	runQueue(t, q, one(h), everything) // not due for a minute
	h.answer = nil
	late := submit(t, q, "a@example.com")
	var once sync.Once
	h.before = func(*Delivery) {
		once.Do(func() {
			if !again(t, q).JoinRun() {
				t.Error("not joined")
			}
			soon := time.Now().Add(2 * time.Second) // after the attempt, to the second
			if err := os.Chtimes(q.Dir+"/.again", soon, soon); err != nil {
				t.Error(err)
			}
		})
	}
	sum := runQueue(t, q, one(h), RunOptions{})
	if want := []string{waits, late, waits}; sum.Done != 2 || !slices.Equal(h.got(), want) {
		t.Errorf("came to %+v; sent %q, want %q", sum, h.got(), want)
	}
}

// Who waits for a run that cannot be joined joins the next one that can.
func TestJoinedWhileWaiting(t *testing.T) {
	q := newQueue(t)
	first := submit(t, q, "a@example.com")
	submit(t, q, "b@example.com")
	const n = 10
	joined, worked := make(chan bool, n), make(chan error, n)
	next := &fakeHost{before: func(*Delivery) {
		for range n - 1 { // while this one is at work, all others end
			select {
			case <-joined:
			case <-time.After(20 * time.Second):
				t.Error("another one waits")
				return
			}
		}
	}}
	h := &fakeHost{before: func(*Delivery) {
		var waiting sync.WaitGroup
		waiting.Add(n)
		for range n {
			other := again(t, q)
			go func() {
				opt := everything
				opt.Join, opt.Waiting = true, waiting.Done
				if _, err := Run(context.Background(), other, one(next), opt); err == ErrJoined {
					joined <- true
				} else {
					worked <- err
				}
			}()
		}
		waiting.Wait()
	}}
	runQueue(t, q, one(h), RunOptions{All: true, Select: func(m *spool.Message) bool { return m.ID == first }})
	select {
	case err := <-worked:
		if err != nil || len(next.got()) != 1 {
			t.Errorf("%q, %v", next.got(), err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("they wait for each other")
	}
}

// A note that comes between the last look and the end of the lock is found after it, by whatever run
// that is.
func TestNoteAtTheLastInstant(t *testing.T) {
	q := newQueue(t)
	waits := submit(t, q, "a@example.com")
	h := &fakeHost{answer: refusing(busy)}
	runQueue(t, q, one(h), everything) // not due for a minute
	h.answer = nil
	if err := os.WriteFile(q.Dir+"/.again", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Add(2 * time.Second) // after the attempt, to the second
	if err := os.Chtimes(q.Dir+"/.again", soon, soon); err != nil {
		t.Fatal(err)
	}
	sum, err := Run(context.Background(), q, one(h), RunOptions{Now: (&clock{time.Now().Add(30 * time.Second)}).read})
	if err != nil || sum.Done != 1 || !slices.Equal(h.got(), []string{waits, waits}) {
		t.Errorf("came to %+v, %v; sent %q", sum, err, h.got())
	}
}
