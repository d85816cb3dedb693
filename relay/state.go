package relay

import (
	"encoding/json"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A StateDir opens the directory of state that is kept from one run to the next, and makes it first if
// it is asked to. All of that can be lost without harm: a file that cannot be read counts as missing,
// and state that cannot be written is forgotten. nil keeps nothing.
type StateDir func(create bool) (*os.File, error)

// maxState bounds a file of a StateDir, in octets.
const maxState = 256 << 10

// stateMu is held while a file is read, changed and written.
var stateMu sync.Mutex

// lockTime is how long to wait for another process that writes. Without the lock, at worst something is forgotten.
var lockTime = 200 * time.Millisecond

// open opens the directory; nil if there is none.
func (d StateDir) open(create bool) *os.File {
	if d == nil {
		return nil
	}
	dir, err := d(create)
	if err != nil {
		return nil
	}
	return dir
}

// lock keeps others from writing files between the reading of one and its writing, and returns what ends that: other
// goroutines, and other processes as long as they do not take too long.
func (d StateDir) lock() (unlock func()) {
	stateMu.Lock()
	dir := d.open(true)
	if dir == nil {
		return stateMu.Unlock
	}
	for until := time.Now().Add(lockTime); ; time.Sleep(lockTime / 100) {
		if syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil || time.Now().After(until) {
			return func() { dir.Close(); stateMu.Unlock() }
		}
	}
}

// openIn opens a file in a directory.
func openIn(dir *os.File, name string, flag int) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, flag|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// read reads a file into v. It leaves v alone unless the file can be trusted: a regular file of
// ours that nobody else has access to.
func (d StateDir) read(name string, v any) {
	dir := d.open(false)
	if dir == nil {
		return
	}
	defer dir.Close()
	f, err := openIn(dir, name, os.O_RDONLY)
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
func (d StateDir) write(name string, v any) {
	text, err := json.Marshal(v)
	if err != nil || len(text) > maxState {
		return
	}
	dir := d.open(true)
	if dir == nil {
		return
	}
	defer dir.Close()
	at, fresh := int(dir.Fd()), name+".new"
	unix.Unlinkat(at, fresh, 0) // left by a process that died
	f, err := openIn(dir, fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return
	}
	_, err = f.Write(append(text, '\n'))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = unix.Renameat(at, fresh, at, name)
	}
	if err != nil {
		unix.Unlinkat(at, fresh, 0)
	}
}
