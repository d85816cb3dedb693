//go:build !linux

package watch

import "time"

// lookEvery is how often the clock of the wall is looked at, where nobody tells that it was set or
// that the machine has woken.
const lookEvery = 30 * time.Second

// A clock waits for a time of day.
type clock struct {
	times  chan time.Time
	events chan event
	armed  time.Time // the time that is waited for; zero for none
}

func newClock() (*clock, error) {
	c := &clock{times: make(chan time.Time, 1), events: make(chan event)}
	go c.run()
	return c, nil
}

// arm waits for a time instead of the one before; for none, if it is zero.
func (c *clock) arm(t time.Time) error {
	c.armed = t
	select {
	case <-c.times:
	default:
	}
	c.times <- t
	return nil
}

// run looks at the clock again and again. A timer stands still while the machine sleeps.
func (c *clock) run() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var until time.Time
	last := time.Now().Round(0)
	for {
		var timer <-chan time.Time
		if !until.IsZero() {
			timer = time.After(max(time.Until(until.Round(0)), 0))
		}
		select {
		case until = <-c.times:
			continue
		case <-timer:
		case <-tick.C:
		}
		now := time.Now().Round(0)
		switch gap := now.Sub(last); {
		case gap > 2*lookEvery:
			c.events <- resumed
		case gap < 0:
			c.events <- stepped
		}
		last = now
		if !until.IsZero() && !now.Before(until) {
			until = time.Time{}
			c.events <- expired
		}
	}
}
