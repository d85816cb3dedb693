package spool

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// A directory that others could once open, as esmtp-wrapper made it, can be held locked by one of
// them for ever. That keeps no run waiting.
func TestLockThatOthersCannotHold(t *testing.T) {
	for name, hold := range map[string]func(dir string) (*os.File, error){
		"the directory": os.Open,
		"a lock that everybody could read": func(dir string) (*os.File, error) {
			os.WriteFile(dir+"/.lock", nil, 0o644)
			return os.Open(dir + "/.lock")
		},
		"a lock with a second name": func(dir string) (*os.File, error) {
			os.WriteFile(dir+"/.lock", nil, 0o600)
			os.Link(dir+"/.lock", dir+"/../second")
			return os.Open(dir + "/../second")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir() + "/queue"
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			held, err := hold(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			q, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			if waited, err := q.LockRun(ctx, nil, nil); waited || err != nil {
				t.Fatalf("waited: %v, %v", waited, err)
			}
			if !q.Running() {
				t.Error("no run is going on")
			}
			second := again(t, q)
			soon, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			if _, err := second.LockRun(soon, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a second run: %v", err)
			}
			q.UnlockRun()
			if q.Running() {
				t.Error("a run is still going on")
			}
		})
	}
}

// In a home that others can write to, anything can stand in the place of the queue.
func TestHomeThatOthersCanWriteTo(t *testing.T) {
	for _, test := range []struct {
		mode  os.FileMode
		queue os.FileMode
		fails bool // for an ordinary user; for root, whenever the home is shared
		root  bool
	}{
		{0o755, 0o755, false, false},
		{0o777 | os.ModeSticky, 0o755, false, false},
		{0o775, 0o700, false, true},
		{0o775, 0o755, true, true},
		{0o777, 0o777, true, true},
	} {
		home := t.TempDir()
		dir := home + "/queue"
		os.Mkdir(dir, test.queue)
		os.Chmod(dir, test.queue)
		os.Chmod(home, test.mode)
		fails := test.fails
		if os.Geteuid() == 0 {
			fails = test.root
		}
		q, err := OpenOrCreate(dir)
		if (err != nil) != fails || err != nil && !errors.Is(err, ErrShared) {
			t.Errorf("home %v, queue %v: %v", test.mode, test.queue, err)
		}
		st, _ := os.Stat(dir)
		if err != nil && st.Mode().Perm() != test.queue {
			t.Errorf("home %v, queue %v: its mode is %v now", test.mode, test.queue, st.Mode())
		}
		if q != nil {
			q.Close()
		}
	}
}

// While somebody puts links and other things in the place of the queue directory, nothing happens to
// what they lead to.
func TestQueueThatIsExchanged(t *testing.T) {
	home, victim := t.TempDir(), t.TempDir()
	dir := home + "/queue"
	if err := os.Chmod(victim, 0o755); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			os.RemoveAll(dir)
			os.Symlink(victim, dir)
			os.Rename(dir, home+"/aside")
			os.Remove(home + "/aside")
		}
	}()
	tries := 0
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); tries++ {
		q, err := OpenOrCreate(dir)
		if err != nil {
			continue
		}
		if w, err := q.NewWriter(); err == nil {
			w.Commit(envelopeFor("a@example.com"))
		}
		q.Close()
	}
	close(stop)
	<-stopped
	if st, err := os.Stat(victim); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("after %d tries: %v, %v", tries, st.Mode(), err)
	}
	wantNames(t, victim)
}
