package queue

import (
	"testing"

	"esmtpq/queue/spool"
)

// With HoldUnsure, what was possibly delivered waits for its owner, and is tried once it is released: whether
// the reply was lost, or the run that waited for it.
func TestHoldUnsure(t *testing.T) {
	lost := Report{Action: Delayed, Scope: ScopeSession, Status: "4.4.2", Text: "connection lost", Unsure: true}
	for _, tt := range []struct {
		name   string
		before func(q *spool.Queue, id string, h *fakeHost)
	}{
		{"reply lost", func(_ *spool.Queue, _ string, h *fakeHost) { h.answer = refusing(lost) }},
		{"run died", func(q *spool.Queue, id string, _ *fakeHost) { setLetters(t, q, id, "s") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := newQueue(t)
			id := submit(t, q, "a@example.com")
			h := &fakeHost{}
			tt.before(q, id, h)
			opt := RunOptions{All: true, HoldUnsure: true}
			runQueue(t, q, one(h), opt)
			tried := len(h.got())
			h.answer = nil
			if m := read(t, q, id); !m.Held || letters(m) != "u" {
				t.Fatalf("held %v, recipients %s; want it held, and u", m.Held, letters(m))
			}
			runQueue(t, q, one(h), opt)
			if n := len(h.got()); n != tried {
				t.Errorf("tried while it was held")
			}
			if err := q.SetHeld(id, false); err != nil {
				t.Fatal(err)
			}
			runQueue(t, q, one(h), opt)
			if n := len(h.got()); n != tried+1 {
				t.Errorf("released, and not tried")
			}
			wantNames(t, q.Dir)
		})
	}
}
