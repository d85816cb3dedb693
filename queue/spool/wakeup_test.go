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

// Whatever stands in the place of the file is put away: without the lock, nothing would be
// delivered in the background any more. What has a content is kept.
func TestWakeupFileThatIsNot(t *testing.T) {
	for name, plant := range map[string]func(path string){
		"dangling link":     func(path string) { os.Symlink(filepath.Dir(filepath.Dir(path))+"/outside", path) },
		"link":              func(path string) { os.Symlink(os.Args[0], path) },
		"link to directory": func(path string) { os.Symlink("/", path) },
		"directory":         func(path string) { os.Mkdir(path, 0o700) },
		"full directory":    func(path string) { os.MkdirAll(path+"/kept", 0o700) },
		"no access":         func(path string) { os.WriteFile(path, nil, 0) },
	} {
		q := newQueue(t)
		plant(q.Dir + "/" + wakeupFile)
		f, err := q.TryWakeup()
		if f == nil {
			t.Errorf("%s: no lock: %v", name, err)
			continue
		}
		if !q.IsWakeup(f) {
			t.Errorf("%s: locked something else", name)
		}
		if other, err := again(t, q).TryWakeup(); other != nil || err != nil {
			t.Errorf("%s: a second one: %v, %v", name, other, err)
		}
		f.Close()
		if _, err := os.Lstat(filepath.Dir(q.Dir) + "/outside"); err == nil {
			t.Errorf("%s: followed", name)
		}
		if kept, _ := filepath.Glob(q.Dir + "/was.wakeup-*/kept"); (len(kept) == 1) != (name == "full directory") {
			t.Errorf("%s: kept %q", name, kept)
		}
	}
}
