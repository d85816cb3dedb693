// Package sink is an SMTP server that accepts and drops every message, and counts what its
// clients did.
//
// It offers PIPELINING, CHUNKING, 8BITMIME, SIZE, STARTTLS and AUTH. Replies are written when no
// more input is waiting, so that a pipelining client gets them together, as from a good server.
package sink

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// Config says what a sink offers.
type Config struct {
	TLS        *tls.Config // nil: no TLS; otherwise MAIL is refused before TLS and AUTH
	Implicit   bool        // TLS is there from the start (RFC 8314), and not by STARTTLS
	NoChunking bool        // CHUNKING is not offered
	Defer      bool        // every recipient is refused for now
}

// Counts are what the clients did.
type Counts struct {
	Opened   int // connections
	Resumed  int // TLS sessions that went on from an earlier one
	Sessions int // that transferred a message
	AtOnce   int // most connections open at the same time
	Messages int
	Octets   int64
	Chunked  int       // messages that came by BDAT
	Disorder int       // messages whose X-Seq is below that of the one before
	Deferred int       // recipients that were refused for now
	Mail     time.Time // when the first MAIL command came
	Last     time.Time // when the last message was accepted
	sequence int       // X-Seq of the last message
}

// A Sink is a running server.
type Sink struct {
	config   Config
	listener net.Listener

	mu      sync.Mutex
	counts  Counts
	open    int
	arrived chan struct{} // a token if messages have arrived since the last look
}

// Listen starts a sink on addr.
func Listen(addr string, config Config) (*Sink, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &Sink{config: config, listener: l, arrived: make(chan struct{}, 1)}
	go s.accept()
	return s, nil
}

// Addr is the address it listens on.
func (s *Sink) Addr() string { return s.listener.Addr().String() }

// Close stops listening; open connections go on.
func (s *Sink) Close() error { return s.listener.Close() }

// Counts returns the counts so far.
func (s *Sink) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Wait waits until n messages have arrived, and reports whether they have.
func (s *Sink) Wait(n int, limit time.Duration) bool {
	end := time.NewTimer(limit)
	defer end.Stop()
	for s.Counts().Messages < n {
		select {
		case <-s.arrived:
		case <-end.C:
			return s.Counts().Messages >= n
		}
	}
	return true
}

func (s *Sink) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.opened(1)
		go func() {
			defer s.opened(-1)
			defer c.Close()
			newSession(s, c).serve()
		}()
	}
}

func (s *Sink) opened(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += by
	s.counts.Opened += max(by, 0)
	s.counts.AtOnce = max(s.counts.AtOnce, s.open)
}

// count lets f change the counts.
func (s *Sink) count(f func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.counts)
}

// accepted counts a message; its sequence number is 0 if it has none.
func (s *Sink) accepted(first bool, octets int64, chunked bool, sequence int) {
	s.mu.Lock()
	c := &s.counts
	if first {
		c.Sessions++
	}
	c.Messages++
	c.Octets += octets
	if chunked {
		c.Chunked++
	}
	if sequence < c.sequence {
		c.Disorder++
	}
	c.sequence = sequence
	c.Last = time.Now()
	s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}
