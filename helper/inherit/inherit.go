// Package inherit keeps descriptors from programs that we start. Those that Go opens are closed on exec
// already; what our caller left open in us is not.
package inherit

import (
	"os"
	"strconv"
	"syscall"
)

// Nothing makes every descriptor but the first three one that is closed on exec.
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
