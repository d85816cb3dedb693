package queue

import "testing"

func TestHeldAndReleased(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	h := &fakeHost{}
	for _, on := range []bool{true, false} {
		if err := q.SetHeld(id, on); err != nil {
			t.Fatal(err)
		}
		runQueue(t, q, one(h), everything)
		if sent := len(h.got()) == 1; sent == on {
			t.Errorf("held: %v, sent: %v", on, sent)
		}
	}
}

func TestRunningIsSeen(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com")
	during := false
	runQueue(t, q, one(&fakeHost{before: func(*Delivery) { during = again(t, q).Running() }}), everything)
	if !during || q.Running() {
		t.Errorf("during the run %v, after it %v", during, q.Running())
	}
}

// Mail that a retry has made pending again goes out with the next run.
func TestRetriedGoesOut(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com", "b@example.com", "c@example.com")
	setLetters(t, q, id, "frf")
	if pending, err := q.Retry(id); err != nil || !pending {
		t.Fatal(pending, err)
	}
	h := &fakeHost{}
	runQueue(t, q, one(h), RunOptions{})
	if len(h.to) != 2 {
		t.Errorf("tried %q", h.to)
	}
}
