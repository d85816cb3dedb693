package spool

import (
	"os"
	"testing"
)

// What sessions leave is in the directory that was opened as the queue, whatever its path leads to by
// then; a link in its place is not followed, and others get no access.
func TestSessionsAreInTheQueueThatWasOpened(t *testing.T) {
	q := newQueue(t)
	other := t.TempDir()
	if err := os.Rename(q.Dir, q.Dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, q.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Sessions(false); !os.IsNotExist(err) {
		t.Errorf("without one: %v", err)
	}
	for range 2 {
		dir, err := q.Sessions(true)
		if err != nil {
			t.Fatal(err)
		}
		st, err := dir.Stat()
		if err != nil || st.Mode() != os.ModeDir|0o700 {
			t.Errorf("%v, %v", st.Mode(), err)
		}
		dir.Close()
		if _, err := os.Stat(q.Dir + "-moved/" + sessionsDir); err != nil {
			t.Error(err)
		}
		if err := os.Chmod(q.Dir+"-moved/"+sessionsDir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	wantNames(t, other)
	os.RemoveAll(q.Dir + "-moved/" + sessionsDir)
	if err := os.Symlink(other, q.Dir+"-moved/"+sessionsDir); err != nil {
		t.Fatal(err)
	}
	if dir, err := q.Sessions(true); err == nil {
		t.Errorf("%s was opened by a link", dir.Name())
	}
}

// An entry whose modes were taken away can be removed.
func TestRemoveWithoutModes(t *testing.T) {
	q := newQueue(t)
	for _, mode := range []os.FileMode{0, 0o500, 0o600} {
		id := submit(t, q, "a@example.com")
		if err := os.Chmod(q.path(id), mode); err != nil {
			t.Fatal(err)
		}
		if err := q.Remove(id); err != nil {
			t.Errorf("mode %v: %v", mode, err)
		}
		wantNames(t, q.Dir)
	}
}
