package spool

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// body returns content of n octets in lines.
func body(n int) string {
	return strings.Repeat("Line after line, until there are enough of them.\n", n/49+1)[:n-1] + "\n"
}

func TestContentOfAllSizesComesBack(t *testing.T) {
	q := newQueue(t)
	for _, n := range []int{1, 49, smallContent - 1, smallContent, smallContent + 1, 1 << 20} {
		for _, sender := range []string{"", "forced@example.org"} {
			content := "Subject: x\n\n" + body(n)
			m := read(t, q, commit(t, q, envelopeFor("a@example.com"), content))
			c, _, err := q.ContentFor(m, sender, nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // it can be opened again for another attempt
				got, err := readContent(c)
				if err != nil {
					t.Fatal(err)
				}
				if sender == "" && got != content {
					t.Errorf("%d octets: something else came back", n)
				}
				if sender != "" && (!strings.Contains(got, "Sender: "+sender+"\n") || !strings.HasSuffix(got, content[10:])) {
					t.Errorf("%d octets: no forced Sender, or more than that", n)
				}
				wire := strings.ReplaceAll(got, "\n", "\r\n")
				if c.Size() != int64(len(got)) || c.WireSize() != int64(len(wire)) {
					t.Errorf("%d octets, Sender %q: Size %d, WireSize %d; are %d and %d", n, sender, c.Size(), c.WireSize(), len(got), len(wire))
				}
			}
		}
	}
}

// A transport must never see the end of content that is not what was submitted.
func TestDamagedContentNeverEnds(t *testing.T) {
	const n = smallContent + 100<<10
	damage := map[string]func(t *testing.T, path string){
		"bit in the header":   func(t *testing.T, path string) { flipBit(t, path, 3) },
		"bit in the first kB": func(t *testing.T, path string) { flipBit(t, path, 1000) },
		"last bit":            func(t *testing.T, path string) { flipBit(t, path, n-1) },
		"cut while read":      func(t *testing.T, path string) { os.Truncate(path, n-1) },
		"emptied while read":  func(t *testing.T, path string) { os.Truncate(path, 0) },
		"replaced while read": func(t *testing.T, path string) { overwrite(t, path, n/2, "others' words") },
	}
	for name, do := range damage {
		for _, sender := range []string{"", "forced@example.org"} {
			t.Run(name+" "+sender, func(t *testing.T) {
				q := newQueue(t)
				id := commit(t, q, envelopeFor("a@example.com"), "Subject: x\n\n"+body(n-12))
				m := read(t, q, id)
				c, _, err := q.ContentFor(m, sender, nil)
				if err != nil {
					t.Fatal(err)
				}
				while := strings.HasSuffix(name, "while read")
				if !while {
					do(t, q.path(id+"/mail"))
				}
				r, err := c.Open()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				if while {
					do(t, q.path(id+"/mail"))
				}
				for range 3 { // the answer stays the same
					if _, err := io.Copy(io.Discard, struct{ io.Reader }{r}); !errors.Is(err, ErrDamaged) {
						t.Errorf("read to the end with %v", err)
					}
				}
			})
		}
	}
}

func TestContentThatChangedItsLengthDoesNotOpen(t *testing.T) {
	q := newQueue(t)
	for _, size := range []int64{0, smallContent, smallContent + 1<<20} {
		id := commit(t, q, envelopeFor("a@example.com"), body(smallContent+1))
		m := read(t, q, id)
		os.Truncate(q.path(id+"/mail"), size)
		if _, err := q.content(m); !errors.Is(err, ErrDamaged) {
			t.Errorf("with %d octets: %v", size, err)
		}
	}
}

// A file that grows while it is read is read up to its submitted length.
func TestContentThatGrowsWhileRead(t *testing.T) {
	q := newQueue(t)
	content := body(smallContent + 1)
	id := commit(t, q, envelopeFor("a@example.com"), content)
	c, err := q.content(read(t, q, id))
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	overwrite(t, q.path(id+"/mail"), int64(len(content)), "and more")
	if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, []byte(content)) {
		t.Errorf("read %d octets, %v", len(b), err)
	}
}
