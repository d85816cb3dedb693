package queue

import (
	"slices"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// A message that the host refuses goes behind the others at its next attempt.
func TestFailedBeforeGoesBehind(t *testing.T) {
	q := newQueue(t)
	var ids []string
	for range 3 {
		ids = append(ids, submit(t, q, "a@example.com"))
	}
	setMessage(t, q, ids[0], func(m *spool.Message) { m.Attempts = 1; m.Last = time.Now().Add(-time.Hour) })
	h := &fakeHost{}
	runQueue(t, q, one(h), everything)
	if want := []string{ids[1], ids[2], ids[0]}; !slices.Equal(h.got(), want) {
		t.Errorf("sent in the order %v, want %v", h.got(), want)
	}
}

// While the host of one identity is mute, new mail of another goes out in the same run once it is
// old enough.
func TestMuteHostHoldsUpNobody(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@mute.example")
	release, begun := make(chan struct{}), make(chan struct{})
	mute := &fakeHost{before: func(*Delivery) { close(begun); <-release }}
	arrived := make(chan struct{})
	other := &fakeHost{before: func(*Delivery) { close(arrived) }}
	router := &fakeRouter{hosts: map[string]Transport{"mute.example": mute, "other.example": other}}
	done := make(chan *Summary, 1)
	go func() { done <- runQueue(t, q, router, RunOptions{Age: 2500 * time.Millisecond}) }()
	receive(t, "the mute host", begun)
	again := openQueue(t, q.Dir)
	submit(t, again, "b@other.example")
	receive(t, "the other identity's mail", arrived)
	close(release)
	receive(t, "the end of the run", done)
}

// A refused password keeps new mail waiting, until the configuration is changed.
func TestCorrectedConfiguration(t *testing.T) {
	refused := Report{Action: Delayed, Scope: ScopeIdentity, Status: "5.7.8", Code: 535, Text: "wrong password", Mend: MendLogin}
	q, ids := backedOff(t, refused, 1)
	h := &fakeHost{}
	ids = append(ids, submit(t, q, "a@example.com"))
	runQueue(t, q, one(h), RunOptions{ConfigChanged: time.Now().Add(-time.Hour)})
	if len(h.got()) != 0 {
		t.Fatal("tried with a password that was refused")
	}
	runQueue(t, q, one(h), RunOptions{ConfigChanged: time.Now()})
	if !slices.Equal(h.got(), ids) {
		t.Errorf("sent %v once the configuration was changed, want %v", h.got(), ids)
	}
}

// An interruption proves nothing about an identity.
func TestInterruptionLeavesBackoff(t *testing.T) {
	q, _ := backedOff(t, Report{Action: Delayed, Scope: ScopeIdentity, Status: "5.7.8", Code: 535, Text: "wrong password", Mend: MendLogin}, 1)
	stopped := Report{Action: Delayed, Scope: ScopeSession, Status: "4.3.2", Text: "the delivery was interrupted"}
	runQueue(t, q, one(&fakeHost{answer: refusing(stopped)}), everything)
	if readBackoffs(q)["example.com"] == nil {
		t.Error("the identity is taken for one that works again")
	}
}
