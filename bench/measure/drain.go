//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"esmtpq/bench/internal/limit"
	"esmtpq/bench/internal/link"
	"esmtpq/bench/internal/sink"
)

// A way is the connection between a program and its smart host.
type way struct {
	secure    bool
	implicit  bool
	noTickets bool
	chunking  bool
	rtt       time.Duration
	rate      int64 // bits a second; 0: any number
}

// open starts a smart host on a port. It takes connections until close is called.
func (b *bench) open(port int, w way) (s *sink.Sink, close func(), err error) {
	config := sink.Config{NoChunking: !w.chunking, Implicit: w.implicit}
	if w.secure {
		config.TLS = b.server
	}
	if w.noTickets {
		config.TLS = b.server.Clone()
		config.TLS.SessionTicketsDisabled = true
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	if w.rtt == 0 && w.rate == 0 {
		s, err = sink.Listen(addr, config)
		return s, func() { s.Close() }, err
	}
	if s, err = sink.Listen("127.0.0.1:0", config); err != nil {
		return nil, nil, err
	}
	l, err := link.Listen(addr, s.Addr(), w.rtt, w.rate)
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	return s, func() { l.Close(); s.Close() }, nil
}

// limitOf sends messages as fast as the protocol allows.
func (b *bench) limitOf(w way, messages, size int, o observation) (observation, error) {
	s, close, err := b.open(b.nextPort(), w)
	if err != nil {
		return o, err
	}
	defer close()
	var all [][]byte
	for i := range messages {
		all = append(all, crlf(message(i+1, size)))
	}
	opt := limit.Options{Implicit: w.implicit, Chunked: w.chunking}
	if w.secure {
		opt.TLS = b.client
	}
	start := time.Now()
	if err := limit.Send(fmt.Sprintf("127.0.0.1:%d", b.port), opt, all); err != nil {
		return o, err
	}
	o.Returned = time.Since(start).Seconds()
	return o.arrived(s.Counts(), start), nil
}

// drainOf lets a program whose configuration has port deliver its queue.
func (b *bench) drainOf(p *program, port int, w way, o observation) (observation, error) {
	if p.ready != nil {
		if err := p.ready(o.Messages); err != nil {
			return o, err
		}
	}
	s, close, err := b.open(port, w)
	if err != nil {
		return o, err
	}
	defer close()
	taken := p.processes.taking()
	start := time.Now()
	c := b.onceCommand(p.inside(), os.DevNull, p.deliver...)
	var out strings.Builder
	c.Stdout = &out
	if err := c.Start(); err != nil {
		return o, err
	}
	arrived := s.Wait(o.Messages, patience)
	if !arrived {
		taken()
		b.endAll()
		return o, fmt.Errorf("%s: %d of %d messages arrived in %v: %s", p.name, s.Counts().Messages, o.Messages, patience, b.tail())
	}
	o = o.arrived(s.Counts(), start)
	if p.daemon {
		if p.processes != nil {
			time.Sleep(tidying)
		}
		o.CPU, o.Peak, o.Together = taken()
		b.endAll()
		c.Wait()
		return o, nil
	}
	err = end(c)
	o.Returned = time.Since(start).Seconds()
	u, err := parseUsage(p.name, []byte(out.String()), err)
	o.CPU, o.Peak = u.cpu.Seconds(), u.peak
	return o, err
}

// tidying is the time that daemons get to finish after all mail has arrived. They do not say when
// they have finished.
const tidying = 200 * time.Millisecond

// end waits for a command, but not for ever.
func end(c *exec.Cmd) error {
	late := time.AfterFunc(patience, func() { c.Process.Kill() })
	defer late.Stop()
	return c.Wait()
}

// drain measures delivery on loopback, in clear.
func (b *bench) drain() error {
	w := way{chunking: true}
	for _, n := range b.drainCounts() {
		like := observation{Measure: "drain", Messages: n, Size: submitSize, Chunking: true}
		for i := range max(b.runs/4, 1) {
			with := b
			if i > 0 && n > 1000 {
				with = b.alone() // filling the queue of a peer takes one command for each message
			}
			like.Program = "(limit)"
			o, err := b.limitOf(w, n, submitSize, like)
			if err == nil {
				err = b.rec.add(o)
			}
			if err != nil {
				return err
			}
			if err := with.drainEach(like, w, smartHost{}, "known host", "new host"); err != nil {
				return err
			}
		}
	}
	title(fmt.Sprintf("Drain on loopback, messages of %d octets", submitSize),
		"", "host", "messages", "messages/s", "wall s", "cpu ms a message", "peak MiB", "all processes MiB", "sessions", "in order")
	for _, r := range b.rec.rows("drain") {
		last, n, wall := b.rec.last(r), float64(r.Messages), b.rec.values(r, wallOf)
		line(r.Program, r.Case, fmt.Sprint(r.Messages), figure(n/wall.median()), wall.spread(1),
			figure(b.rec.values(r, cpuOf).median()*1000/n), figure(b.rec.values(r, peakOf).at(1)),
			figure(b.rec.values(r, togetherOf).at(1)), fmt.Sprint(last.Sessions), inOrder(last))
	}
	fmt.Println()
	return nil
}

func (b *bench) drainCounts() []int { return b.settings.drain }

func inOrder(o observation) string {
	if o.Disorder > 0 {
		return fmt.Sprintf("no (%d)", o.Disorder)
	}
	return "yes"
}

// drainEach measures esmtpq in each of the given cases, and then its peers. A "known host" is one
// that esmtpq has delivered to before.
func (b *bench) drainEach(like observation, w way, h smartHost, cases ...string) error {
	for _, how := range cases {
		o := like
		o.Program, o.Case = b.programs[0].name, how
		if err := b.drainBy(b.programs[0], o, w, h); err != nil {
			return err
		}
	}
	for _, p := range b.programs[1:] {
		o := like
		o.Program = p.name
		if err := b.drainBy(p, o, w, h); err != nil {
			fmt.Fprintln(os.Stderr, "measure: left out:", err)
		}
	}
	return nil
}

func (b *bench) drainBy(p *program, o observation, w way, h smartHost) error {
	h.port, h.secure, h.implicit = b.nextPort(), w.secure, w.implicit
	if err := p.prepare(h); err != nil {
		return err
	}
	if strings.HasPrefix(o.Case, "known host") {
		if err := b.acquaint(p, h, w); err != nil {
			return err
		}
	}
	if err := p.fill(o.Messages, o.Size); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	o, err := b.drainOf(p, h.port, w, o)
	if err != nil {
		return err
	}
	return b.rec.add(o)
}

// alone returns a bench for esmtpq without its peers.
func (b *bench) alone() *bench {
	us := *b
	us.programs = b.programs[:1]
	return &us
}

// acquaint lets a program deliver to a near host, so that it knows the host's capabilities.
func (b *bench) acquaint(p *program, h smartHost, w way) error {
	w.rtt, w.rate = 0, 0
	if err := p.fill(3, submitSize); err != nil {
		return err
	}
	_, err := b.drainOf(p, h.port, w, observation{Messages: 3})
	return err
}
