package smtp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// onWire returns content as DATA sends it, read in pieces of n octets.
func onWire(content string, n int) string {
	var out bytes.Buffer
	var e encoder
	w := newWire(&out, nil)
	e.begin(true)
	for p := content; len(p) > 0; {
		k := min(n, len(p))
		w.content(&e, []byte(p[:k]))
		p = p[k:]
	}
	endOnWire(w, &e)
	w.flush()
	return out.String()
}

// endOnWire completes the last line of a content and sends the final dot.
func endOnWire(w *wire, e *encoder) {
	w.room(grown(3))
	w.buf = e.end(w.buf)
	w.command(".")
}

func TestWire(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{"", ".\r\n"},
		{"a", "a\r\n.\r\n"},
		{"a\n", "a\r\n.\r\n"},
		{"a\r\n", "a\r\n.\r\n"},
		{"a\r", "a\r\n.\r\n"},
		{"\n\n", "\r\n\r\n.\r\n"},
		{"\r\r\n\n", "\r\n\r\n\r\n.\r\n"},
		{".", "..\r\n.\r\n"},
		{".\n", "..\r\n.\r\n"},
		{"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r.\n\rb", "a\r\n..\r\n\r\nb\r\n.\r\n"},
		{"a\n..b\n", "a\r\n...b\r\n.\r\n"},
		{"a\x00.\xff\n", "a\x00.\xff\r\n.\r\n"},
	} {
		for n := 1; n < 4; n++ {
			if got := onWire(c.content, n); got != c.want {
				t.Errorf("%q in pieces of %d: %q, want %q", c.content, n, got, c.want)
			}
		}
	}
}

// TestWireBuffer puts every kind of line end across the border of the buffer.
func TestWireBuffer(t *testing.T) {
	for _, tail := range []string{"\n.\n", "\r.\r", "\r\n.\r\n", "\r\r.", "\n\n..", "."} {
		for n := wireSize - 8; n < wireSize+2; n++ {
			content := strings.Repeat("x", n) + tail + "y"
			if got, want := onWire(content, wireSize), canonical(content); got != want {
				t.Errorf("%d octets and %q: %q", n, tail, got[n-1:])
			}
		}
	}
}

// canonical does what the wire must do, in the simplest way.
func canonical(content string) string {
	content = strings.ReplaceAll(content, "\r\n", "\n")
	content = strings.ReplaceAll(content, "\r", "\n")
	lines := strings.SplitAfter(content, "\n")
	var b strings.Builder
	for _, line := range lines {
		if line == "" {
			continue
		}
		if line[0] == '.' {
			b.WriteByte('.')
		}
		b.WriteString(strings.TrimSuffix(line, "\n") + "\r\n")
	}
	return b.String() + ".\r\n"
}

// FuzzWire: the wire form has no CR or LF but CRLF, has exactly one end of data for every reader,
// and is the same for every division of the content.
func FuzzWire(f *testing.F) {
	for _, s := range []string{"a\n.\nb", "\r.\r", ".", "\r\n.\r\n", "\n.\r\n", "a\r\n\r.\n", strings.Repeat("..\r", 100)} {
		f.Add(s, 1)
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, content string, n int) {
		got := onWire(content, max(1, min(n, 1<<16)))
		if want := canonical(content); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
		if left := strings.ReplaceAll(got, "\r\n", ""); strings.ContainsAny(left, "\r\n") {
			t.Fatalf("bare CR or LF in %q", got)
		}
		if end := strings.Index("\r\n"+got, "\r\n.\r\n"); end != len(got)-3 {
			t.Fatalf("end of data at %d of %q", end, got)
		}
	})
}

// TestWireCommand: one command is one line, or nothing.
func TestWireCommand(t *testing.T) {
	for _, line := range []string{"NOOP\r\nQUIT", "NOOP\n", "NOOP\r", "NOOP\x00"} {
		var out bytes.Buffer
		w := newWire(&out, nil)
		if err := w.command(line); err == nil || w.flush() != nil || out.Len() > 0 {
			t.Errorf("%q: %v, %q", line, err, out.String())
		}
	}
}

// TestWireError: nothing more is written after an error.
func TestWireError(t *testing.T) {
	w := newWire(failWriter{}, nil)
	var e encoder
	e.begin(true)
	if err := w.content(&e, []byte(strings.Repeat("x\n", wireSize))); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if err := w.flush(); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

type failWriter struct{}

func (failWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func BenchmarkWire(b *testing.B) {
	text := []byte(strings.Repeat("A line of text as mail has them, of about seventy octets or so, no more.\n.\n", 1000))
	w := newWire(io.Discard, nil)
	var e encoder
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		e.begin(true)
		w.content(&e, text)
		endOnWire(w, &e)
		w.flush()
	}
}
