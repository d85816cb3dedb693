package spool

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

func TestRetryMakesFailedOnesPending(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com", "b@example.com", "c@example.com")
	setLetters(t, q, id, "frf")
	if pending, err := q.Retry(id); err != nil || !pending {
		t.Fatal(pending, err)
	}
	if got := letters(read(t, q, id)); got != "drd" {
		t.Errorf("became %q", got)
	}
}

func TestRemoveTakesWhatCannotBeRead(t *testing.T) {
	for name, spoil := range map[string]func(dir string){
		"whole":       func(dir string) {},
		"no envelope": func(dir string) { os.Remove(dir + "/envelope") },
		"damaged":     func(dir string) { os.Truncate(dir+"/envelope", 3) },
		"extra file":  func(dir string) { os.WriteFile(dir+"/note", nil, 0o600) },
		"empty":       func(dir string) { os.Remove(dir + "/envelope"); os.Remove(dir + "/mail") },
	} {
		q := newQueue(t)
		id, other := submit(t, q, "a@example.com"), submit(t, q, "a@example.com")
		spoil(q.Dir + "/" + id)
		if err := q.Remove(id); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantNames(t, q.Dir, other)
	}
}

func TestRemoveTakesNothingElse(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	os.WriteFile(q.Dir+"/../bystander", nil, 0o600)
	for _, name := range []string{"", ".", "..", "../bystander", id + "/", id + "/mail", "./" + id, newPrefix + "x", wakeupFile, "0000000000000000"} {
		if err := q.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Remove(%q): %v", name, err)
		}
	}
	wantNames(t, q.Dir+"/..", "bystander", "queue")
	read(t, q, id)
}

// An entry that is removed between open and lock is gone for the next process that gets the lock.
func TestLockOfAnEntryThatWasRemoved(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	e, err := q.OpenEntry(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Remove(id); !errors.Is(err, ErrBusy) {
		t.Errorf("removed while it is worked on: %v", err)
	}
	f, err := openOurs(q.path(id, "envelope"), os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e.Remove()
	e.Close()
	if _, err := q.lockEntry(id, f); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened: %v", err)
	}
}
