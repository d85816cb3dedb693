package spool

import (
	"fmt"
	"testing"
)

// The cost of counting a queue: only the names are read.
func BenchmarkCount(b *testing.B) {
	for _, n := range queueLengths() {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			q := filled(b, n)
			for b.Loop() {
				if got, err := q.Count(); got != n || err != nil {
					b.Fatal(got, err)
				}
			}
		})
	}
}

// The cost of listing a queue: every envelope is read.
func BenchmarkReadEach(b *testing.B) {
	for _, n := range queueLengths() {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			q := filled(b, n)
			for b.Loop() {
				l, err := q.List()
				if err != nil {
					b.Fatal(err)
				}
				read := 0
				q.ReadEach(l.IDs, func(_ string, _ *Message, err error) {
					if err != nil {
						b.Fatal(err)
					}
					read++
				})
				if read != n {
					b.Fatalf("%d of %d envelopes were read", read, n)
				}
			}
		})
	}
}
