package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// putBack brings an entry out of the way, lets something happen, and puts a copy of it back.
func putBack(t *testing.T, q *Queue, id string, meanwhile func()) {
	t.Helper()
	backup := t.TempDir() + "/backup"
	run := func(args ...string) {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	run("cp", "-a", q.path(id), backup)
	meanwhile()
	run("cp", "-a", backup, q.path(id))
}

// send has every recipient of an entry served, and removes it.
func send(t *testing.T, q *Queue, ids ...string) {
	t.Helper()
	var all []Attempt
	for _, id := range ids {
		e, err := q.OpenEntry(id)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, attempt(e, taken)...)
	}
	for i, err := range q.RecordAll(all, time.Now()) {
		if err == nil {
			err = all[i].Entry.Remove()
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// homeless is a queue on a file system that says nothing of where an entry was made.
func homeless(q *Queue) *Queue {
	q.asked, q.kind = true, 1
	return elsewhereMachine(q, "")
}

// What has left the queue and comes back is held, whichever way it left, also where a file system
// does not tell when a file was made; and its owner can have it sent once more.
func TestWhatWasSentIsRemembered(t *testing.T) {
	for name, leave := range map[string]func(q *Queue, id string){
		"sent": func(q *Queue, id string) { send(t, q, id) },
		"sent together": func(q *Queue, id string) {
			send(t, q, id, submit(t, q, "b@example.com"), submit(t, q, "c@example.com"))
		},
		"swept": func(q *Queue, id string) {
			os.Rename(q.path(id), q.path(sentPrefix+id))
			sweep(t, q)
		},
		"removed": func(q *Queue, id string) {
			if err := q.Remove(id); err != nil {
				t.Error(err)
			}
		},
		"removed unreadable": func(q *Queue, id string) {
			os.WriteFile(q.path(id+"/envelope"), nil, 0o600)
			if err := q.Remove(id); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := homeless(newQueue(t))
			id := submit(t, q, "a@example.com")
			putBack(t, q, id, func() { leave(q, id) })
			for _, reader := range []*Queue{q, homeless(again(t, q))} {
				m, err := reader.Read(id)
				if err != nil || !m.Held || !strings.Contains(m.Foreign, "put back") || !strings.Contains(m.Foreign, name[:4]) && name != "swept" {
					t.Fatalf("put back: %+v, %v", m, err)
				}
			}
			if err := q.SetHeld(id, false); err != nil {
				t.Fatal(err)
			}
			for _, reader := range []*Queue{q, homeless(again(t, q))} {
				if m, err := reader.Read(id); err != nil || m.Held || m.Foreign != "" {
					t.Fatalf("released: %+v, %v", m, err)
				}
			}
			putBack(t, q, id, func() { send(t, q, id) })
			if m, err := homeless(again(t, q)).Read(id); err != nil || !m.Held {
				t.Errorf("sent once more, and put back: %+v, %v", m, err)
			}
		})
	}
}

// The file survives what crashes and people do to it: lines around the damage still count, and what
// is no such file is replaced.
func TestMemoryThatIsDamaged(t *testing.T) {
	for name, spoil := range map[string]func(path string, b []byte) error{
		"untouched": func(string, []byte) error { return nil },
		"torn":      func(path string, b []byte) error { return os.WriteFile(path, append(b, b[:sentLine/2]...), 0o600) },
		"begins torn": func(path string, b []byte) error {
			return os.WriteFile(path, append(b[sentLine/2:sentLine:sentLine], b...), 0o600)
		},
		"zeros": func(path string, b []byte) error {
			return os.WriteFile(path, append(b, make([]byte, 3*sentLine)...), 0o600)
		},
		"closed":   func(path string, _ []byte) error { return os.Chmod(path, 0) },
		"readable": func(path string, _ []byte) error { return os.Chmod(path, 0o644) },
		"very long": func(path string, b []byte) error {
			return os.WriteFile(path, append(make([]byte, 3*maxSent), b...), 0o600)
		},
		"has an old one": func(path string, b []byte) error {
			return errors.Join(os.WriteFile(path+".old", b, 0o600), os.Remove(path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := homeless(newQueue(t))
			first, second := submit(t, q, "a@example.com"), submit(t, q, "a@example.com")
			putBack(t, q, first, func() { send(t, q, first) })
			b, err := os.ReadFile(q.path(sentFile))
			if err != nil || len(b) != sentLine {
				t.Fatalf("%q, %v", b, err)
			}
			if err := spoil(q.path(sentFile), b); err != nil {
				t.Fatal(err)
			}
			q = homeless(again(t, q))
			putBack(t, q, second, func() { send(t, q, second) })
			for _, id := range []string{first, second} {
				if m, err := homeless(again(t, q)).Read(id); err != nil || !m.Held {
					t.Errorf("%s: %+v, %v", id, m, err)
				}
			}
		})
	}
	for name, plant := range map[string]func(path string) error{
		"link":      func(path string) error { return os.Symlink("../victim", path) },
		"hard link": func(path string) error { return os.Link(filepath.Dir(path)+"/../victim", path) },
		"FIFO":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.MkdirAll(path+"/x", 0o700) },
		"garbage":   func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("x"), 10_000), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			q := homeless(newQueue(t))
			os.WriteFile(q.path("../victim"), []byte("victim"), 0o600)
			if err := plant(q.path(sentFile)); err != nil {
				t.Fatal(err)
			}
			id := submit(t, q, "a@example.com")
			sweep(t, q)
			putBack(t, q, id, func() { send(t, q, id) })
			if m, err := homeless(again(t, q)).Read(id); err != nil || !m.Held {
				t.Errorf("%+v, %v", m, err)
			}
			if b, _ := os.ReadFile(q.path("../victim")); string(b) != "victim" {
				t.Errorf("the file that it led to: %q", b)
			}
		})
	}
}

// A new file is begun when the first line is old, and when the file is long. The one before counts.
func TestMemoryIsBounded(t *testing.T) {
	q := homeless(newQueue(t))
	path, older := q.path(sentFile), q.path(olderSentFile)
	line := func(n int, at time.Time) []byte {
		return appendSentLine(nil, IDText(uint64(n)), departure{uint32(at.Unix()), 0, wasSent})
	}
	for _, c := range []struct {
		what string
		text []byte
		turn bool
	}{
		{"young", line(1, time.Now().Add(-29*24*time.Hour)), false},
		{"old", line(1, time.Now().Add(-31*24*time.Hour)), true},
		{"torn, and young", append(line(1, time.Time{})[7:], line(1, time.Now())...), false},
		{"torn, and old", append(line(1, time.Now())[7:], line(1, time.Now().Add(-31*24*time.Hour))...), true},
		{"long", bytes.Repeat(line(1, time.Now()), maxSent/sentLine+1), true},
		{"of the future", line(1, time.Now().Add(1000*time.Hour)), false},
		{"garbage", bytes.Repeat([]byte("x"), 100), false},
	} {
		os.Remove(older)
		if err := os.WriteFile(path, c.text, 0o600); err != nil {
			t.Fatal(err)
		}
		sweep(t, q)
		_, err := os.Stat(older)
		if (err == nil) != c.turn {
			t.Errorf("%s: a new file was begun: %v", c.what, err == nil)
		}
		if _, known, err := homeless(again(t, q)).departed(IDText(1)); !known && c.what != "garbage" || err != nil {
			t.Errorf("%s: forgotten (%v)", c.what, err)
		}
	}
}

// Lines that find no room are written when there is some.
func TestMemoryWithoutRoom(t *testing.T) {
	q := homeless(newQueue(t))
	id := submit(t, q, "a@example.com")
	putBack(t, q, id, func() {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip("there is no /dev/full here")
		}
		q.memory.f = full
		send(t, q, id)
		if err := q.SyncMemory(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("without room: %v", err)
		}
		q.memory.f = nil
	})
	if err := q.SyncMemory(); err != nil {
		t.Error(err)
	}
	if m, err := homeless(again(t, q)).Read(id); err != nil || !m.Held {
		t.Errorf("%+v, %v", m, err)
	}
}

func BenchmarkReadMemory(b *testing.B) {
	q := homeless(newQueue(b))
	var text []byte
	for i := range maxSent / sentLine {
		text = appendSentLine(text, fmt.Sprintf("%016X", i<<8), departure{uint32(time.Now().Unix()), 1, wasSent})
	}
	if err := os.WriteFile(q.path(sentFile), text, 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if known, err := q.readMemory(); err != nil || len(known) != maxSent/sentLine {
			b.Fatal(len(known), err)
		}
	}
}
