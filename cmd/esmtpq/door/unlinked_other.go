//go:build !linux

package door

import (
	"os"

	"golang.org/x/sys/unix"
)

// openUnlinked opens a file without following a symbolic link as the last part of its path.
func openUnlinked(path string, flags int, mode os.FileMode) (int, error) {
	return unix.Open(path, flags, uint32(mode.Perm()))
}
