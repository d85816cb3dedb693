package main

import "golang.org/x/sys/unix"

// closeOnExec keeps descriptors that our caller leaked into us from going any further.
func closeOnExec() {
	if unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	for fd := 3; fd < 256; fd++ {
		unix.CloseOnExec(fd)
	}
}
