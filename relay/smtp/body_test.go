package smtp

import (
	"bytes"
	"strings"
	"testing"
)

// encoded returns a content in its wire form, encoded in pieces of n octets.
func encoded(content string, dots bool, n int) string {
	var e encoder
	var out []byte
	e.begin(dots)
	for p := []byte(content); len(p) > 0; {
		k := min(n, len(p))
		before := len(out)
		out = e.encode(out, p[:k])
		if len(out)-before > grown(k) {
			return "more than was allowed for"
		}
		p = p[k:]
	}
	return string(e.end(out))
}

// wireForm does what the encoder must do, in the simplest way.
func wireForm(content string, dots bool) string {
	if dots {
		return strings.TrimSuffix(canonical(content), ".\r\n")
	}
	return crlfLines(content)
}

// Both framings have the same lines; dots are doubled only for DATA.
func TestEncoder(t *testing.T) {
	for _, c := range []struct{ content, bdat, data string }{
		{"", "", ""},
		{"a", "a\r\n", "a\r\n"},
		{"\r", "\r\n", "\r\n"},
		{"\r\n", "\r\n", "\r\n"},
		{"\n\r", "\r\n\r\n", "\r\n\r\n"},
		{"\r\r\n", "\r\n\r\n", "\r\n\r\n"},
		{".", ".\r\n", "..\r\n"},
		{"..\n.", "..\r\n.\r\n", "...\r\n..\r\n"},
		{"a.\n.b", "a.\r\n.b\r\n", "a.\r\n..b\r\n"},
		{"a\n.\n", "a\r\n.\r\n", "a\r\n..\r\n"},
		{"a\r.\r", "a\r\n.\r\n", "a\r\n..\r\n"},
		{"a\r.\nb\n\n.\r\n", "a\r\n.\r\nb\r\n\r\n.\r\n", "a\r\n..\r\nb\r\n\r\n..\r\n"},
		{"\x00\xff\v\f\u0085\n", "\x00\xff\v\f\u0085\r\n", "\x00\xff\v\f\u0085\r\n"},
	} {
		for n := 1; n < 5; n++ {
			if got := encoded(c.content, false, n); got != c.bdat {
				t.Errorf("%q for BDAT in pieces of %d: %q, want %q", c.content, n, got, c.bdat)
			}
			if got := encoded(c.content, true, n); got != c.data {
				t.Errorf("%q for DATA in pieces of %d: %q, want %q", c.content, n, got, c.data)
			}
		}
	}
}

// Every short text of the octets that matter to lines is encoded as by wireForm, however it is
// cut.
func TestEncoderSmall(t *testing.T) {
	const octets, most = "\r\n.x", 6
	text := make([]byte, 0, most)
	var all func()
	all = func() {
		for _, dots := range []bool{false, true} {
			want := wireForm(string(text), dots)
			for n := 1; n <= max(1, len(text)); n++ {
				if got := encoded(string(text), dots, n); got != want {
					t.Fatalf("%q, dots %v, in pieces of %d: %q, want %q", text, dots, n, got, want)
				}
			}
		}
		if len(text) == most {
			return
		}
		for i := range len(octets) {
			text = append(text, octets[i])
			all()
			text = text[:len(text)-1]
		}
	}
	all()
}

// An encoder appends, and nothing of a content is left for the next one.
func TestEncoderBegin(t *testing.T) {
	var e encoder
	for _, before := range []string{"", "x", "x\r", "x\n"} {
		for _, dots := range []bool{true, false} {
			e.begin(dots)
			e.encode(nil, []byte(before))
			e.begin(true)
			if got := e.end(e.encode([]byte("kept"), []byte("\n.x"))); string(got) != "kept\r\n..x\r\n" {
				t.Errorf("behind %q: %q", before, got)
			}
			e.begin(false)
			if got := e.end(e.encode(nil, []byte(".x"))); string(got) != ".x\r\n" {
				t.Errorf("behind %q: %q", before, got)
			}
		}
	}
}

// FuzzEncoder: a content becomes CRLF lines in both framings, whatever pieces it comes in, and no
// receiver can find an end in it.
func FuzzEncoder(f *testing.F) {
	for _, s := range []string{"a\n.\nb", "\r.\r", ".", "\r\n.\r\n", "\n.\r\n", "a\r\n\r.\n", strings.Repeat("..\r", 100), "\r\r\r\n"} {
		f.Add(s, 1)
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, content string, n int) {
		n = max(1, min(n, 1<<16))
		for _, dots := range []bool{false, true} {
			got := encoded(content, dots, n)
			if want := wireForm(content, dots); got != want {
				t.Fatalf("dots %v: %q, want %q", dots, got, want)
			}
			if left := strings.ReplaceAll(got, "\r\n", ""); strings.ContainsAny(left, "\r\n") {
				t.Fatalf("bare CR or LF in %q", got)
			}
			if dots && bytes.Contains([]byte("\r\n"+got), []byte("\r\n.\r\n")) {
				t.Fatalf("an end of data in %q", got)
			}
		}
	})
}
