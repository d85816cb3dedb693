package tunnel

import (
	"fmt"
	"net"
	"os"
)

// owned returns an error if the other end of a connection within this machine belongs to another
// user, who may have taken the port before the line could. Root may have it. Where the system does
// not tell, nothing is said.
func owned(conn net.Conn) error {
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	local, okToo := conn.LocalAddr().(*net.TCPAddr)
	if !ok || !okToo || !remote.IP.IsLoopback() {
		return nil
	}
	for _, uid := range holders(remote, local) {
		if uid != 0 && uid != os.Geteuid() {
			return fmt.Errorf("the port %v is another user's (uid %d), not the forwarded one: choose another port, in preconnect too", remote, uid)
		}
	}
	return nil
}
