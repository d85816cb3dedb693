package spool

import (
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Somebody who can write to the home exchanges the queue directory again and again, for another
// directory of its owner's and for a link to it: that one is neither changed nor written to, and what
// was accepted is in the queue.
func TestQueueDirectoryIsExchanged(t *testing.T) {
	if euid == 0 {
		t.Skip("root refuses such a home")
	}
	home := t.TempDir()
	at := func(name string) string { return home + "/" + name }
	if err := os.Chmod(home, 0o777); err != nil {
		t.Fatal(err)
	}
	first := openQueue(t, at("queue"))
	if err := os.Mkdir(at("other"), 0o755); err != nil {
		t.Fatal(err)
	}
	os.Chmod(at("other"), 0o755)
	if err := os.Symlink("other", at("link")); err != nil {
		t.Fatal(err)
	}
	limit := time.Second
	if *long {
		limit = 20 * time.Second
	}
	end := time.Now().Add(limit)
	swaps := 0
	var attacker sync.WaitGroup
	attacker.Go(func() {
		for ; time.Now().Before(end); swaps++ {
			with := at("other")
			if swaps%4 < 2 {
				with = at("link")
			}
			unix.Renameat2(unix.AT_FDCWD, at("queue"), unix.AT_FDCWD, with, unix.RENAME_EXCHANGE)
		}
	})
	accepted, refused := 0, 0
	for time.Now().Before(end) {
		q, err := OpenOrCreate(at("queue"))
		if err != nil {
			refused++
			continue
		}
		w, err := q.NewWriter()
		if err == nil {
			w.Write([]byte(hello))
			_, err = w.Commit(envelopeFor("a@example.com"))
		}
		if err == nil {
			accepted++
		} else {
			t.Errorf("in the directory that was opened: %v", err)
		}
		q.Close()
	}
	attacker.Wait()
	if swaps%4 == 1 || swaps%4 == 3 { // the last exchange has not been undone
		with := at("other")
		if swaps%4 == 1 {
			with = at("link")
		}
		unix.Renameat2(unix.AT_FDCWD, at("queue"), unix.AT_FDCWD, with, unix.RENAME_EXCHANGE)
	}
	if l, err := first.List(); err != nil || len(l.IDs) != accepted {
		t.Errorf("%d accepted, %d there (%v)", accepted, len(l.IDs), err)
	}
	if st, err := os.Stat(at("other")); err != nil || st.Mode() != os.ModeDir|0o755 {
		t.Errorf("the other directory: %v, %v", st.Mode(), err)
	}
	wantNames(t, at("other"))
	t.Logf("%d exchanges; %d accepted, %d refused", swaps, accepted, refused)
}
