package relay

import (
	"net"
	"time"

	"esmtpq/relay/smtp"
)

// How a session outlives a run, and what a change of the network means for it.

// lately is for how long a network is a new one.
const lately = 10 * time.Minute

// keepFor keeps the session of a run that is over, where that was asked for.
func (h *host) keepFor(conn *smtp.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.keep <= 0 || h.opening != nil || conn.Worn() {
		return false
	}
	done := make(chan struct{})
	close(done)
	h.opening, h.early, h.refused = done, conn, nil
	h.opened, h.lasts, h.cancel = time.Now().Round(0), h.keep, func() {}
	return true
}

// keptUntil returns until when a session is kept.
func (h *host) keptUntil() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.early == nil {
		return time.Time{}
	}
	return h.opened.Add(h.lasts)
}

// uses notes a session that mail goes over.
func (h *host) uses(conn *smtp.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.live == nil {
		h.live = map[*smtp.Conn]struct{}{}
	}
	h.live[conn] = struct{}{}
}

// used notes that no more mail goes over a session for now.
func (h *host) used(conn *smtp.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.live, conn)
}

// changed notes that the network has changed, and ends sessions over a network that is gone: no host
// can answer to an address that is not ours any more, and TCP would wait for that for minutes.
func (h *host) changed() {
	ours, err := net.InterfaceAddrs()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.network = time.Now()
	for c := range h.live {
		if err == nil && gone(c.LocalAddr(), ours) {
			c.Lose()
		}
	}
	if h.early != nil && err == nil && gone(h.early.LocalAddr(), ours) {
		h.early.Lose()
	}
}

// changedSince reports whether the network has changed since some time.
func (h *host) changedSince(t time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.network.After(t)
}

// gone reports whether the address of a connection is none of ours. That of a tunnel, which is none
// of the Internet, is not known.
func gone(addr net.Addr, ours []net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() {
		return false
	}
	for _, a := range ours {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(tcp.IP) {
			return false
		}
	}
	return true
}
