package queue

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// A sendmail that died before the name of the queue directory was durable leaves it with mode 0500.
func TestOpenSettlesAQueueDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	if err := os.Mkdir(dir, unsettled); err != nil {
		t.Fatal(err)
	}
	q, err := OpenOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", st.Mode(), err)
	}
}

// What a dead run has left of .parked goes; .parked itself, and what is not ours, stays.
func TestRunSweepsWhatItsPredecessorLeft(t *testing.T) {
	q, err := OpenOrCreate(filepath.Join(t.TempDir(), "queue"))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for _, name := range []string{"..parked1234567", "..agenda1234567", ".parked", ".parked-notes"} {
		if err := os.WriteFile(filepath.Join(q.Dir, name), []byte("{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.Run(context.Background(), nil, RunOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"..parked1234567": false, "..agenda1234567": false, ".parked": true, ".parked-notes": true} {
		if _, err := os.Lstat(filepath.Join(q.Dir, name)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", name, err, want)
		}
	}
}
