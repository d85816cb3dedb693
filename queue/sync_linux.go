package queue

import (
	"os"
	"syscall"
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
