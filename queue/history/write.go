package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// DirName is the name of the log in the queue directory.
const DirName = ".history"

// Bounds of the log, in octets: of one file, and of all.
const (
	maxFile  = 4 << 20
	maxTotal = 64 << 20
)

// A Log appends records. Its zero value with a Dir can be used; nothing is opened before the first
// record. A nil Log keeps nothing.
type Log struct {
	Dir string

	mu   sync.Mutex
	file *os.File
	name string // of file
	size int64
	torn bool  // the file ends within a line
	err  error // why the last record was not kept
}

// Append appends records, all by one call. An error means that they are lost, and nothing else: the
// disk may be full.
func (l *Log) Append(records ...Record) error {
	if l == nil || len(records) == 0 {
		return nil
	}
	b := make([]byte, 1, 512*len(records)+1)
	b[0] = '\n' // if it is needed
	for i := range records {
		b = records[i].appendLines(b)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = l.write(b, records[0].Time)
	return l.err
}

// Err returns why the last record was not kept; nil if it was.
func (l *Log) Err() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// write writes text behind a line end, which is left out where it is not needed.
func (l *Log) write(b []byte, now time.Time) error {
	if err := l.ready(now); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if !l.torn {
		b = b[1:]
	}
	n, err := l.file.Write(b)
	l.size += int64(n)
	if n > 0 {
		l.torn = n < len(b)
	}
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// ready makes file the one for records of a time.
func (l *Log) ready(now time.Time) error {
	day := now.UTC().Format(time.DateOnly)
	if l.file != nil && l.size < maxFile && dayOf(l.name) == day {
		return nil
	}
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
	if err := makeDir(l.Dir); err != nil {
		return err
	}
	all, err := segments(l.Dir)
	if err != nil {
		return err
	}
	name := day
	for _, s := range all { // in order
		if dayOf(s.name) == day {
			if name = s.name; s.size >= maxFile {
				name = segment{name: day, number: s.number + 1}.path()
			}
		}
	}
	return l.open(name)
}

// open opens a file of the log to append to, and finds out whether its last line is whole.
func (l *Log) open(name string) error {
	const flag = os.O_RDWR | os.O_APPEND | os.O_CREATE | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err := os.OpenFile(filepath.Join(l.Dir, name), flag, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.Name())
	}
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.name, l.size, l.torn = f, name, st.Size(), false
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, l.size-1); l.size > 0 && err == nil {
		l.torn = last[0] != '\n'
	}
	return nil
}

// makeDir makes the directory of the log, which must be one of ours.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err == nil || !errors.Is(err, os.ErrExist) {
		return err
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !st.IsDir() || ok && int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a directory of ours: move it away", dir)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}

// Close closes the log, which can be used again.
func (l *Log) Close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}

// Prune removes files that are older than keep, and the oldest beyond a total size. The age counts from
// the last day but this one that has a file: a clock that is wrong has to be wrong for two days.
func Prune(dir string, keep time.Duration, now time.Time) error {
	all, err := segments(dir)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	total, today := int64(0), now.UTC().Format(time.DateOnly)
	last := ""
	for _, s := range all {
		total += s.size
		if s.name != today {
			last = s.name
		}
	}
	before := ""
	if day, err := time.Parse(time.DateOnly, last); err == nil && keep > 0 {
		before = day.Add(-keep).Format(time.DateOnly)
	}
	var failed error
	for _, s := range all {
		if s.name >= before && total <= maxTotal {
			break
		}
		if s.name == today && total <= maxTotal+maxFile {
			break // it may be in use
		}
		total -= s.size
		if err := os.Remove(filepath.Join(dir, s.path())); err != nil {
			failed = err
		}
	}
	return failed
}

// Forget removes the whole log, for people who want none.
func Forget(dir string) error {
	all, err := segments(dir)
	if err != nil {
		return nil
	}
	for _, s := range all {
		os.Remove(filepath.Join(dir, s.path()))
	}
	return os.Remove(dir)
}
