package smtp

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// silence returns for how long the other end of a TCP connection has acknowledged nothing although octets are under way to it.
// It is 0 where the other end lives and takes nothing, and for what is no TCP connection.
func silence(conn net.Conn) (d time.Duration) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil && info.Unacked > 0 && info.Retransmits > 0 {
			d = time.Duration(info.Last_ack_recv) * time.Millisecond
		}
	})
	return d
}
