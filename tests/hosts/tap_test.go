package hosts

import (
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// A tap is between the person and a host: it passes on and records what both say, counts the
// connections, and can cut a connection at an octet.
type tap struct {
	addr string
	host string

	mu    sync.Mutex
	conns []*tapped
	cutAt int    // after this many octets from the person
	cut   func() // what happens then; nil: nothing is cut
	sent  int
}

// A tapped connection.
type tapped struct {
	sent, received []byte
	turns          []string // what was said in turn, by the person first
}

// say notes that the person, or the host, has said something.
func (c *tapped) say(person bool, octets []byte) {
	if mine := len(c.turns)%2 == 1; len(c.turns) == 0 || mine != person {
		if len(c.turns) == 0 && !person {
			c.turns = append(c.turns, "")
		}
		c.turns = append(c.turns, "")
	}
	c.turns[len(c.turns)-1] += string(octets)
}

// newTap makes a tap in front of the host with this address.
func newTap(t *testing.T, host string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &tap{addr: l.Addr().String(), host: host}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(c.(*net.TCPConn))
		}
	}()
	return p
}

func (p *tap) pass(near *net.TCPConn) {
	conn := &tapped{}
	p.mu.Lock()
	p.conns = append(p.conns, conn)
	p.mu.Unlock()
	p.mu.Lock()
	host := p.host
	p.mu.Unlock()
	c, err := net.Dial("tcp", host)
	if err != nil {
		near.SetLinger(0)
		near.Close()
		return
	}
	far := c.(*net.TCPConn)
	done := make(chan bool)
	go func() {
		p.copy(near, far, func(octets []byte) int {
			conn.received = append(conn.received, octets...)
			conn.say(false, octets)
			return len(octets)
		})
		done <- true
	}()
	p.copy(far, near, func(octets []byte) int {
		conn.sent = append(conn.sent, octets...)
		conn.say(true, octets)
		p.sent += len(octets)
		if p.cut == nil || p.sent < p.cutAt {
			return len(octets)
		}
		return len(octets) - (p.sent - p.cutAt)
	})
	<-done
	near.Close()
	far.Close()
}

// copy passes octets from one side to the other until the first ends, and ends the other in the
// same way. note says how much of a piece may pass: if not all of it, the connection is cut
// there.
func (p *tap) copy(to, from *net.TCPConn, note func([]byte) int) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			p.mu.Lock()
			pass := note(buffer[:n])
			cut := p.cut
			if pass < n {
				p.cut = nil
			}
			p.mu.Unlock()
			if _, err := to.Write(buffer[:pass]); err != nil {
				from.SetLinger(0)
				from.Close()
				return
			}
			if pass < n {
				cut()
				to.Close()
				from.Close()
				return
			}
		}
		if err == nil {
			continue
		}
		if err == io.EOF {
			to.CloseWrite()
		} else {
			to.SetLinger(0)
			to.Close()
		}
		return
	}
}

// cutAfter lets the connection be cut after n more octets from the person, with a call of f
// between the last of them and the cut. With a nil f nothing is cut any more.
func (p *tap) cutAfter(n int, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAt, p.cut = p.sent+n, f
}

// turn lets the next connections go to another host.
func (p *tap) turn(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.host = host
}

// ahead returns how often something was sent behind a final dot before that was answered, in clear.
func (p *tap) ahead() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		for i := 0; i < len(c.turns); i += 2 {
			n += strings.Count(c.turns[i], "\r\n.\r\nMAIL ") + strings.Count(c.turns[i], "\r\n.\r\nRSET\r\nMAIL ")
		}
	}
	return n
}

// connections returns the number of connections.
func (p *tap) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// octets returns how many the person has sent.
func (p *tap) octets() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// said returns everything that the person and the host have said in clear.
func (p *tap) said() (sent, received []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		sent, received = append(sent, c.sent...), append(received, c.received...)
	}
	return sent, received
}

var messageID = regexp.MustCompile(`(?m)^Message-ID: <([^>]+)>`)

// order returns the Message-IDs of the contents sent in clear, in order, each at its last
// sending.
func (p *tap) order() []string {
	sent, _ := p.said()
	var ids []string
	last := map[string]int{}
	for i, m := range messageID.FindAllSubmatch(sent, -1) {
		ids = append(ids, string(m[1]))
		last[string(m[1])] = i
	}
	var order []string
	for i, id := range ids {
		if last[id] == i {
			order = append(order, id)
		}
	}
	return order
}
