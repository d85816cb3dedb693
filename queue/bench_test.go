package queue

import (
	"fmt"
	"testing"

	"esmtpq/queue/spool"
)

// The cost of a queue run that finds nothing to do.
func BenchmarkRunWithNothingDue(b *testing.B) {
	for _, n := range queueLengths() {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			q, h := filled(b, n), &fakeHost{}
			for b.Loop() {
				runQueue(b, q, one(h), RunOptions{})
			}
			if len(h.sent) > 0 {
				b.Fatal("something was due")
			}
		})
	}
}

// filled returns a queue with n messages, none of which is due. It syncs nothing.
func filled(b *testing.B, n int) *spool.Queue {
	q := newQueue(b)
	for i := range n {
		entryUnsynced(b, q, i)
	}
	return q
}

// queueLengths are the numbers of messages in the benchmarks. The longest queue takes minutes to
// fill.
func queueLengths() []int {
	if *long {
		return []int{100, 1_000, 10_000, 100_000}
	}
	return []int{100, 1_000, 10_000}
}
