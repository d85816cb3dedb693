package stage

import (
	"errors"
	"net"
	"testing"
)

// A BlackHole takes connections and never says a word.
type BlackHole struct {
	Addr      string
	Connected chan struct{} // one for each connection
	listener  net.Listener
}

// NewBlackHole starts one on loopback for the length of the test.
func NewBlackHole(t testing.TB) *BlackHole {
	t.Helper()
	l := Listen(t)
	hole := &BlackHole{l.Addr().String(), make(chan struct{}, 100), l}
	go func() {
		var conns []net.Conn
		defer func() {
			for _, c := range conns {
				c.Close()
			}
		}()
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				conns = append(conns, c)
				hole.Connected <- struct{}{}
			}
		}
	}()
	return hole
}

// Release removes the hole, and waits until the person's background run has noticed.
func (hole *BlackHole) Release(p *Person) {
	p.T.Helper()
	hole.listener.Close()
	// While that run is going on, another one is left to it.
	Await(p.T, "a run without a smart host", func() bool { return p.Try("", "deliver").Code == 75 })
}
