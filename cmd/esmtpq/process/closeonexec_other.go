//go:build !linux

package process

import "syscall"

// CloseOnExec keeps descriptors that our caller leaked into us from going any further.
func CloseOnExec() {
	for fd := 3; fd < 256; fd++ {
		syscall.CloseOnExec(fd)
	}
}
