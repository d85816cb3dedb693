package message

import (
	"io"
	"strings"
	"testing"
)

// The measures of every message, with lines of one length and of all lengths.
func BenchmarkMeter(b *testing.B) {
	var mixed strings.Builder
	for n := 0; mixed.Len() < 256<<10; n++ {
		mixed.WriteString(strings.Repeat("x", n*37%200) + "\n")
	}
	for name, text := range map[string]string{
		"even":   strings.Repeat(strings.Repeat("x", 70)+"\n", 3700),
		"mixed":  mixed.String(),
		"longer": strings.Repeat("x", 998) + "\n" + strings.Repeat(strings.Repeat("x", 500)+"\n", 520),
		"empty":  strings.Repeat("\n", 256<<10),
		"none":   strings.Repeat("x", 256<<10),
	} {
		b.Run(name, func(b *testing.B) {
			p := []byte(text)
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				NewMeter(io.Discard).Write(p)
			}
		})
	}
}
