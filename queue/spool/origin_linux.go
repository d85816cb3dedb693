package spool

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// birth returns when an open file was made, in nanoseconds, 0 where the file system is not known to keep that for
// good. It cannot be set, not even by root.
func (q *Queue) birth(fd int) uint64 {
	const bcachefs = 0xca451a4e
	switch q.fileSystem() {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC, bcachefs:
	default:
		return 0
	}
	var st unix.Statx_t
	err := uninterrupted(func() error {
		return unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_BTIME, &st)
	})
	if err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return uint64(st.Btime.Sec*1e9 + int64(st.Btime.Nsec))
}

// subvolume returns the number of the subvolume of btrfs that the queue is in. A snapshot has
// another one.
func (q *Queue) subvolume() []byte {
	if q.fileSystem() != unix.BTRFS_SUPER_MAGIC {
		return nil
	}
	const (
		call   = 0x81f8943c // BTRFS_IOC_GET_SUBVOL_INFO, since Linux 4.18
		uuidAt = 8 + 256 + 4*8
	)
	var info [504]byte
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(q.fd), call, uintptr(unsafe.Pointer(&info))); errno != 0 {
		return nil
	}
	return info[uuidAt : uuidAt+16]
}

func hostID() string { return "" }
