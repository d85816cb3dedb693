package spool

import "golang.org/x/sys/unix"

// fileSystem returns the type of the file system that the queue is on, 0 if it is not known.
func (q *Queue) fileSystem() int64 {
	if !q.asked {
		q.asked = true
		var st unix.Statfs_t
		if uninterrupted(func() error { return unix.Fstatfs(q.fd, &st) }) == nil {
			q.kind = int64(st.Type)
		}
	}
	return q.kind
}

// copiesOnWrite reports whether the file system may need room to overwrite what a file has.
func (q *Queue) copiesOnWrite() bool {
	const bcachefs, zfs = 0xca451a4e, 0x2fc12fc1
	switch q.fileSystem() {
	case unix.BTRFS_SUPER_MAGIC, unix.OVERLAYFS_SUPER_MAGIC, bcachefs, zfs:
		return true
	}
	return false
}

// syncsInTurn reports whether the files of an entry are synced one after the other, and their
// directory is not. On btrfs, two syncs at the same time wait for each other by the clock, unless the
// disk is known to be an SSD: the log that both need is written when no other has come for a tick. And
// the sync of a new file has the names in the log that lead to it, in directories that are new as well.
// On tmpfs, a sync does nothing, and threads for it would cost more than all else that is done there.
func (q *Queue) syncsInTurn() bool {
	switch q.fileSystem() {
	case unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}

// recordsByMemory reports whether several entries that are done are recorded by lines in the memory of
// what was sent, and not by new names. On btrfs, the sync of a directory writes down all that the renaming
// of directories has changed; that of one file is a small part of it.
func (q *Queue) recordsByMemory() bool { return q.fileSystem() == unix.BTRFS_SUPER_MAGIC }

const (
	getFlags = unix.FS_IOC_GETFLAGS
	setFlags = unix.FS_IOC_SETFLAGS
	noCOW    = 0x00800000 // FS_NOCOW_FL
)

// overwriteInPlace has the file system overwrite new files in place, if it can: then progress needs
// no room. Directories made in the queue from now on inherit this, and their files do. (Files that
// share their blocks with a snapshot are still copied, once.)
func (q *Queue) overwriteInPlace() {
	if q.fileSystem() != unix.BTRFS_SUPER_MAGIC {
		return
	}
	flags, err := unix.IoctlGetUint32(q.fd, getFlags)
	if err == nil && flags&noCOW == 0 {
		unix.IoctlSetPointerInt(q.fd, setFlags, int(flags|noCOW))
	}
}
