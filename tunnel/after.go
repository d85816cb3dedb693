package tunnel

import (
	"context"
	"net"
	"sync"
	"time"
)

// A Follower runs a postconnect line each time the last open session has ended: such a line takes
// down what a preconnect line has put up. It also does so when the run has been interrupted.
type Follower struct {
	Line   string
	Limit  time.Duration
	Failed func(error) // is told of errors; the mail has been accepted by then

	mu   sync.Mutex // held while the line runs, so that no session is opened meanwhile
	open int        // sessions that are open or being opened
	owed bool       // a session was opened since the line was last run
}

// Dial calls dial, which opens a session, and returns its connection. Closing the connection ends
// the session, and waits for the line if that is run.
func (f *Follower) Dial(ctx context.Context, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	f.count(1, false)
	conn, err := dial(ctx)
	if err != nil {
		f.closed(ctx)
		return nil, err
	}
	f.count(0, true)
	end := sync.OnceValue(func() error {
		err := conn.Close()
		f.closed(ctx)
		return err
	})
	if s, ok := conn.(socket); ok {
		return followedSocket{s, end}, nil
	}
	return followedConn{conn, end}, nil
}

// count adds n sessions, and notes whether one was opened.
func (f *Follower) count(n int, opened bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open += n
	f.owed = f.owed || opened
}

// closed removes one session, and runs the line after the last one. The end of ctx is often why
// that is the last one, and no reason to leave the line out.
func (f *Follower) closed(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open--; f.open > 0 || !f.owed {
		return
	}
	f.owed = false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.Limit)
	defer cancel()
	if err := Postconnect(ctx, f.Line); err != nil {
		f.Failed(err)
	}
}

// A followedConn is the connection of a session.
type followedConn struct {
	net.Conn
	end func() error
}

// Close implements net.Conn. Later calls wait for the first.
func (c followedConn) Close() error { return c.end() }

// A followedSocket is a followedConn that shows whether something has come.
type followedSocket struct {
	socket
	end func() error
}

// Close implements net.Conn. Later calls wait for the first.
func (c followedSocket) Close() error { return c.end() }
