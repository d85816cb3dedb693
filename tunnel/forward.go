package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"esmtpq/helper"
)

// A Forward reaches a smart host at a port that a preconnect line forwards. What the line leaves in
// the background, such as an `ssh -f`, is ended with the last session, so that the port is free for
// the next one; so is, before a session, what a run that was killed has left. Shared connections of
// ssh and agents are left alone.
type Forward struct {
	Line     string
	To       Endpoint      // what is dialled then
	Mark     string        // names this identity of this person, and nothing else
	Limit    time.Duration // for the line to exit
	Dialing  time.Duration // for a connection
	Patience time.Duration // for the port to accept

	mu   sync.Mutex // held while the line runs, and while what it has left is ended
	open int        // sessions that are open or being opened
}

// Dial runs the line and dials the port. Closing the connection ends what the line has left, if no
// other session is open.
func (f *Forward) Dial(ctx context.Context) (net.Conn, error) {
	process, err := f.forward(ctx)
	if err != nil {
		f.closed()
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, f.Dialing)
	defer cancel()
	conn, err := f.To.dial(limited, func(ctx context.Context, network, addr string) (net.Conn, error) {
		return waitDial(ctx, f.To.dialer(), network, addr, f.Patience)
	})
	if err == nil {
		if err = owned(conn); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		if said := process.Said(); said != "" {
			err = fmt.Errorf("%w; preconnect has said: %s", err, strings.ReplaceAll(said, "\n", "; "))
		}
		process.Release()
		f.closed()
		return nil, err
	}
	_, addr := f.To.first()
	c := &forwarded{socket: conn.(socket), process: process, addr: addr}
	c.end = sync.OnceValue(func() error {
		err := conn.Close()
		f.closed()
		process.Release()
		return err
	})
	return c, nil
}

// forward counts a session and runs the line.
func (f *Forward) forward(ctx context.Context) (*helper.Process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open++; f.open == 1 {
		f.endLeft()
	}
	ctx, cancel := context.WithTimeout(ctx, f.Limit)
	defer cancel()
	return preconnect(ctx, f.Line, f.Mark)
}

// closed removes one session, and ends what the line has left after the last one.
func (f *Forward) closed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open--; f.open == 0 {
		f.endLeft()
	}
}

// endLeft ends what the line has left. What cannot be ended holds up no mail.
func (f *Forward) endLeft() { helper.EndOwn(f.Mark) }

// A socket is a connection that shows whether something has come.
type socket interface {
	net.Conn
	syscall.Conn
}

// A forwarded is a connection to a forwarded port. The port accepts whatever becomes of the
// connection behind it, so one that ends before anything has come says nothing of the smart host.
type forwarded struct {
	socket
	process *helper.Process
	addr    string
	greeted atomic.Bool
	end     func() error
}

// sayGrace is how long what the line has left has to say why the connection has ended.
const sayGrace = 200 * time.Millisecond

// Read implements net.Conn.
func (c *forwarded) Read(p []byte) (int, error) {
	n, err := c.socket.Read(p)
	switch {
	case n > 0:
		c.greeted.Store(true)
	case c.greeted.Load():
	case err == io.EOF || errors.Is(err, syscall.ECONNRESET):
		time.Sleep(sayGrace)
		err = &forwardError{c.addr, c.process.Said()}
	}
	return n, err
}

// Close implements net.Conn. Later calls wait for the first.
func (c *forwarded) Close() error { return c.end() }

// A forwardError says that a forwarded port was closed before anything had come from it.
type forwardError struct{ addr, said string }

func (e *forwardError) Error() string {
	text := "the forwarded port " + e.addr + " was closed: its far end refuses the connection, or may not be forwarded to"
	if e.said != "" {
		said, _ := sshWords(e.said, "ssh")
		text += ": " + strings.ReplaceAll(said, "\n", "; ")
	}
	return text
}
