package door

import (
	"os"

	"golang.org/x/sys/unix"
)

// openUnlinked opens a file without following any symbolic link, in the directories of its path
// either. Before Linux 5.6, and where openat2 is forbidden, only the last name counts.
func openUnlinked(path string, flags int, mode os.FileMode) (int, error) {
	for {
		fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{
			Flags: uint64(flags), Mode: uint64(mode.Perm()), Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
		})
		switch err {
		case nil, unix.ELOOP, unix.EEXIST, unix.ENOENT, unix.EACCES, unix.EISDIR, unix.ENXIO, unix.ENOTDIR, unix.EROFS, unix.ENOSPC:
			return fd, err
		case unix.EINTR, unix.EAGAIN: // EAGAIN: something was renamed meanwhile
			continue
		}
		return unix.Open(path, flags, uint32(mode.Perm()))
	}
}
