//go:build !linux

package main

import "syscall"

// closeOnExec keeps descriptors that our caller leaked into us from going any further.
func closeOnExec() {
	for fd := 3; fd < 256; fd++ {
		syscall.CloseOnExec(fd)
	}
}
