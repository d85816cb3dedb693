package process

import "golang.org/x/sys/unix"

// CloseOnExec keeps descriptors that our caller leaked into us from going any further.
func CloseOnExec() {
	if unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	for fd := 3; fd < 256; fd++ {
		unix.CloseOnExec(fd)
	}
}
