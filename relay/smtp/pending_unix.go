//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package smtp

import (
	"net"
	"syscall"
)

// pending finds out, without waiting, whether something has arrived on a connection, including
// its end. known is false if the connection is no socket.
func pending(conn net.Conn) (found, known bool) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return false, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false, false
	}
	raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		found, known = err == nil, err != syscall.ENOTSOCK
	})
	return found, known
}
