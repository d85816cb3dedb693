package message

import (
	"io"
	"strings"
	"testing"
)

// metered returns what a Meter finds in s, written in pieces of n octets.
func metered(s string, n int) Stats {
	m := NewMeter(io.Discard)
	for len(s) > 0 {
		k := min(n, len(s))
		io.WriteString(m, s[:k])
		s = s[k:]
	}
	return m.Stats()
}

func TestMeter(t *testing.T) {
	var rising, falling strings.Builder
	for n := range 300 {
		rising.WriteString(strings.Repeat("x", n) + "\n")
		falling.WriteString(strings.Repeat("x", 300-n) + "\n")
	}
	even := strings.Repeat(strings.Repeat("x", 76)+"\n", 100)
	tests := []string{
		"", "\n", "a", "a\n", "\n\n\n", "a\n\nbc", even, even[1:], even + "y" + even, even + even[:76] + "yy",
		rising.String(), falling.String(), falling.String() + rising.String(), rising.String() + strings.Repeat("x", 1000),
		strings.Repeat("x", 998) + "\n" + even, strings.Repeat("\n", 999) + "a", strings.Repeat("x", 5000),
	}
	for at := range 130 {
		tests = append(tests, strings.Repeat("x", at)+"\xe4"+strings.Repeat("y", 129-at))
	}
	for _, s := range tests {
		for _, n := range []int{1, 2, 63, 64, 100, 1000, 1 << 20} {
			if got, want := metered(s, n), measured(s); got != want {
				t.Errorf("%.40q (%d octets) in pieces of %d: %+v, want %+v", s, len(s), n, got, want)
			}
		}
	}
}

// FuzzMeter checks that a Meter finds the same, whatever the pieces.
func FuzzMeter(f *testing.F) {
	f.Add("a\n\nlonger\nx", 3, 50)
	f.Add("0123456789\n01234\n", 7, 100)
	f.Add("caf\xe9\n", 1, 30)
	f.Fuzz(func(t *testing.T, s string, n, times int) {
		s = strings.Repeat(s, 1+max(0, min(times, 1<<14/(len(s)+1)))) + s
		if got, want := metered(s, max(1, n)), measured(s); got != want {
			t.Fatalf("%.80q in pieces of %d: %+v, want %+v", s, n, got, want)
		}
	})
}
