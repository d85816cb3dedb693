package spool

import (
	"os"
	"syscall"
	"testing"
)

func TestLastID(t *testing.T) {
	q := newQueue(t)
	if id := q.LastID(); id != "" {
		t.Errorf("of an empty queue: %q", id)
	}
	for range 2 {
		id := submit(t, q, "a@example.com")
		if q.NoteLast(id); q.LastID() != id {
			t.Errorf("%q, want %q", q.LastID(), id)
		}
	}
}

// A note that is not ours says nothing. One that cannot be written does not leave an older one.
func TestLastIDOfOthers(t *testing.T) {
	for what, plant := range map[string]func(path string) error{
		"link":   func(path string) error { return os.Symlink(path+"-target", path) },
		"FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"text":   func(path string) error { return os.WriteFile(path, []byte("0123456789abcdef\n"), 0o600) },
		"short":  func(path string) error { return os.WriteFile(path, []byte("0123"), 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		q := newQueue(t)
		path := q.Dir + "/" + lastFile
		os.WriteFile(path+"-target", []byte("0123456789ABCDEF\n"), 0o600)
		if err := plant(path); err != nil {
			t.Fatal(err)
		}
		if id := q.LastID(); id != "" {
			t.Errorf("%s: %q", what, id)
		}
		q.NoteLast("FEDCBA9876543210")
		if id := q.LastID(); id != "" && id != "FEDCBA9876543210" {
			t.Errorf("%s: then %q", what, id)
		}
		if b, _ := os.ReadFile(path + "-target"); string(b) != "0123456789ABCDEF\n" {
			t.Errorf("%s: written through: %q", what, b)
		}
	}
}
