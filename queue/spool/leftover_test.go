package spool

import (
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
