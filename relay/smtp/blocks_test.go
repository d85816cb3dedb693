package smtp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// A spoiler hands out blocks of a text, and overwrites each when the next is asked for.
type spoiler struct {
	text string
	n    int
	last []byte
	end  error
}

func (s *spoiler) Read([]byte) (int, error) { return 0, errors.New("a block was to be taken") }

func (s *spoiler) NextBlock() ([]byte, error) {
	for i := range s.last {
		s.last[i] = '\r'
	}
	if s.text == "" {
		return nil, s.end
	}
	n := min(s.n, len(s.text))
	s.last = []byte(s.text[:n])
	s.text = s.text[n:]
	return s.last, nil
}

func (s *spoiler) Close() error { return nil }

// Blocks that are handed out become the same chunks as content that is read.
func TestChunksOfBlocks(t *testing.T) {
	line := strings.Repeat("x", 79) + "\n"
	for _, text := range []string{
		"a", "\n", "a\r\nb\rc\n\n.", strings.Repeat(line, 5*chunkSize/80), strings.Repeat("\n", 3*chunkSize),
		strings.Repeat(line, 1000) + "\r" + strings.Repeat(line, 9000), strings.Repeat("x", 3*chunkSize),
	} {
		for _, n := range []int{1, wireSize - 1, 4*wireSize + 1, len(text)} {
			want := crlfLines(text)
			got, err := chunksOf(t, &spoiler{text: text, n: n, end: io.EOF}, int64(len(want)))
			if err != nil || got != want {
				t.Errorf("%.20q in blocks of %d: %v, %d octets, want %d", text, n, err, len(got), len(want))
			}
			damage := errors.New("damaged")
			if _, err := chunksOf(t, &spoiler{text: text, n: n, end: damage}, int64(len(want))); err != damage {
				t.Errorf("%.20q in blocks of %d, damaged: %v", text, n, err)
			}
		}
	}
}

// A reader has one buffer for all its contents; blocks are not copied.
func TestSource(t *testing.T) {
	var s blockSource
	s.begin(&spoiler{text: "text", n: 3, end: io.EOF})
	if p, err := s.next(); string(p) != "tex" || err != nil || s.buf != nil {
		t.Errorf("%q, %v", p, err)
	}
	s.begin(strings.NewReader("other"))
	if p, err := s.next(); string(p) != "other" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	if p, err := s.next(); len(p) > 0 || err != io.EOF {
		t.Errorf("%q, %v", p, err)
	}
}

// A chunk goes out behind its command, octet for octet, and in pieces of one size.
func TestWireChunk(t *testing.T) {
	for _, n := range []int{0, 1, wireSize - 9, wireSize - 8, wireSize - 7, wireSize, 3*wireSize - 8, 3 * wireSize, 8*wireSize + 1} {
		var out sizes
		w := newWire(&out, nil)
		chunk := make([]byte, n)
		for i := range chunk {
			chunk[i] = byte(i * 7 % 251)
		}
		w.command("BDAT X")
		w.addBytes(chunk)
		if w.gathered() != int64(8+n) {
			t.Errorf("%d octets: %d gathered", n, w.gathered())
		}
		w.command("RSET")
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		if want := "BDAT X\r\n" + string(chunk) + "RSET\r\n"; out.String() != want {
			t.Errorf("%d octets: something else was written", n)
		}
		for i, size := range out.all {
			if size > wireSize || size < wireSize && i < len(out.all)-1 {
				t.Errorf("%d octets: written in %v", n, out.all)
			}
		}
	}
	w := newWire(failWriter{}, nil)
	w.addBytes(make([]byte, 5*wireSize))
	if err := w.flush(); !errors.Is(err, io.ErrClosedPipe) || w.tried != wireSize {
		t.Errorf("%v, behind %d octets", err, w.tried)
	}
}

// sizes keeps the written octets and the sizes of the writes.
type sizes struct {
	bytes.Buffer
	all []int
}

func (s *sizes) Write(p []byte) (int, error) {
	s.all = append(s.all, len(p))
	return s.Buffer.Write(p)
}
