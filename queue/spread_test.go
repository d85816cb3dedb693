package queue

import (
	"testing"
	"time"
)

// A delay changes by up to a quarter either way, depending on the draw.
func TestSpread(t *testing.T) {
	for _, test := range []struct {
		draw func(n int64) int64
		want time.Duration
	}{
		{func(int64) int64 { return 0 }, 45 * time.Minute},
		{func(n int64) int64 { return n / 2 }, time.Hour},
		{func(n int64) int64 { return n }, 75 * time.Minute},
	} {
		if got := Spread(time.Hour, test.draw); got != test.want {
			t.Errorf("an hour is spread to %v, want %v", got, test.want)
		}
	}
}
