package tunnel

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// States of a socket (include/net/tcp_states.h of Linux).
const (
	established = "01"
	listening   = "0A"
)

// holders returns the users of the sockets that a connection to remote, from local, ends at: those
// that listen there, and the one that was accepted (proc_pid_net(5)). One that was not accepted yet
// has no inode, and its user is not known.
func holders(remote, local *net.TCPAddr) []int {
	var uids []int
	for _, file := range [...]string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 10 {
				continue
			}
			uid, err := strconv.Atoi(f[7])
			at, from := socketAddress(f[1]), socketAddress(f[2])
			switch {
			case err != nil || at == nil || from == nil || at.Port != remote.Port:
			case f[3] == listening && (at.IP.IsUnspecified() || at.IP.Equal(remote.IP)),
				f[3] == established && f[9] != "0" && at.IP.Equal(remote.IP) && from.IP.Equal(local.IP) && from.Port == local.Port:
				uids = append(uids, uid)
			}
		}
	}
	return uids
}

// socketAddress reads an address: words of 32 bits in the order of this machine's octets, and the port.
func socketAddress(s string) *net.TCPAddr {
	words, portText, _ := strings.Cut(s, ":")
	ip, err := hex.DecodeString(words)
	port, err2 := strconv.ParseUint(portText, 16, 16)
	if err != nil || err2 != nil || len(ip) != net.IPv4len && len(ip) != net.IPv6len {
		return nil
	}
	for word := range slices.Chunk(ip, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	return &net.TCPAddr{IP: ip, Port: int(port)}
}
