package spool

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"
)

// openLarge returns a reader of a content that is too long to be kept in memory, and the path of
// its file.
func openLarge(t *testing.T, q *Queue, content string) (*verifyingReader, string) {
	t.Helper()
	id := commit(t, q, envelopeFor("a@example.com"), content)
	c, err := q.content(read(t, q, id))
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	return r.(*verifyingReader), q.path(id + "/mail")
}

// spoilt reads all blocks of r and overwrites each after use, as its next owner may.
func spoilt(r BlockReader) (string, error) {
	var all strings.Builder
	for {
		p, err := r.NextBlock()
		if err == io.EOF {
			return all.String(), nil
		}
		if err != nil {
			return all.String(), err
		}
		if len(p) == 0 {
			return "", errors.New("an empty block")
		}
		all.Write(p)
		clear(p)
	}
}

func TestCheckedContentComesInBlocks(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	q := newQueue(t)
	for _, n := range []int{smallContent + 1, 3 * readAheadBlock, 3*readAheadBlock + 1, 20*readAheadBlock - 1, 20 * readAheadBlock} {
		content := string(lettersOf(n))
		for how, readAll := range map[string]func(*verifyingReader) (string, error){
			"blocks": func(r *verifyingReader) (string, error) { return spoilt(r) },
			"octets": func(r *verifyingReader) (string, error) {
				b, err := io.ReadAll(iotest.HalfReader(r))
				return string(b), err
			},
			"both": func(r *verifyingReader) (string, error) {
				head := make([]byte, 1000)
				if _, err := io.ReadFull(r, head); err != nil {
					return "", err
				}
				rest, err := spoilt(r)
				return string(head) + rest, err
			},
		} {
			r, _ := openLarge(t, q, content)
			got, err := readAll(r)
			if err != nil || got != content {
				t.Errorf("%d octets by %s: %d came back, %v", n, how, len(got), err)
			}
			for range 2 {
				if _, err := r.NextBlock(); err != io.EOF {
					t.Errorf("behind the end: %v", err)
				}
			}
			r.Close()
		}
	}
}

// Whatever is wrong, and however far the reader reads ahead, there is no end of file.
func TestDamagedBlocksNeverEnd(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	q := newQueue(t)
	const n = 10 * readAheadBlock
	for name, damage := range map[string]func(path string){
		"first bit": func(path string) { flipBit(t, path, 0) },
		"last bit":  func(path string) { flipBit(t, path, n-1) },
		"cut":       func(path string) { os.Truncate(path, n-1) },
		"cut short": func(path string) { os.Truncate(path, readAheadBlock) },
		"emptied":   func(path string) { os.Truncate(path, 0) },
	} {
		r, path := openLarge(t, q, string(lettersOf(n)))
		damage(path)
		for range 3 {
			if got, err := spoilt(r); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: read %d octets to the end, %v", name, len(got), err)
			}
		}
		r.Close()
	}
}

// A reader that is closed in the middle leaves no goroutine, and returns nothing more.
func TestCheckedReaderClosedAnywhere(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	q := newQueue(t)
	const blocks = 10
	content := string(lettersOf(blocks * readAheadBlock))
	for before := range blocks + 2 {
		r, _ := openLarge(t, q, content)
		for range before {
			r.NextBlock()
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if got, err := io.ReadAll(r); before < blocks && err == nil {
			t.Errorf("closed behind %d blocks: read %d octets to an end", before, len(got))
		}
	}
}

// Close ends a read that another goroutine is in.
func TestCheckedReaderClosedMeanwhile(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	q := newQueue(t)
	content := lettersOf(10 * readAheadBlock)
	for range 20 {
		r, _ := openLarge(t, q, string(content))
		got := make(chan []byte)
		go func() {
			b, err := io.ReadAll(r)
			if err == nil && !bytes.Equal(b, content) {
				t.Error("other content, and no error")
			}
			got <- b
		}()
		r.Close()
		if b := <-got; !bytes.HasPrefix(content, b) {
			t.Error("other content")
		}
	}
}

// If only the header of a content is read, only its first block is read.
func TestCheckedReaderDoesNotRunAheadOfTheHeader(t *testing.T) {
	r, _ := openLarge(t, newQueue(t), string(lettersOf(10*readAheadBlock)))
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 4096)); err != nil || r.started {
		t.Errorf("a goroutine, or %v", err)
	}
	if _, err := io.ReadFull(r, make([]byte, readAheadBlock)); err != nil || !r.started {
		t.Errorf("no goroutine, or %v", err)
	}
}
