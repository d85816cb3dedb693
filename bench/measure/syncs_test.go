//go:build linux

package main

import (
	"math"
	"testing"
)

// The output of strace with -f -ttt -T: three calls side by side, one of them uninterrupted, and
// one after them.
const sideBySide = `12 100.000000 fsync(3 <unfinished ...>
13 100.001000 fdatasync(4 <unfinished ...>
14 100.002000 fsync(5)                   = 0 (DELAYED) <0.010000>
12 100.030000 <... fsync resumed>)       = 0 (DELAYED) <0.030000>
13 100.031000 <... fdatasync resumed>)   = 0 (DELAYED) <0.030000>
12 100.040000 fsync(3)                   = 0 (DELAYED) <0.010000>
12 100.060000 +++ exited with 0 +++
`

func TestTrace(t *testing.T) {
	calls := parseTrace(sideBySide)
	want := []call{{100.002, 100.012}, {100, 100.03}, {100.001, 100.031}, {100.04, 100.05}}
	if len(calls) != len(want) {
		t.Fatalf("%v", calls)
	}
	for i, c := range calls {
		if math.Abs(c.begin-want[i].begin)+math.Abs(c.end-want[i].end) > 1e-5 {
			t.Errorf("%d: %v, want %v", i, c, want[i])
		}
	}
	if n := serial(calls); n != 2 {
		t.Errorf("%d one after the other", n)
	}
	if calls := parseTrace("strace: Process 13 attached\n\nnonsense\n12 100.0 <... fsync resumed>) = 0 <0.1>\n"); len(calls) != 0 {
		t.Error(calls)
	}
}

func TestSerial(t *testing.T) {
	for _, c := range []struct {
		calls []call
		want  int
	}{
		{nil, 0},
		{[]call{{1, 2}}, 1},
		{[]call{{3, 4}, {1, 2}, {2, 3}}, 3},
		{[]call{{1, 4}, {2, 5}, {3, 6}}, 1},
		// the middle one overlaps both, and they do not overlap each other
		{[]call{{1, 3}, {2, 5}, {4, 6}}, 2},
		{[]call{{1, 10}, {2, 3}, {4, 5}, {6, 7}}, 3},
	} {
		if got := serial(c.calls); got != c.want {
			t.Errorf("%v: %d, want %d", c.calls, got, c.want)
		}
	}
}
