//go:build !linux

package spool

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData makes data durable that was overwritten in place.
func syncData(f *os.File) error { return f.Sync() }

// beginWriteback would tell the disk to begin with a part of a file; here the sync at the end
// does everything.
func beginWriteback(*os.File, int64, int64) error { return nil }

// repair makes a directory of ours accessible to us: a umask can remove even the owner's access. It
// follows no link.
func repair(dir int, name string) error {
	return unix.Fchmodat(dir, name, unsettled, unix.AT_SYMLINK_NOFOLLOW)
}
