package spool

import (
	"context"
	"errors"
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

// LockRun takes the lock of the queue run. It waits until a run in progress has ended, and
// reports whether there was one. The wait ends with ctx. LockRun polls, since flock takes no
// deadline, and a thread blocked in it could not be called back.
func (q *Queue) LockRun(ctx context.Context, waiting func()) (waited bool, err error) {
	pause := 5 * time.Millisecond
	for begin := time.Now(); ; waited = true {
		err := tryLock(q.dir)
		if !errors.Is(err, ErrLocked) {
			return waited, err
		}
		if waiting != nil && time.Since(begin) > time.Second {
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
func (q *Queue) UnlockRun() { syscall.Flock(int(q.dir.Fd()), syscall.LOCK_UN) }

// wakeupFile is locked by the one process that sleeps before a background run.
const wakeupFile = ".wakeup"

// TryWakeup takes the lock of the one background process that waits before a queue run. The lock
// belongs to the open file, and passes to a child with the file. TryWakeup returns nil and no
// error if another process holds the lock: that process has not yet looked at the queue, so it
// will see everything that is there now.
func (q *Queue) TryWakeup() (*os.File, error) {
	f, err := openRepaired(q.Dir+"/"+wakeupFile, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
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
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(q.Dir + "/" + wakeupFile)
	return err == nil && os.SameFile(open, named)
}
