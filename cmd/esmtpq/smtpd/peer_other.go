//go:build !linux

package smtpd

import (
	"errors"
	"net"
	"os"
)

// tellsUsers says that peerUID does not know the clients of TCP.
const tellsUsers = false

// peerUID returns the user of the process at the other end of a connection on this machine. What
// connects to a socket of ours in the file system, with access for us alone, is ours.
func peerUID(c net.Conn) (uid int, err error) {
	if _, ok := c.(*net.UnixConn); ok {
		return os.Getuid(), nil
	}
	return 0, errors.New("this system does not say whose a client is")
}
