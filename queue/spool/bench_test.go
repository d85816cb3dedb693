package spool

import (
	"fmt"
	"io"
	"testing"
	"time"
)

func BenchmarkSubmit(b *testing.B) {
	for _, size := range []int{2 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dkB", size>>10), func(b *testing.B) {
			q, content := newQueue(b), body(size)
			b.SetBytes(int64(size))
			for b.Loop() {
				commit(b, q, envelopeFor("a@example.com"), content)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("%d recipients", n), func(b *testing.B) {
			q := newQueue(b)
			var to []string
			for i := range n {
				to = append(to, fmt.Sprintf("recipient%d@example.com", i))
			}
			id := submit(b, q, to...)
			for b.Loop() {
				read(b, q, id)
			}
		})
	}
}

func BenchmarkContent(b *testing.B) {
	for _, size := range []int{2 << 10, 10 << 20} {
		b.Run(fmt.Sprintf("%dkB", size>>10), func(b *testing.B) {
			q := newQueue(b)
			m := read(b, q, commit(b, q, envelopeFor("a@example.com"), body(size)))
			b.SetBytes(int64(size))
			for b.Loop() {
				c, err := q.content(m)
				if err != nil {
					b.Fatal(err)
				}
				r, err := c.Open()
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}

// filled returns a queue with n messages, none of which is due. It syncs nothing.
func filled(b *testing.B, n int) *Queue {
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

func BenchmarkList(b *testing.B) {
	for _, n := range queueLengths() {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			q := filled(b, n)
			for b.Loop() {
				l, err := q.List()
				if err != nil || len(l.IDs) != n {
					b.Fatal(len(l.IDs), err)
				}
			}
		})
	}
}

func BenchmarkRecord(b *testing.B) {
	q := newQueue(b)
	id := submit(b, q, "a@example.com", "b@example.com")
	e, err := q.OpenEntry(id)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	unsure := []Report{replyLost} // synced, and not the end of it
	for b.Loop() {
		if err := e.record(&Attempt{Recipients: []int{0}, Reports: unsure}, time.Now()); err != nil {
			b.Fatal(err)
		}
		e.marked[0] = true
	}
}
