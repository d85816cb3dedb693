// Package inherit is about what programs that we start have from us. It is apart from package helper,
// as a submission starts one, and needs nothing else of that.
package inherit

import (
	"os"
	"strconv"
	"syscall"
)

// MarkName is the environment variable that all that a command has started is known by, where it has
// a mark. What is meant to outlive the command is started without it.
const MarkName = "ESMTPQ_HELPER"

// Nothing keeps our descriptors from what is started from now on. Those that Go opens are closed on exec
// already; what our caller left open in us is not. It makes every descriptor but the first
// three one that is closed on exec.
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
