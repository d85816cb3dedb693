package smtpd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// tellsUsers says that peerUID knows the clients of TCP, too.
const tellsUsers = true

var errNoPeer = errors.New("the client cannot be found")

// peerUID returns the user of the process at the other end of a connection on this machine.
func peerUID(c net.Conn) (uid int, err error) {
	if c, ok := c.(*net.UnixConn); ok {
		return socketUID(c)
	}
	theirs, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return 0, err
	}
	ours, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return 0, err
	}
	// An IPv4 connection is in the other table if the client uses a socket for both.
	tables := []string{"/proc/net/tcp6"}
	if theirs.Addr().Unmap().Is4() {
		tables = []string{"/proc/net/tcp", "/proc/net/tcp6"}
	}
	for _, name := range tables {
		uid, err = ownerIn(name, theirs, ours)
		if !errors.Is(err, errNoPeer) {
			break
		}
	}
	return uid, err
}

func socketUID(c *net.UnixConn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, failed); err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}

// ownerIn looks for a connection in a table of the kernel, proc_net_tcp(5).
func ownerIn(table string, local, remote netip.AddrPort) (int, error) {
	f, err := os.Open(table)
	if err != nil {
		if os.IsNotExist(err) {
			return 0, errNoPeer // no IPv6
		}
		return 0, err
	}
	defer f.Close()
	wide := strings.HasSuffix(table, "6")
	from, to := inTable(local, wide), inTable(remote, wide)
	rows := bufio.NewScanner(f)
	for rows.Scan() {
		fields := strings.Fields(rows.Text())
		if len(fields) < 10 || fields[1] != from || fields[2] != to {
			continue
		}
		// Without an inode no process has the socket any more, and the kernel says root.
		if fields[9] == "0" {
			return 0, errNoPeer
		}
		return strconv.Atoi(fields[7])
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	return 0, errNoPeer
}

// inTable returns an address in the form of the tables: words of the machine in hexadecimal.
func inTable(a netip.AddrPort, wide bool) string {
	b := a.Addr().Unmap().AsSlice()
	if wide {
		all := a.Addr().As16()
		b = all[:]
	}
	var s strings.Builder
	for ; len(b) > 0; b = b[4:] {
		fmt.Fprintf(&s, "%08X", binary.NativeEndian.Uint32(b))
	}
	fmt.Fprintf(&s, ":%04X", a.Port())
	return s.String()
}
