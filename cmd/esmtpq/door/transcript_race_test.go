//go:build linux

package door

import (
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The directory of a transcript, and the transcript itself, are exchanged for links again and again:
// what they lead to is never opened.
func TestTranscriptIsExchanged(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(dir+"/logs", 0o700))
	must(os.Mkdir(dir+"/victim", 0o700))
	must(os.WriteFile(dir+"/victim/log", nil, 0o600))
	must(os.Symlink("victim", dir+"/to-dir"))
	must(os.Symlink("../victim/log", dir+"/logs/to-file"))
	must(os.WriteFile(dir+"/logs/log", nil, 0o600))
	victim, err := os.Stat(dir + "/victim/log")
	must(err)
	if fd, err := openUnlinked(dir+"/to-dir/log", os.O_RDONLY, 0); err == nil {
		unix.Close(fd)
		t.Skip("this kernel follows links in directories")
	}
	end := time.Now().Add(500 * time.Millisecond)
	var attacker sync.WaitGroup
	attacker.Go(func() {
		exchange := func(a, b string) {
			unix.Renameat2(unix.AT_FDCWD, dir+a, unix.AT_FDCWD, dir+b, unix.RENAME_EXCHANGE)
		}
		for time.Now().Before(end) {
			exchange("/logs", "/to-dir")
			exchange("/logs", "/to-dir")
			exchange("/logs/log", "/logs/to-file")
			exchange("/logs/log", "/logs/to-file")
		}
	})
	opened := 0
	for time.Now().Before(end) {
		f, _, err := openTranscript(dir + "/logs/log")
		if err != nil {
			continue
		}
		opened++
		if st, err := f.Stat(); err != nil || os.SameFile(st, victim) {
			t.Errorf("%v was opened (%v)", st, err)
		}
		f.Close()
	}
	attacker.Wait()
	t.Logf("opened %d times", opened)
}
