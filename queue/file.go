package queue

import (
	"io/fs"
	"os"
	"syscall"
)

// openFile opens a file or directory as os.OpenFile does, but for what that does for files one can wait for: the
// runtime's poller is set up for the first of them, and asked about each, which costs a submission more than
// a dozen system calls and a thread. flag must not have O_NONBLOCK.
func openFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	for {
		fd, err := syscall.Open(path, flag|syscall.O_CLOEXEC, uint32(mode.Perm()))
		switch err {
		case nil:
			return os.NewFile(uintptr(fd), path), nil
		case syscall.EINTR:
		default:
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}
