package spool

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"esmtpq/message"
)

// lettersOf returns a content with lines of many lengths, in which no two blocks are the same.
func lettersOf(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		b.WriteString(strings.Repeat(string(rune('a'+i%26)), 1+i*7919%997))
		b.WriteByte('\n')
	}
	return b.Bytes()[:n]
}

// Whatever the size of a content and of the pieces it comes in, it is accepted as it was written,
// with its right measures.
func TestLargeContentIsWhatWasWritten(t *testing.T) {
	q := newQueue(t)
	for _, n := range []int{smallContent - 1, smallContent, smallContent + 1, smallContent + largeBlock, 2<<20 + 3, 2*writebackStep + 5} {
		content := lettersOf(n)
		for how, write := range map[string]func(*Writer) error{
			"whole":     func(w *Writer) error { _, err := w.Write(content); return err },
			"in pieces": func(w *Writer) error { return inPieces(w, content, 70_001) },
			"in blocks": func(w *Writer) error { return inBlocks(w, content, false) },
			"in both":   func(w *Writer) error { return inBlocks(w, content, true) },
			"by a copy": func(w *Writer) error {
				return message.Copy(w, &message.Header{}, bufio.NewReader(bytes.NewReader(content)))
			},
		} {
			w, err := q.NewWriter()
			if err != nil {
				t.Fatal(err)
			}
			if err := write(w); err != nil {
				t.Fatal(err)
			}
			id, err := w.Commit(envelopeFor("a@example.com"))
			if err != nil {
				t.Fatal(err)
			}
			want := content
			if how == "by a copy" {
				want = append([]byte{'\n'}, content...)
				if want[len(want)-1] != '\n' {
					want = append(want, '\n')
				}
			}
			got, err := os.ReadFile(q.path(id + "/mail"))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d octets %s: other content, %v", n, how, err)
			}
			meter := message.NewMeter(io.Discard)
			meter.Write(want)
			env, stats, sum := read(t, q, id).Envelope, meter.Stats(), sha256.Sum256(want)
			if (message.Stats{Size: env.Size, Lines: env.Lines, MaxLine: env.MaxLine, EightBit: env.EightBit}) != stats || env.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%d octets %s: measured %+v, want %+v", n, how, env, stats)
			}
			if err := q.Remove(id); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func inPieces(w *Writer, p []byte, n int) error {
	for len(p) > 0 {
		k := min(n, len(p))
		if _, err := w.Write(p[:k]); err != nil {
			return err
		}
		p = p[k:]
	}
	return nil
}

// inBlocks writes p in blocks and, if asked to, some of it in other ways in between.
func inBlocks(w *Writer, p []byte, mixed bool) error {
	block := make([]byte, 30_000)
	for i := 0; len(p) > 0; i++ {
		n := copy(block, p)
		p = p[n:]
		next, err := w.WriteBlock(block[:n])
		if err != nil {
			return err
		}
		// A block that was given away may be filled with anything.
		if &next[0] != &block[0] {
			block = next
		}
		if mixed && i%3 == 1 {
			n := min(len(p), 1000)
			if _, err := w.Write(p[:n]); err != nil {
				return err
			}
			p = p[n:]
			block = make([]byte, 50_000) // and the returned one is lost
		}
	}
	return nil
}

// A small message needs no goroutine, and no block besides the one that it came in.
func TestSmallContentIsWrittenInTurn(t *testing.T) {
	w, err := newQueue(t).NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	block := make([]byte, smallContent/4)
	for range 4 {
		next, err := w.WriteBlock(block)
		if err != nil || &next[0] != &block[0] || w.content.blocks != nil || w.pending != nil {
			t.Fatalf("another block, or a goroutine, or a buffer: %v", err)
		}
	}
	if next, err := w.WriteBlock(block); err != nil || len(next) != largeBlock || w.content.blocks == nil {
		t.Errorf("no large block, or no goroutine, once it is large: %v", err)
	}
}

// Content that cannot be written is not accepted later, and nothing keeps running.
func TestLargeContentGivenUp(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	q := newQueue(t)
	content := lettersOf(2 << 20)
	for name, act := range map[string]func(w *Writer) error{
		"aborted": func(w *Writer) error { return errors.New("aborted") },
		"the file fails": func(w *Writer) error {
			w.mail.Close()
			inPieces(w, content, 1000)
			_, err := w.Commit(envelopeFor("a@example.com"))
			return err
		},
		"the file fails for blocks": func(w *Writer) error {
			w.mail.Close()
			if inBlocks(w, content, false) == nil {
				return nil
			}
			_, err := w.Commit(envelopeFor("a@example.com"))
			return err
		},
		"only the envelope fails": func(w *Writer) error {
			_, err := w.Commit(&Envelope{})
			return err
		},
	} {
		w, err := q.NewWriter()
		if err != nil {
			t.Fatal(err)
		}
		if err := inBlocks(w, content, false); err != nil {
			t.Fatal(err)
		}
		if act(w) == nil {
			t.Errorf("%s: accepted", name)
		}
		w.Abort()
		wantNames(t, q.Dir)
	}
}

// The disk is told early of content that has been written, and nothing goes wrong if that is
// impossible.
func TestBeginWriteback(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := beginWriteback(w, 0, 1); err != nil {
		t.Errorf("a file that cannot be: %v", err)
	}
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteString("text")
	if err := beginWriteback(f, 0, 4); err != nil {
		t.Error(err)
	}
}
