package queue

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// A movedClock is a clock that a test sets ahead.
type movedClock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *movedClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *movedClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// A longTransfer is a host that takes a message for as long as the test wants.
func longTransfer(begun, end chan struct{}) *fakeHost {
	return &fakeHost{before: func(*Delivery) {
		close(begun)
		<-end
	}}
}

// While the run goes on with a long transfer of another identity, it takes up one that was in trouble as soon as its
// wait is over, or mail comes that is a reason to try it; not before, and not where the login was refused.
func TestTakenUpDuringALongTransfer(t *testing.T) {
	for _, c := range []struct {
		name    string
		trouble Report
		known   bool          // it was in trouble before the run
		pass    time.Duration // by the clock, during the transfer
		news    bool          // a mail comes during the transfer
		opt     RunOptions
		sent    int // of the mails of the identity that was in trouble
	}{
		{"its wait is over", unreachable, false, 2 * time.Minute, false, RunOptions{}, 2},
		{"for a person", unreachable, false, 2 * time.Minute, false, everything, 2},
		{"it waited before", unreachable, true, 2 * time.Minute, false, RunOptions{}, 2},
		{"its wait is not over", unreachable, false, 10 * time.Second, false, RunOptions{}, 0},
		{"new mail", unreachable, false, 0, true, RunOptions{}, 3},
		{"new mail after a refused login", badPassword, false, 0, true, RunOptions{}, 0},
		{"a refused login", badPassword, false, 2 * time.Minute, false, RunOptions{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t)
			var clock movedClock
			c.opt.Now = clock.now
			mails := []string{submit(t, q, "a@away.example"), submit(t, q, "b@away.example")}
			var mu sync.Mutex
			down := true
			answered := make(chan struct{}, 9)
			away := &fakeHost{answer: func(*Delivery, Recipient) Report {
				mu.Lock()
				defer mu.Unlock()
				if down {
					return c.trouble
				}
				return relayed
			}, after: func(Source, *Delivery) { answered <- struct{}{} }}
			begun, end := make(chan struct{}), make(chan struct{})
			router := &fakeRouter{hosts: map[string]Transport{"away.example": away, "slow.example": longTransfer(begun, end)}}
			if c.known {
				runQueue(t, q, router, RunOptions{Now: clock.now})
				<-answered
			}
			mails = append(mails, submit(t, q, "c@slow.example"))
			done := make(chan *Summary, 1)
			go func() { done <- runQueue(t, q, router, c.opt) }()
			receive(t, "the transfer", begun)
			if !c.known {
				receive(t, "the first attempt", answered)
			}
			mu.Lock()
			down = false
			mu.Unlock()
			clock.pass(c.pass)
			if c.news {
				mails = slices.Insert(mails, 2, submit(t, q, "new@away.example"))
			}
			for range c.sent {
				receive(t, "a delivery during the transfer", answered)
			}
			if c.sent == 0 {
				time.Sleep(2500 * time.Millisecond) // two looks
			}
			close(end)
			sum := <-done
			waits := 0
			for _, w := range sum.Waiting {
				waits += w.Messages
			}
			if all := len(mails) - 1; sum.Done != c.sent+1 || waits != all-c.sent {
				t.Errorf("came to %+v, want %d sent and %d waiting", sum, c.sent+1, all-c.sent)
			}
			if got := away.got(); !slices.Equal(got[1:], mails[:c.sent]) {
				t.Errorf("attempts %q, want after the first %q", got, mails[:c.sent])
			}
			if n := len(readBackoffs(q)); (n == 0) != (c.sent > 0) {
				t.Errorf("%d identities wait", n)
			}
		})
	}
}

// Identities that have had their second chance in vain do not keep a run alive for each other.
func TestNoRunIsKeptAliveByTrouble(t *testing.T) {
	q := newQueue(t)
	var clock movedClock
	hosts := map[string]Transport{}
	for name, takes := range map[string]time.Duration{"one": 1500 * time.Millisecond, "two": 2500 * time.Millisecond} {
		submit(t, q, "a@"+name+".example")
		hosts[name+".example"] = &fakeHost{
			answer: refusing(unreachable),
			before: func(*Delivery) { time.Sleep(takes) },
			after:  func(Source, *Delivery) { clock.pass(7 * time.Hour) },
		}
	}
	runQueue(t, q, &fakeRouter{hosts: hosts}, RunOptions{Now: clock.now, All: true})
	for name, h := range hosts {
		if n := len(h.(*fakeHost).got()); n > 2 {
			t.Errorf("%s was tried %d times", name, n)
		}
	}
}

// What was possibly delivered is not sent again by the run that sent it, whatever becomes of its identity.
func TestNoSecondCopyByASecondChance(t *testing.T) {
	q := newQueue(t)
	var clock movedClock
	submit(t, q, "a@away.example")
	submit(t, q, "c@slow.example")
	begun, end := make(chan struct{}), make(chan struct{})
	lost := unreachable
	lost.Unsure = true
	answered := make(chan struct{}, 9)
	away := &fakeHost{answer: refusing(lost), after: func(Source, *Delivery) { answered <- struct{}{} }}
	done := make(chan *Summary, 1)
	go func() {
		done <- runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"away.example": away, "slow.example": longTransfer(begun, end)}}, RunOptions{Now: clock.now})
	}()
	receive(t, "the transfer", begun)
	receive(t, "the first attempt", answered)
	clock.pass(8 * time.Hour)
	time.Sleep(2500 * time.Millisecond)
	close(end)
	if sum := <-done; len(away.got()) != 1 || sum.Done != 1 {
		t.Errorf("%d attempts; came to %+v", len(away.got()), sum)
	}
}
