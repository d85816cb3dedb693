package spool

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// syncData makes what was overwritten in place durable. The length of the file
// does not change, so its metadata need not go with it: no journal commit.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// beginWriteback tells the disk to begin with a part of a file, and does not wait for it. That
// makes nothing durable. Where it cannot be done, the sync at the end does all of it; but what the
// disk could not take must not be forgotten.
func beginWriteback(f *os.File, off, n int64) error {
	err := unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
	switch err {
	case syscall.EIO, syscall.ENOSPC, syscall.EDQUOT:
		return os.NewSyscallError("sync_file_range", err)
	}
	return nil
}
