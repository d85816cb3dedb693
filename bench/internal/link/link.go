// Package link relays TCP connections as a long link would: each octet arrives later, and only so
// many arrive in a second, for all connections of one direction together.
//
// Opening a connection takes two round trips until the server's greeting has come, as on a real
// link. TCP's slow start is not modelled: on a real link a connection that sends 400 kB in one go
// would take four or five round trips more, once.
package link

import (
	"net"
	"sync"
	"time"
)

// A Link is a running relay.
type Link struct {
	delay    time.Duration // one way
	target   string
	listener net.Listener
	up, down line
}

// A line is one direction.
type line struct {
	rate int64 // bits a second; 0: any number
	mu   sync.Mutex
	free time.Time // when the last octet given to it has left
}

// leaves returns when the last of n octets that are given to the line now will have left it.
func (l *line) leaves(n int) time.Time {
	now := time.Now()
	if l.rate <= 0 {
		return now
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(int64(n) * 8 * int64(time.Second) / l.rate))
	return l.free
}

// Listen starts a link from addr to target, with a round-trip time and a rate in bits a second; 0
// is no limit.
func Listen(addr, target string, roundTrip time.Duration, rate int64) (*Link, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	k := &Link{delay: roundTrip / 2, target: target, listener: l}
	k.up.rate, k.down.rate = rate, rate
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go k.relay(c.(*net.TCPConn))
		}
	}()
	return k, nil
}

// Addr is the address it listens on.
func (k *Link) Addr() string { return k.listener.Addr().String() }

// Close stops listening; open connections go on.
func (k *Link) Close() error { return k.listener.Close() }

func (k *Link) relay(near *net.TCPConn) {
	defer near.Close()
	// The handshake is local here. On the link it would take a round trip until the client can
	// send something, and half of one more until the server has the last part and can send a
	// greeting.
	time.Sleep(2 * k.delay)
	said := k.read(near, &k.up)
	time.Sleep(k.delay)
	c, err := net.Dial("tcp", k.target)
	if err != nil {
		near.Close()
		for range said {
		}
		return
	}
	far := c.(*net.TCPConn)
	defer far.Close()
	var both sync.WaitGroup
	both.Go(func() { write(far, near, said) })
	both.Go(func() { write(near, far, k.read(far, &k.down)) })
	both.Wait()
}

// A packet is the octets of one read, and when they arrive; it is empty at the end.
type packet struct {
	octets []byte
	at     time.Time
}

// read returns the packets from one side, up to the end.
func (k *Link) read(src *net.TCPConn, l *line) <-chan packet {
	under := make(chan packet, 1024) // way
	go func() {
		defer close(under)
		for {
			b := make([]byte, 8<<10)
			n, err := src.Read(b)
			if n > 0 {
				under <- packet{b[:n], l.leaves(n).Add(k.delay)}
			}
			if err != nil {
				under <- packet{nil, time.Now().Add(k.delay)}
				return
			}
		}
	}()
	return under
}

// write passes the packets to the other side, each at its time.
func write(dst, src *net.TCPConn, under <-chan packet) {
	for p := range under {
		time.Sleep(time.Until(p.at))
		if len(p.octets) == 0 {
			dst.CloseWrite()
			continue
		}
		if _, err := dst.Write(p.octets); err != nil {
			src.CloseRead()
			for range under {
			}
			return
		}
	}
}
