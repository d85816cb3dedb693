package queue

import (
	"math"
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	for _, c := range []struct{ waited, least, most time.Duration }{
		{-24 * time.Hour, 45 * time.Second, 75 * time.Second},
		{0, 45 * time.Second, 75 * time.Second},
		{10 * time.Minute, 450 * time.Second, 750 * time.Second},
		{time.Hour, 45 * time.Minute, 75 * time.Minute},
		{30 * 24 * time.Hour, 3 * time.Hour, 5 * time.Hour},
		{math.MaxInt64, 3 * time.Hour, 5 * time.Hour},
	} {
		for range 100 {
			for _, next := range []time.Time{nextAttempt(now.Add(-c.waited), now), nextIdentityAttempt(now.Add(-c.waited), now)} {
				if d := next.Sub(now); d < c.least || d > c.most {
					t.Fatalf("having waited %v, waits %v more", c.waited, d)
				}
				if due(next, now) || !due(next, next) || !due(next, now.Add(-24*time.Hour)) {
					t.Fatalf("having waited %v: due too early or too late", c.waited)
				}
			}
		}
	}
	if !due(time.Time{}, now) {
		t.Error("what has no time is not due")
	}
}
