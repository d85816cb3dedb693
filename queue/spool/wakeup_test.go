package spool

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOneSleeperAtATime(t *testing.T) {
	q := newQueue(t)
	first, err := q.TryWakeup()
	if err != nil || first == nil {
		t.Fatal(err)
	}
	for range 3 {
		if f, err := again(t, q).TryWakeup(); f != nil || err != nil {
			t.Errorf("a second one: %v, %v", f, err)
		}
	}
	first.Close()
	if f, err := q.TryWakeup(); f == nil || err != nil {
		t.Errorf("none after the first has gone: %v", err)
	} else {
		f.Close()
	}
	wantNames(t, q.Dir, wakeupFile)
}

func TestWakeupFileThatIsNot(t *testing.T) {
	for name, plant := range map[string]func(path string){
		"symbolic link": func(path string) { os.Symlink(filepath.Dir(filepath.Dir(path))+"/outside", path) },
		"directory":     func(path string) { os.Mkdir(path, 0o700) },
	} {
		q := newQueue(t)
		plant(q.Dir + "/" + wakeupFile)
		if f, err := q.TryWakeup(); err == nil {
			f.Close()
			t.Errorf("%s: taken for a lock", name)
		}
	}
}
