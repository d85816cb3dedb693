package watch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A network tells when something about the network may have changed (rtnetlink(7)). What the kernel
// says is a hint to look, and no log: routes go without a word, and words are lost.
type network struct{ hints chan struct{} }

const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE

// newNetwork returns a network that says nothing where the kernel does not.
func newNetwork() *network {
	n := &network{hints: make(chan struct{}, 1)}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return n
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return n
	}
	go n.read(os.NewFile(uintptr(fd), "netlink"))
	return n
}

func (n *network) read(f *os.File) {
	defer f.Close()
	b := make([]byte, 4096)
	for {
		_, err := f.Read(b)
		if err != nil && !errors.Is(err, syscall.ENOBUFS) {
			return
		}
		select {
		case n.hints <- struct{}{}:
		default:
		}
	}
}

// snapshot returns a text that differs when the network does: which links carry something, the
// addresses that the world knows, and the default routes of all tables.
func snapshot() string {
	h := sha256.New()
	for _, kind := range [...]int{unix.RTM_GETLINK, unix.RTM_GETADDR, unix.RTM_GETROUTE} {
		rib, err := syscall.NetlinkRIB(kind, unix.AF_UNSPEC)
		if err != nil {
			continue
		}
		messages, err := syscall.ParseNetlinkMessage(rib)
		if err != nil {
			continue
		}
		for i := range messages {
			h.Write(facts(&messages[i]))
		}
	}
	return string(h.Sum(nil))
}

// facts returns what counts in a message; nil for nothing.
func facts(m *syscall.NetlinkMessage) []byte {
	d := m.Data
	switch m.Header.Type {
	case unix.RTM_NEWLINK: // struct ifinfomsg: the index at 4, the flags at 8
		if len(d) < unix.SizeofIfInfomsg {
			return nil
		}
		const carries = unix.IFF_UP | unix.IFF_RUNNING
		return append(bytes.Clone(d[4:8]), d[8]&carries)
	case unix.RTM_NEWADDR: // struct ifaddrmsg: the flags at 2, the scope at 3, the index at 4
		if len(d) < unix.SizeofIfAddrmsg || d[3] != unix.RT_SCOPE_UNIVERSE || d[2]&unix.IFA_F_TENTATIVE != 0 {
			return nil
		}
		return attributes(m, d[4:8], unix.IFA_ADDRESS, unix.IFA_LOCAL)
	case unix.RTM_NEWROUTE: // struct rtmsg: the length of the destination at 1, the table at 4, the type at 7
		if len(d) < unix.SizeofRtMsg || d[1] != 0 || d[7] != unix.RTN_UNICAST {
			return nil
		}
		return attributes(m, d[4:5], unix.RTA_GATEWAY, unix.RTA_OIF, unix.RTA_TABLE, unix.RTA_VIA)
	}
	return nil
}

// attributes returns some attributes of a message behind a beginning.
func attributes(m *syscall.NetlinkMessage, begin []byte, kinds ...uint16) []byte {
	b := bytes.Clone(begin)
	all, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return b
	}
	for _, a := range all {
		for _, kind := range kinds {
			if a.Attr.Type == kind {
				b = append(append(b, byte(kind)), a.Value...)
			}
		}
	}
	return b
}
