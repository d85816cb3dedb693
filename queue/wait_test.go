package queue

import (
	"context"
	"testing"
	"time"
)

// A session that has nothing more to send is kept only for mail that will soon be old enough: not
// if there is none, nor for mail that is due later than the limit.
func TestWaitForYoungMail(t *testing.T) {
	const age = time.Hour
	for _, c := range []struct {
		name   string
		in     time.Duration // when the second message will be old enough; 0 for no such message
		waited bool
	}{
		{"nothing there", 0, false},
		{"soon", 1500 * time.Millisecond, true},
		{"too late", time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := newQueue(t)
			submit(t, q, "a@example.com")
			h := &waitingHost{}
			h.before = func(d *Delivery) {
				if c.in > 0 && len(h.sent) == 1 {
					env := envelopeFor("b@example.com")
					env.Arrival = time.Now().Add(c.in - age)
					commit(t, q, env, hello)
				}
			}
			runQueue(t, q, one(h), RunOptions{Age: age})
			if n := len(h.sent); (n == 2) != c.waited || h.waited != c.waited {
				t.Errorf("%d sent, waited: %v", n, h.waited)
			}
		})
	}
}

// A waitingHost is a fakeHost that waits before it returns.
type waitingHost struct {
	fakeHost
	waited bool
}

func (h *waitingHost) Run(ctx context.Context, src Source) {
	h.fakeHost.Run(ctx, src)
	for src.Wait(ctx, 10*time.Second) {
		h.waited = true
		h.fakeHost.Run(ctx, src)
	}
}

// The backlog of a destination is the number of messages that are not drawn yet.
func TestBacklog(t *testing.T) {
	q := newQueue(t)
	for range 5 {
		submit(t, q, "a@example.com")
	}
	var seen []int
	h := &fakeHost{after: func(src Source, _ *Delivery) { seen = append(seen, src.Backlog()) }}
	runQueue(t, q, one(h), RunOptions{})
	if len(seen) != 5 || seen[4] != 0 {
		t.Fatalf("%v", seen)
	}
	for i := range seen[1:] {
		if seen[i+1] > 4 {
			t.Errorf("%v", seen)
		}
	}
}
