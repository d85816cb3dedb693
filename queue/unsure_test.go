package queue

import (
	"context"
	"strings"
	"testing"

	"esmtpq/queue/spool"
)

// With HoldUnsure, a message that was possibly delivered waits for its owner, and is tried once
// it is released: whether the reply was lost, or the run died that waited for it.
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

// runsDie runs the queue once for each letter in what. At "k" the transport dies between the end
// of the message and its reply; at "u" it lives, and the reply is lost; at "d" the host is busy.
// It returns how often the message was sent.
func runsDie(t *testing.T, q *spool.Queue, id, what string) (sent int) {
	t.Helper()
	for _, c := range what {
		h := transportFunc(func(ctx context.Context, src Source) {
			d := src.Next(true)
			if d == nil {
				return
			}
			sent++
			if err := src.Sending(d, nil); err != nil {
				t.Error(err)
			}
			switch c {
			case 'u':
				src.Record([]Outcome{{Delivery: d, Reports: []Report{replyLost}}})
			case 'd':
				src.Record([]Outcome{{Delivery: d, Reports: []Report{busy}}})
			}
		})
		runQueue(t, again(t, q), one(h), RunOptions{All: true, Select: func(m *spool.Message) bool { return m.ID == id }})
	}
	return sent
}

// A message that was possibly delivered three times is held, whatever the cause of each, and
// however many runs were killed in between; its owner can release it for one attempt at a time.
func TestPossiblyDeliveredThreeTimes(t *testing.T) {
	for _, c := range []struct {
		runs string
		sent int
		held bool // before any run looks at it again
	}{
		{"uuu", 3, true},
		{"uuuuuu", 3, true},
		{"kkk", 3, false}, // the next run finds out
		{"kkkkkk", 3, true},
		{"ukuk", 3, true},
		{"uku", 3, true},
		{"udddduddddu", 11, true},
		{"kdkdk", 5, false},
		{"uu", 2, false},
		{"kk", 2, false},
	} {
		t.Run(c.runs, func(t *testing.T) {
			q := newQueue(t)
			id := submit(t, q, "a@example.com")
			if sent := runsDie(t, q, id, c.runs); sent != c.sent {
				t.Errorf("sent %d times, want %d", sent, c.sent)
			}
			m := read(t, q, id)
			if m.Held != c.held {
				t.Errorf("held %v, want %v: %+v", m.Held, c.held, m.Progress[0])
			}
			h := &fakeHost{}
			if strings.Count(c.runs, "d")+2 == len(c.runs) { // only twice
				if runQueue(t, q, one(h), everything); len(h.got()) != 1 {
					t.Error("was held too early")
				}
				return
			}
			runQueue(t, q, one(h), everything)
			m = read(t, q, id)
			if len(h.got()) > 0 || !m.Held || !strings.HasPrefix(m.Progress[0].Explain(), "possibly delivered 3 times: ") {
				t.Fatalf("sent %q; held %v, %q", h.got(), m.Held, m.Progress[0].Explain())
			}
			if err := q.SetHeld(id, false); err != nil {
				t.Fatal(err)
			}
			if sent := runsDie(t, q, id, "uuu"); sent != 1 {
				t.Errorf("released, and sent %d times", sent)
			}
			if err := q.SetHeld(id, false); err != nil {
				t.Fatal(err)
			}
			if runQueue(t, q, one(h), everything); len(h.got()) != 1 {
				t.Error("released again, and not sent")
			}
			wantNames(t, q.Dir)
		})
	}
}

// Each recipient has a number of its own.
func TestEachRecipientIsCounted(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com", "b@example.com")
	answer := ""
	h := &fakeHost{answer: func(_ *Delivery, rcpt Recipient) Report {
		if answer[rcpt.Address[0]-'a'] == 'u' {
			return replyLost
		}
		return busy
	}}
	for _, answer = range []string{"ud", "du", "ud", "du"} {
		if m := read(t, q, id); m.Held {
			t.Fatalf("held before %q: %+v", answer, m.Progress)
		}
		runQueue(t, q, one(h), everything)
	}
	answer = "du"
	runQueue(t, q, one(h), everything)
	if m := read(t, q, id); !m.Held || m.Progress[0].Unsure != 2 || m.Progress[1].Unsure != 3 {
		t.Errorf("held %v: %+v", m.Held, m.Progress)
	}
}

// An entry of an older program has no number, which counts as once.
func TestOlderEntryThatWasPossiblyDelivered(t *testing.T) {
	for letter, runs := range map[string]string{"u": "uu", "s": "uu"} {
		q := newQueue(t)
		id := submit(t, q, "a@example.com")
		setLetters(t, q, id, letter)
		if sent := runsDie(t, q, id, runs+"u"); sent != 2 || !read(t, q, id).Held {
			t.Errorf("%s: sent %d times, left as %+v", letter, sent, read(t, q, id))
		}
	}
}
