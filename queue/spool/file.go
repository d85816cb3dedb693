package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Everything in the queue directory is reached from the directory's descriptor, so that it is in
// the directory that was checked, whatever its path leads to by then. Names are relative to it.
//
// Files are opened here and not by os.OpenFile, which registers each one with the runtime's
// poller in case somebody waits for it. That costs five system calls for each file and a thread
// for the first one, over a tenth of a whole submission. Nobody waits for a file of the queue.

// euid is the effective user ID. Nothing in this program changes it.
var euid = uint32(os.Geteuid())

// path returns a name in the queue directory as people know it.
func (q *Queue) path(name string) string { return q.Dir + "/" + name }

// failed describes an error of a call for a name in the queue directory.
func (q *Queue) failed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: q.path(name), Err: err}
}

// uninterrupted calls a function until it is not interrupted.
func uninterrupted(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

// openFD opens a file or directory, whose name is relative to a directory.
func openFD(dir int, name string, flag int, mode fs.FileMode) (fd int, err error) {
	err = uninterrupted(func() error {
		fd, err = unix.Openat(dir, name, flag|syscall.O_CLOEXEC, uint32(mode.Perm()))
		return err
	})
	return fd, err
}

// open opens a file or directory of the queue. flag must not have O_NONBLOCK.
func (q *Queue) open(name string, flag int, mode fs.FileMode) (*os.File, error) {
	fd, err := openFD(q.fd, name, flag, mode)
	if err != nil {
		return nil, q.failed("open", name, err)
	}
	return os.NewFile(uintptr(fd), q.path(name)), nil
}

// openRepaired opens a file or directory that this program makes. If it cannot be opened,
// openRepaired sets its mode first, since a umask can remove even the owner's access.
func (q *Queue) openRepaired(name string, flag int, mode fs.FileMode) (*os.File, error) {
	f, err := q.open(name, flag, mode)
	if errors.Is(err, fs.ErrPermission) && unix.Fchmodat(q.fd, name, uint32(mode), 0) == nil {
		return q.open(name, flag, mode)
	}
	return f, err
}

// openOurs opens a regular file of ours that has no other name.
func (q *Queue) openOurs(name string, flag int) (*os.File, error) {
	fd, err := q.openRegular(name, flag, new(syscall.Stat_t))
	if err != nil {
		return nil, err
	}
	syscall.SetNonblock(fd, false) // or the poller would take it
	return os.NewFile(uintptr(fd), q.path(name)), nil
}

// openRegular opens, as hostile input, a regular file of ours that has no other name, and returns
// what fstat says of it.
func (q *Queue) openRegular(name string, flag int, st *syscall.Stat_t) (int, error) {
	if flag&syscall.O_ACCMODE == syscall.O_RDONLY {
		flag |= syscall.O_NONBLOCK // a FIFO would wait for its writer; opened for both it does not
	}
	fd, err := openFD(q.fd, name, flag|syscall.O_NOFOLLOW, 0)
	switch err {
	case nil:
	case syscall.ELOOP:
		return -1, fmt.Errorf("%w: %s is a symbolic link", ErrDamaged, q.path(name))
	case syscall.ENXIO, syscall.EISDIR:
		return -1, fmt.Errorf("%w: %s is not a regular file", ErrDamaged, q.path(name))
	default:
		return -1, q.failed("open", name, err)
	}
	switch err = fstat(fd, st); {
	case err != nil:
		err = q.failed("stat", name, err)
	case st.Mode&syscall.S_IFMT != syscall.S_IFREG:
		err = fmt.Errorf("%w: %s is not a regular file", ErrDamaged, q.path(name))
	case st.Uid != euid:
		err = fmt.Errorf("%w: %s belongs to user %d", ErrDamaged, q.path(name), st.Uid)
	case st.Nlink > 1:
		err = fmt.Errorf("%w: %s has another name (a hard link)", ErrDamaged, q.path(name))
	}
	if err != nil {
		syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func fstat(fd int, st *syscall.Stat_t) error {
	return uninterrupted(func() error { return syscall.Fstat(fd, st) })
}

// lstat says what a name is, and follows no link.
func (q *Queue) lstat(name string, st *unix.Stat_t) error {
	return q.failed("lstat", name, uninterrupted(func() error {
		return unix.Fstatat(q.fd, name, st, unix.AT_SYMLINK_NOFOLLOW)
	}))
}

// exists reports whether a name is there.
func (q *Queue) exists(name string) bool { return q.lstat(name, new(unix.Stat_t)) == nil }

func (q *Queue) mkdir(name string, mode fs.FileMode) error {
	return q.failed("mkdir", name, uninterrupted(func() error { return unix.Mkdirat(q.fd, name, uint32(mode)) }))
}

// rename returns the bare error.
func (q *Queue) rename(from, to string) error {
	return uninterrupted(func() error { return unix.Renameat(q.fd, from, q.fd, to) })
}

// unlink removes a file. One that is not there is no error.
func (q *Queue) unlink(name string) error { return q.remove("unlink", name, 0) }

// rmdir removes an empty directory. One that is not there is no error.
func (q *Queue) rmdir(name string) error { return q.remove("rmdir", name, unix.AT_REMOVEDIR) }

func (q *Queue) remove(op, name string, flag int) error {
	err := uninterrupted(func() error { return unix.Unlinkat(q.fd, name, flag) })
	if err == syscall.ENOENT {
		return nil
	}
	return q.failed(op, name, err)
}

// removeAll removes whatever has a name, with everything below it.
func (q *Queue) removeAll(name string) error {
	err := q.unlink(name)
	if err == nil {
		return nil
	}
	var st unix.Stat_t
	if q.lstat(name, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return err
	}
	var below error
	q.makeOurs(name)
	err = q.names(name, func(child string) { below = errors.Join(below, q.removeAll(name+"/"+child)) })
	return errors.Join(below, err, q.rmdir(name))
}

// readAt reads from the start of a file until b is full or the file ends, and returns the number
// of octets.
func readAt(fd int, b []byte) (int, error) { return readFrom(fd, b, 0) }

// readFrom is readAt from an offset on.
func readFrom(fd int, b []byte, from int64) (int, error) {
	n := 0
	for n < len(b) {
		m, err := syscall.Pread(fd, b[n:], from+int64(n))
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return n, err
		case m == 0:
			return n, nil
		default:
			n += m
		}
	}
	return n, nil
}
