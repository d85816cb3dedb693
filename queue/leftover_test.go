package queue

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"esmtpq/queue/spool"
)

// Temporary files of .parked left by a dead run are removed; .parked itself and foreign files
// stay.
func TestRunSweepsWhatItsPredecessorLeft(t *testing.T) {
	q, err := spool.OpenOrCreate(filepath.Join(t.TempDir(), "queue"))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for _, name := range []string{"..parked1234567", "..agenda1234567", ".parked", ".parked-notes"} {
		if err := os.WriteFile(filepath.Join(q.Dir, name), []byte("{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Run(context.Background(), q, nil, RunOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"..parked1234567": false, "..agenda1234567": false, ".parked": true, ".parked-notes": true} {
		if _, err := os.Lstat(filepath.Join(q.Dir, name)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", name, err, want)
		}
	}
}
