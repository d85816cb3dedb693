//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package watch

import (
	"net"
	"strings"
	"time"
)

// A network tells that it is time to look whether the network has changed.
type network struct{ hints chan struct{} }

// pollEvery is how often to look, where nobody tells.
const pollEvery = 15 * time.Second

func newNetwork() *network {
	n := &network{hints: make(chan struct{}, 1)}
	go func() {
		for range time.Tick(pollEvery) {
			select {
			case n.hints <- struct{}{}:
			default:
			}
		}
	}()
	return n
}

// snapshot returns a text that differs when the network does: its addresses.
func snapshot() string {
	addrs, _ := net.InterfaceAddrs()
	var b strings.Builder
	for _, a := range addrs {
		b.WriteString(a.String() + "\n")
	}
	return b.String()
}
