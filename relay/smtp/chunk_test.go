package smtp

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// crlfLines is the wire form of a text, made in the obvious way.
func crlfLines(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r", "\n"), "\n", "\r\n")
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\r\n"
	}
	return s
}

// chunksOf cuts a content, and complains about faults in the chunks.
func chunksOf(t *testing.T, r io.Reader, size int64) (string, error) {
	t.Helper()
	var c chunker
	var all strings.Builder
	c.begin(r, size)
	for {
		chunk, last, err := c.next()
		if err != nil {
			return all.String(), err
		}
		if len(chunk) == 0 || len(chunk) > chunkSize {
			t.Fatalf("a chunk of %d octets", len(chunk))
		}
		all.Write(chunk)
		if last {
			if string(chunk) != "\r\n" {
				t.Fatalf("the last chunk is %q", chunk)
			}
			return all.String(), nil
		}
	}
}

func TestChunks(t *testing.T) {
	line := strings.Repeat("x", 79) + "\n"
	for _, text := range []string{
		"a", "a\n", "a\r\n", "\n", "\r", "\r\n", "\n\n.\n..\n", ".\r\n.\r\n", "a\rb\r", "a\r\r\nb\n\r",
		strings.Repeat(line, chunkSize/80), strings.Repeat(line, 5*chunkSize/80),
		strings.Repeat("\n", 3*chunkSize), strings.Repeat("\r", 3*chunkSize), strings.Repeat("x", 3*chunkSize),
	} {
		for name, r := range map[string]io.Reader{
			"": strings.NewReader(text), "one octet at a time": iotest.OneByteReader(strings.NewReader(text)),
			"with the end": iotest.DataErrReader(strings.NewReader(text)),
		} {
			want := crlfLines(text)
			if got, err := chunksOf(t, r, int64(len(want))); err != nil || got != want {
				t.Errorf("%.20q %s: %v, %d octets, want %d", text, name, err, len(got), len(want))
			}
		}
	}
}

// TestWrongChunks: content that has changed is never completed.
func TestWrongChunks(t *testing.T) {
	long := strings.Repeat("a line\n", chunkSize)
	for _, text := range []string{"", "a\n", long} {
		size := int64(len(crlfLines(text)))
		for _, wrong := range []int64{0, size - 1, size + 1} {
			if wrong == size && text != "" {
				continue
			}
			if _, err := chunksOf(t, strings.NewReader(text), wrong); !errors.Is(err, errSize) {
				t.Errorf("%d octets for %d: %v", size, wrong, err)
			}
		}
		damage := errors.New("damaged")
		if _, err := chunksOf(t, io.MultiReader(strings.NewReader(text), iotest.ErrReader(damage)), size); err != damage {
			t.Errorf("%d octets and damage: %v", size, err)
		}
	}
}

// FuzzChunks: chunks are the content as lines, whatever the blocks it is read in.
func FuzzChunks(f *testing.F) {
	f.Add("Subject: x\n\n.\ntext\r\n\r", 3)
	f.Add("\r\n\r\n", 1)
	f.Fuzz(func(t *testing.T, text string, block int) {
		var r io.Reader = strings.NewReader(text)
		if block > 0 {
			r = &blockReader{r, block}
		}
		want := crlfLines(text)
		got, err := chunksOf(t, r, int64(len(want)))
		if text == "" {
			if err != errSize {
				t.Errorf("nothing: %v", err)
			}
		} else if err != nil || got != want {
			t.Errorf("%q (%v), want %q", got, err, want)
		}
	})
}

// A blockReader gives a limited number of octets at a time.
type blockReader struct {
	r    io.Reader
	most int
}

func (b *blockReader) Read(p []byte) (int, error) { return b.r.Read(p[:min(len(p), b.most)]) }

// cut returns the chunks of a text.
func cut(t *testing.T, text string) []string {
	t.Helper()
	var c chunker
	c.begin(strings.NewReader(text), int64(len(crlfLines(text))))
	var all []string
	for {
		chunk, last, err := c.next()
		if err != nil {
			t.Fatalf("%.20q: %v", text, err)
		}
		if all = append(all, string(chunk)); last {
			return all
		}
	}
}

// The last chunk is the final CRLF and nothing else, whatever goes before it: a host that takes a
// lost connection for the end of a chunk has been given nothing of it that could be cut short.
func TestLastChunk(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"\n", []string{"\r\n"}},
		{"\r", []string{"\r\n"}},
		{"a", []string{"a", "\r\n"}},
		{"a\n", []string{"a", "\r\n"}},
		{"a\r\n\r\n", []string{"a\r\n", "\r\n"}},
		{"\n\n", []string{"\r\n", "\r\n"}},
		{".\n.\n", []string{".\r\n.", "\r\n"}},
	} {
		if got := cut(t, c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
	// At the border of a chunk, too, it is a chunk of its own, and no other is small without need.
	for n := chunkSize - 4*wireSize; n < chunkSize+4*wireSize; n += wireSize/2 - 1 {
		for _, end := range []string{"", "\n", "\r\n\n"} {
			chunks := cut(t, strings.Repeat("x", n)+end)
			if last := chunks[len(chunks)-1]; last != "\r\n" {
				t.Errorf("%d octets and %q: the last chunk is %.20q", n, end, last)
			}
			for _, chunk := range chunks[:len(chunks)-2] {
				if len(chunk) < chunkSize/2 {
					t.Errorf("%d octets and %q: a chunk of %d", n, end, len(chunk))
				}
			}
		}
	}
}
