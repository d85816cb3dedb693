package relay

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// A stateDir is the directory of state that is kept from one run to the next. All of it can be
// lost without harm: a file that cannot be read counts as missing, and state that cannot be
// written is forgotten. "" keeps nothing.
type stateDir string

// maxState bounds a file of a stateDir, in octets.
const maxState = 256 << 10

// stateMu is held while a file is read, changed and written.
var stateMu sync.Mutex

// lockTime is how long to wait for another process that writes. Without the lock, at worst something is forgotten.
const lockTime = 200 * time.Millisecond

// lock keeps others from writing files between the reading of one and its writing, and returns what ends that: other
// goroutines, and other processes as long as they do not take too long.
func (d stateDir) lock() (unlock func()) {
	stateMu.Lock()
	if d == "" || d.make() != nil {
		return stateMu.Unlock
	}
	dir, err := os.OpenFile(string(d), os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return stateMu.Unlock
	}
	for until := time.Now().Add(lockTime); ; time.Sleep(lockTime / 100) {
		if syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil || time.Now().After(until) {
			return func() { dir.Close(); stateMu.Unlock() }
		}
	}
}

// make makes the directory.
func (d stateDir) make() error {
	if err := os.Mkdir(string(d), 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	return nil
}

// read reads a file into v. It leaves v alone unless the file can be trusted: a regular file of
// ours that nobody else has access to.
func (d stateDir) read(name string, v any) {
	if d == "" {
		return
	}
	f, err := os.OpenFile(filepath.Join(string(d), name), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Mode().Perm()&0o077 != 0 || st.Size() > maxState {
		return
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !ok || int(sys.Uid) != os.Geteuid() {
		return
	}
	text, err := io.ReadAll(io.LimitReader(f, maxState))
	if err == nil {
		json.Unmarshal(text, v)
	}
}

// write replaces a file as a whole. The file is not synced: if a crash leaves it empty, it cannot
// be read.
func (d stateDir) write(name string, v any) {
	if d == "" {
		return
	}
	text, err := json.Marshal(v)
	if err != nil || len(text) > maxState {
		return
	}
	if d.make() != nil {
		return
	}
	fresh := filepath.Join(string(d), name+".new")
	os.Remove(fresh) // left by a process that died
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_, err = f.Write(append(text, '\n'))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(fresh, filepath.Join(string(d), name))
	}
	if err != nil {
		os.Remove(fresh)
	}
}
