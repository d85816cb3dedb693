package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

// normalised does what CopyBody has to do, in the simple way.
func normalised(s string) string {
	s = regexp.MustCompile("\r*\n").ReplaceAllString(s, "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return s
}

// measured finds what a Meter has to find, in the simple way.
func measured(s string) Stats {
	stats := Stats{Size: int64(len(s)), Lines: int64(strings.Count(s, "\n"))}
	for line := range strings.SplitSeq(s, "\n") {
		stats.MaxLine = max(stats.MaxLine, int64(len(line)))
	}
	for _, c := range []byte(s) {
		stats.EightBit = stats.EightBit || c > 127
	}
	return stats
}

// copyBody copies and measures a body, which Copy and a Meter do for a whole message.
func copyBody(w io.Writer, br *bufio.Reader) (Stats, error) {
	m := NewMeter(w)
	err := newCopier(m).copy(br)
	return m.Stats(), err
}

func copied(t testing.TB, r io.Reader) (string, Stats) {
	t.Helper()
	var b strings.Builder
	stats, err := copyBody(&b, bufio.NewReader(r))
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), stats
}

func TestCopyBody(t *testing.T) {
	x := strings.Repeat("x", bufferSize/2)
	tests := []string{
		"", "a", "a\n", "\n", "a\r\n", "\r", "\r\r\n\r", "\n\r", "a\rb\r\nc\nd",
		".\n..\nFrom x\n", "\x00\r\x00\xff", "\r\n.\r\n", "\n.\r\n", "\r.\r",
		x + x, x + x[1:], x + x[1:] + "\r", x + x[1:] + "\r\n", x + x + "\r\nab", x + x[1:] + "\r\r\n",
		x + x[1:] + "\r\ra", x + x[1:] + "\r\r", x + strings.Repeat("\r", 3*bufferSize) + "\n", x + strings.Repeat("\r", 3*bufferSize) + "a",
		"\r\r\na\r\r\r\nb\r\rc\r\r", strings.Repeat("ab\r\r\n", bufferSize/2+1),
		x[1:] + "\r\n", x + "\r\n" + x + "\r\n", strings.Repeat(x, 9), strings.Repeat("\r\n", 3*bufferSize/4),
		strings.Repeat("\r", 2*bufferSize+1), strings.Repeat("ab\r\nc\r", 3<<14), x + "\xe4\n",
	}
	for _, in := range tests {
		for how, r := range map[string]io.Reader{
			"whole":    strings.NewReader(in),
			"by half":  iotest.HalfReader(strings.NewReader(in)),
			"data+EOF": iotest.DataErrReader(strings.NewReader(in)),
		} {
			got, stats := copied(t, r)
			want := normalised(in)
			if got != want {
				t.Errorf("%.40q (%d octets), %s: %.40q (%d octets), want %d", in, len(in), how, got, len(got), len(want))
			}
			if stats != measured(want) {
				t.Errorf("%.40q (%d octets), %s: %+v, want %+v", in, len(in), how, stats, measured(want))
			}
		}
	}
}

func TestCopyBodyErrors(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader("a\r"), iotest.ErrReader(broken))
	if _, err := copyBody(io.Discard, bufio.NewReader(r)); err != broken {
		t.Errorf("reading: %v", err)
	}
	_, w := io.Pipe()
	w.CloseWithError(broken)
	for _, n := range []int{1, bufferSize, 5 * bufferSize} {
		in := strings.Repeat("x", n)
		if _, err := copyBody(w, bufio.NewReader(strings.NewReader(in))); err == nil {
			t.Errorf("writing %d octets: no error", n)
		}
	}
	if _, err := copyBody(io.Discard, bufio.NewReader(idle{})); err != io.ErrNoProgress {
		t.Errorf("a reader that does nothing: %v", err)
	}
}

// idle is a reader that returns nothing and no error.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestCopy(t *testing.T) {
	wide := "X-Wide: " + strings.Repeat("x", bufferSize) + "\r\n"
	tests := []struct{ in, want string }{
		{"A: 1\r\n\r\nbody", "A: 1\n\nbody\n"},
		{"A: 1", "A: 1\n\n"},
		{"text", "\ntext\n"},
		{"", "\n"},
		{"A: 1\nearly body\n", "A: 1\n\nearly body\n"},
		{"A: \xe4\n\n\r", "A: \xe4\n\n\n"},
		{wide + "\r\nbody", normalised(wide) + "\nbody\n"},
	}
	for _, tt := range tests {
		h, br := readString(t, tt.in)
		var b strings.Builder
		m := NewMeter(&b)
		err := Copy(m, h, br)
		stats := m.Stats()
		if err != nil || b.String() != tt.want || stats != measured(tt.want) {
			t.Errorf("Copy of %.40q: %.40q, %+v, %v; want %.40q, %+v", tt.in, b.String(), stats, err, tt.want, measured(tt.want))
		}
	}
}

func TestUntilDot(t *testing.T) {
	tests := []struct{ in, want string }{
		{"a\n.\nb\n", "a\n"},
		{".\n", ""},
		{".", ""},
		{"a\n.", "a\n"},
		{"a\r\n.\r\nb", "a\r\n"},
		{"a\n..\n.b\n \n.\n", "a\n..\n.b\n \n"},
		{"a.\nb .\n", "a.\nb .\n"},
		{"no end", "no end"},
		{"", ""},
		{strings.Repeat("x", 4096) + ".\n.\n", strings.Repeat("x", 4096) + ".\n"},
		{strings.Repeat("x", 4095) + "\n.\n", strings.Repeat("x", 4095) + "\n"},
	}
	for _, tt := range tests {
		for how, r := range map[string]io.Reader{
			"whole":    UntilDot(strings.NewReader(tt.in)),
			"by octet": iotest.OneByteReader(UntilDot(iotest.OneByteReader(strings.NewReader(tt.in)))),
		} {
			if got, err := io.ReadAll(r); err != nil || string(got) != tt.want {
				t.Errorf("%.40q, %s: %.40q, %v; want %.40q", tt.in, how, got, err, tt.want)
			}
		}
	}
	broken := errors.New("broken")
	r := UntilDot(io.MultiReader(strings.NewReader("a\n."), iotest.ErrReader(broken)))
	if _, err := io.ReadAll(r); err != broken {
		t.Errorf("an input that fails: %v", err)
	}
}

// Nothing behind the dot is waited for: that is where a person stops typing.
func TestUntilDotDoesNotWait(t *testing.T) {
	r := io.MultiReader(strings.NewReader("a\n.\n"), iotest.ErrReader(errors.New("asked for more")))
	if got, err := io.ReadAll(UntilDot(r)); err != nil || string(got) != "a\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWithHeader(t *testing.T) {
	tests := []struct{ in, want string }{
		{"A: 1\n\nbody\n", "A: 1\nSender: a@b\n\nbody\n"},
		{"Sender: somebody@else.example,\n x\nA: 1\nSender: y\n\nbody\n", "Sender: a@b\nA: 1\n\nbody\n"},
		{"\nbody\n", "Sender: a@b\n\nbody\n"},
		{"\n", "Sender: a@b\n\n"},
		{"A: 1\n\n" + strings.Repeat("body\n", 1<<14), "A: 1\nSender: a@b\n\n" + strings.Repeat("body\n", 1<<14)},
		{"A: 1\n", "A: 1\nSender: a@b\n\n"},
		{"text\n", "Sender: a@b\n\ntext\n"},
	}
	for _, tt := range tests {
		r, size, lines, err := WithHeader(strings.NewReader(tt.in), func(h *Header) error { return h.SetSender("a@b") })
		if err != nil {
			t.Errorf("%.40q: %v", tt.in, err)
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != tt.want {
			t.Errorf("%.40q: %.60q, %v; want %.60q", tt.in, got, err, tt.want)
		}
		before, after := measured(tt.in), measured(string(got))
		if size != after.Size-before.Size || lines != after.Lines-before.Lines {
			t.Errorf("%.40q: longer by %d octets and %d lines; want %d, %d", tt.in, size, lines, after.Size-before.Size, after.Lines-before.Lines)
		}
	}
	if _, _, _, err := WithHeader(strings.NewReader("A: 1\n\n"), func(h *Header) error { return h.SetSender("a@b\n") }); err == nil {
		t.Error("a sender with a line end was taken")
	}
}

func FuzzCopyBody(f *testing.F) {
	f.Add([]byte("a\r\nb\rc\n\r"), 3)
	f.Add([]byte(".\r\n\x00\xff"), 1)
	f.Add([]byte(""), 0)
	f.Fuzz(func(t *testing.T, piece []byte, n int) {
		// The piece is repeated, so that the end of the buffer cuts it everywhere.
		in := bytes.Repeat(piece, 1+max(0, min(n, 2*bufferSize/(len(piece)+1))))
		got, stats := copied(t, bytes.NewReader(in))
		if want := normalised(string(in)); got != want || stats != measured(want) {
			t.Fatalf("%.80q: %.80q, %+v; want %.80q, %+v", in, got, stats, want, measured(want))
		}
		if again, _ := copied(t, strings.NewReader(got)); again != got {
			t.Fatalf("%.80q: %.80q is not stable", in, got)
		}
	})
}

func BenchmarkCopyBody(b *testing.B) {
	line := strings.Repeat("x", 70)
	for name, in := range map[string]string{
		"LF":   strings.Repeat(line+"\n", 1<<14),
		"CRLF": strings.Repeat(line+"\r\n", 1<<14),
	} {
		b.Run(name, func(b *testing.B) {
			br := bufio.NewReader(nil)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				br.Reset(strings.NewReader(in))
				if _, err := copyBody(io.Discard, br); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
