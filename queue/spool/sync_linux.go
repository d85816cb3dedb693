package spool

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// syncData makes data durable that was overwritten in place. The length of the file does not
// change, so its metadata need not be written: there is no journal commit.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// beginWriteback tells the disk to begin with a part of a file, and does not wait for it. That
// makes nothing durable. If the system cannot do this, the sync at the end does everything; but
// an error of the disk must not be forgotten.
func beginWriteback(f *os.File, off, n int64) error {
	err := unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
	switch err {
	case syscall.EIO, syscall.ENOSPC, syscall.EDQUOT:
		return os.NewSyscallError("sync_file_range", err)
	}
	return nil
}

// repair makes a directory of ours accessible to us: a umask can remove even the owner's access. It
// follows no link. (fchmodat(2) without a flag would, and with a flag it needs Linux 6.6.)
func repair(dir int, name string) error {
	fd, err := openFD(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return syscall.Chmod("/proc/self/fd/"+strconv.Itoa(fd), unsettled)
}
