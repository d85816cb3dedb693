// Package mutate tests the tests: it makes one deliberate fault at a time in the source and
// checks that the tests named with it fail.
//
//	go test ./tests/mutate                     each fault finds its place; three are made
//	go test -v ./tests/mutate -long            all are made, which takes some minutes
//	go test -v ./tests/mutate -long -run /queue
//
// The source is not touched: the go command is given a replacement for one file (-overlay).
package mutate

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A fault is a small change of the source after which a test must fail.
type fault struct {
	name     string // what is wrong then
	room     string // directory; the text may be in any file in it or below
	old, new string // the text, which occurs once in the room, and its replacement
	tests    []test // all of which must fail
}

// A test has a name, with subtests as in go test -run, and is in any package of a room.
type test struct{ room, name string }

func (f *fault) String() string { return f.room + "/" + strings.ReplaceAll(f.name, " ", "_") }

// site finds the one file that has the fault's text, and returns it with the fault.
func (f *fault) site(root string) (path string, changed []byte, err error) {
	found := 0
	err = eachFile(filepath.Join(root, f.room), false, func(file, text string) {
		if n := strings.Count(text, f.old); n > 0 {
			found += n
			path, changed = file, []byte(strings.Replace(text, f.old, f.new, 1))
		}
	})
	if err == nil && found != 1 {
		err = fmt.Errorf("%d times in %s, want once: %q", found, f.room, f.old)
	}
	return path, changed, err
}

// dir finds the directory of the package that has a test.
func (t *test) dir(root string) (string, error) {
	name, _, _ := strings.Cut(t.name, "/")
	dir := ""
	err := eachFile(filepath.Join(root, t.room), true, func(file, text string) {
		if strings.Contains(text, "\nfunc "+name+"(t *testing.T)") {
			dir = filepath.Dir(file)
		}
	})
	if err == nil && dir == "" {
		err = fmt.Errorf("no test %s in %s", name, t.room)
	}
	return dir, err
}

// eachFile calls f for each Go file in a directory or below, either test files or the others.
func eachFile(dir string, tests bool, f func(file, text string)) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		isTest := strings.HasSuffix(path, "_test.go")
		if err != nil || !strings.HasSuffix(path, ".go") || isTest != tests {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil {
			f(path, string(b))
		}
		return err
	})
}

// overlay writes a file that tells the go command to take changed in place of a file. dir is for
// the test's own files.
func overlay(dir, path string, changed []byte) (file string, err error) {
	replacement := filepath.Join(dir, "replacement.go")
	file = filepath.Join(dir, "overlay.json")
	b, err := json.Marshal(map[string]map[string]string{"Replace": {path: replacement}})
	if err == nil {
		err = os.WriteFile(replacement, changed, 0o600)
	}
	if err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	return file, err
}
