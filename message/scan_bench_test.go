package message

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
)

// Headers and fields of all lengths must be read at the same speed.
func BenchmarkReadHeader(b *testing.B) {
	const field, folded = "X-Field: a value of some fifty octets, as most of them have\n", " a folded line of some fifty octets, as fields have them\n"
	for _, n := range []int{10, 1_000, 100_000} {
		for name, header := range map[string]string{
			"fields": strings.Repeat(field, n),
			"lines":  field + strings.Repeat(folded, n-1),
		} {
			b.Run(fmt.Sprintf("%d %s", n, name), func(b *testing.B) {
				br := bufio.NewReader(nil)
				b.SetBytes(int64(len(header)))
				for b.Loop() {
					br.Reset(strings.NewReader(header + "\nbody\n"))
					if _, err := ReadHeader(br); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
