// Package inherit is about what the programs that we start inherit. It is separate from package
// helper because a submission starts a program, and needs nothing else from there.
package inherit

import (
	"os"
	"strconv"
	"syscall"
)

// MarkName is the environment variable by which everything that a marked command has started is
// known. A process that is to outlive the command is started without it.
const MarkName = "ESMTPQ_HELPER"

// Nothing makes sure that a program started from now on inherits none of our descriptors but the
// first three: it marks all others close-on-exec. Go has done so for those that it opened; our
// caller may have left others open.
func Nothing() {
	if closeRange() {
		return
	}
	dir, err := os.Open("/dev/fd")
	if err != nil {
		for fd := 3; fd < 256; fd++ {
			syscall.CloseOnExec(fd)
		}
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}
