package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Files are opened here and not by os.OpenFile, which registers each one with the runtime's
// poller in case somebody waits for it. That costs five system calls for each file and a thread
// for the first one, over a tenth of a whole submission. Nobody waits for a file of the queue.

// euid is the effective user ID. Nothing in this program changes it.
var euid = uint32(os.Geteuid())

// openFile opens a file or directory. flag must not have O_NONBLOCK.
func openFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	fd, err := openFD(path, flag, mode)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

func openFD(path string, flag int, mode fs.FileMode) (int, error) {
	for {
		fd, err := syscall.Open(path, flag|syscall.O_CLOEXEC, uint32(mode.Perm()))
		switch err {
		case nil:
			return fd, nil
		case syscall.EINTR:
		default:
			return -1, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// openOurs opens a regular file of ours that has no other name.
func openOurs(path string, flag int) (*os.File, error) {
	fd, err := openRegular(path, flag, new(syscall.Stat_t))
	if err != nil {
		return nil, err
	}
	syscall.SetNonblock(fd, false) // or the poller would take it
	return os.NewFile(uintptr(fd), path), nil
}

// openRegular opens, as hostile input, a regular file of ours that has no other name, and returns
// what fstat says of it.
func openRegular(path string, flag int, st *syscall.Stat_t) (int, error) {
	if flag&syscall.O_ACCMODE == syscall.O_RDONLY {
		flag |= syscall.O_NONBLOCK // a FIFO would wait for its writer; opened for both it does not
	}
	fd, err := openFD(path, flag|syscall.O_NOFOLLOW, 0)
	switch {
	case errors.Is(err, syscall.ELOOP):
		return -1, fmt.Errorf("%w: %s is a symbolic link", ErrDamaged, path)
	case errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.EISDIR):
		return -1, fmt.Errorf("%w: %s is not a regular file", ErrDamaged, path)
	}
	if err != nil {
		return -1, err
	}
	switch err = fstat(fd, st); {
	case err != nil:
		err = &fs.PathError{Op: "stat", Path: path, Err: err}
	case st.Mode&syscall.S_IFMT != syscall.S_IFREG:
		err = fmt.Errorf("%w: %s is not a regular file", ErrDamaged, path)
	case st.Uid != euid:
		err = fmt.Errorf("%w: %s belongs to user %d", ErrDamaged, path, st.Uid)
	case st.Nlink > 1:
		err = fmt.Errorf("%w: %s has another name (a hard link)", ErrDamaged, path)
	}
	if err != nil {
		syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func fstat(fd int, st *syscall.Stat_t) error {
	for {
		if err := syscall.Fstat(fd, st); err != syscall.EINTR {
			return err
		}
	}
}

func lstat(path string, st *syscall.Stat_t) error {
	for {
		switch err := syscall.Lstat(path, st); err {
		case nil:
			return nil
		case syscall.EINTR:
		default:
			return &fs.PathError{Op: "lstat", Path: path, Err: err}
		}
	}
}

// readAt reads from the start of a file until b is full or the file ends, and returns the number
// of octets.
func readAt(fd int, b []byte) (int, error) {
	n := 0
	for n < len(b) {
		m, err := syscall.Pread(fd, b[n:], int64(n))
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
