package spool

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another process holds a lock.
var ErrLocked = errors.New("locked by another process")

// tryLock takes an exclusive lock on an open file without waiting.
func tryLock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch err {
		case nil:
			return nil
		case syscall.EINTR:
		case syscall.EWOULDBLOCK:
			return ErrLocked
		default:
			return os.NewSyscallError("flock", err)
		}
	}
}

// lockAside locks a file that was just created, and returns a descriptor that keeps the lock when f
// is closed.
func lockAside(f *os.File) (fd int, err error) {
	if err := tryLock(f); err != nil {
		return -1, err
	}
	fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return fd, os.NewSyscallError("fcntl", err)
}

// openLock opens a file that is there only to be locked, and makes it if it is missing. Nobody else
// can ever have opened it, or he could keep us waiting: whatever it could be that was not made here,
// with access for us alone, is replaced. (For a moment that can leave two processes with a lock each.
// No message is sent twice for that, since each entry has a lock of its own.)
func (q *Queue) openLock(name string) (*os.File, error) {
	return q.openOrReplace(name, 0, func(st *syscall.Stat_t) bool {
		return st.Mode&^0o700 == syscall.S_IFREG && st.Uid == euid && st.Nlink == 1
	})
}

// openOrReplace opens a file, and makes it if it is missing, or is another than it should be.
func (q *Queue) openOrReplace(name string, more int, good func(st *syscall.Stat_t) bool) (*os.File, error) {
	flag := os.O_RDWR | os.O_CREATE | syscall.O_NOFOLLOW | more
	for range 3 {
		f, err := q.openRepaired(name, flag, 0o600)
		if err == nil {
			var st syscall.Stat_t
			if fstat(int(f.Fd()), &st) == nil && good(&st) {
				return f, nil
			}
			f.Close()
		}
		switch {
		case errors.Is(err, syscall.EROFS):
			return q.openOurs(name, os.O_RDONLY)
		case errors.Is(err, fs.ErrPermission) && errors.Is(q.makeReadable(name), ErrDamaged): // another's file
		case err != nil && !errors.Is(err, syscall.ELOOP) && !errors.Is(err, syscall.EISDIR):
			return nil, err
		}
		if err := q.putAway(name); err != nil {
			return nil, err
		}
	}
	return nil, q.failed("open", name, syscall.EEXIST)
}

// putAway removes what is in the way of a file. A directory with something in it gets a name under
// which mailq shows it.
func (q *Queue) putAway(name string) error {
	err := q.unlink(name)
	if err != nil {
		err = q.rmdir(name)
	}
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
		err = q.failed("rename", name, q.rename(name, "was"+name+"-"+hexadecimal(rand.Uint64(), 8)))
	}
	return err
}

// runFile is locked by the queue run.
const runFile = ".lock"

// ErrJoined says that another run sees to everything.
var ErrJoined = errors.New("left to another queue run")

// LockRun takes the lock of the queue run. It waits until a run in progress has ended, and
// reports whether there was one. The wait ends with ctx; or, if join is not nil, with ErrJoined as
// soon as join returns true, which is called again and again. LockRun polls, since flock takes no
// deadline, and a thread blocked in it could not be called back.
func (q *Queue) LockRun(ctx context.Context, waiting func(), join func() bool) (waited bool, err error) {
	lock, err := q.openLock(runFile)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrNotExist) {
		// There is no room even for an empty file. The directory can be locked, too.
		lock, err = q.open(".", os.O_RDONLY|syscall.O_DIRECTORY, 0)
	}
	if err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			lock.Close()
			return
		}
		q.run = lock
	}()
	pause := 5 * time.Millisecond
	for begin := time.Now(); ; waited = true {
		err := tryLock(lock)
		if !errors.Is(err, ErrLocked) {
			return waited, err
		}
		if join != nil && join() {
			return true, ErrJoined
		}
		if waiting != nil && time.Since(begin) > 200*time.Millisecond {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// UnlockRun lets the next queue run begin.
func (q *Queue) UnlockRun() { q.run.Close() }

// Running reports whether a queue run is going on.
func (q *Queue) Running() bool {
	f, err := q.openOurs(runFile, os.O_RDONLY)
	if err != nil {
		f, err = q.open(".", os.O_RDONLY|syscall.O_DIRECTORY, 0)
	}
	if err != nil {
		return false
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // should the close fail
	}
	return err == syscall.EWOULDBLOCK
}

// wakeupFile is locked by the one process that sleeps before a background run.
const wakeupFile = ".wakeup"

// TryWakeup takes the lock of the one background process that waits before a queue run. The lock
// belongs to the open file, and passes to a child with the file. TryWakeup returns nil and no
// error if another process holds the lock: that process has not yet looked at the queue, so it
// will see everything that is there now.
func (q *Queue) TryWakeup() (*os.File, error) { return q.tryOnly(wakeupFile) }

// tryOnly takes a lock that one process has at a time; nil and no error if another one has it.
func (q *Queue) tryOnly(name string) (*os.File, error) {
	f, err := q.openLock(name)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); err != nil {
		f.Close()
		if errors.Is(err, ErrLocked) {
			return nil, nil
		}
		return nil, err
	}
	return f, nil
}

// IsWakeup reports whether an open file is the one that TryWakeup locks.
func (q *Queue) IsWakeup(f *os.File) bool {
	var open syscall.Stat_t
	var named unix.Stat_t
	return fstat(int(f.Fd()), &open) == nil && q.lstat(wakeupFile, &named) == nil &&
		open.Ino == named.Ino && open.Dev == named.Dev
}
