//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package watch

import (
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A network tells when something about the network may have changed (route(4)).
type network struct{ hints chan struct{} }

// newNetwork returns a network that says nothing where the kernel does not.
func newNetwork() *network {
	n := &network{hints: make(chan struct{}, 1)}
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(unix.AF_ROUTE, unix.SOCK_RAW, unix.AF_UNSPEC)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return n
	}
	unix.SetNonblock(fd, true)
	go n.read(os.NewFile(uintptr(fd), "route"))
	return n
}

func (n *network) read(f *os.File) {
	defer f.Close()
	b := make([]byte, 4096)
	for {
		size, err := f.Read(b)
		if err != nil && err != unix.ENOBUFS {
			return
		}
		// The type is at 3. RTM_MISS comes with every address that is looked up in vain, by us, too.
		if err == nil && size > 3 && b[3] == unix.RTM_MISS {
			continue
		}
		select {
		case n.hints <- struct{}{}:
		default:
		}
	}
}

// snapshot returns a text that differs when the network does: its addresses.
func snapshot() string {
	links, err := net.Interfaces()
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, l := range links {
		b.WriteString(l.Name + " " + (l.Flags & (net.FlagUp | net.FlagRunning)).String())
		addrs, _ := l.Addrs()
		for _, a := range addrs {
			b.WriteString(" " + a.String())
		}
		b.WriteByte('\n')
	}
	return b.String()
}
