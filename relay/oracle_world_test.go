package relay_test

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"esmtpq/identity"
	"esmtpq/queue"
	"esmtpq/relay"
)

// maxDials bounds the connections of a run, maxRun its time.
const (
	maxDials = 150
	maxRun   = 12 * time.Hour
)

// A world is one dialogue: a spool, a host, and what happens to them.
type world struct {
	mu    sync.Mutex
	plan  *plan
	spool *spool
	msgs  []*message

	byFrom map[string]*message
	byAddr map[string]*recipient

	transport *relay.Transport
	sessions  []*session // of all runs
	ofRun     []*session // of this run
	run       int
	number    int // replies so far, of all sessions
	dials     int // in this run

	events int  // things that happened between client and world, in this run
	stopAt int  // the one at which the run is stopped; 0 for none
	kill   bool // by death rather than by its context
	power  bool // of the machine: marks that were not synced are gone
	cut    int  // how much of what is being written then gets out
	dead   bool
	cancel context.CancelFunc
	ended  bool   // the context has
	late   int    // messages that arrive while the run goes on
	count  int    // sessions at the same time
	state  string // the directory of what is known of the host; "" for none

	broken  []violation
	verbose bool
	lines   []string
}

// A violation is of a law. Its class is A where mail is lost, doubled, cut or sent to the wrong
// one, B where something wrong is recorded, C where less is done than can be.
type violation struct {
	class string
	text  string
}

func newWorld(p *plan, msgs []*message) *world {
	w := &world{plan: p, msgs: msgs, byFrom: map[string]*message{}, byAddr: map[string]*recipient{}}
	for _, m := range msgs {
		w.byFrom[m.from] = m
		for _, r := range m.rcpts {
			w.byAddr[r.addr] = r
		}
	}
	w.spool = &spool{w: w, all: msgs}
	return w
}

func (w *world) violate(class, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(w.broken) < 20 {
		w.broken = append(w.broken, violation{class, text})
	}
	w.trace(nil, '!', class+": "+text)
}

func (w *world) trace(s *session, dir byte, text string) {
	if !w.verbose {
		return
	}
	n := "-"
	if s != nil {
		n = fmt.Sprint(s.number)
	}
	for _, line := range strings.Split(text, "\r\n") {
		w.lines = append(w.lines, fmt.Sprintf("%s %c %s", n, dir, line))
	}
}

// event counts what happens, and stops the run at its time. What is about to be written, to a
// session, is cut there, at a death.
func (w *world) event(to *session, p *[]byte) {
	w.events++
	if w.events != w.stopAt || w.dead || w.ended {
		return
	}
	w.stop(to, p)
}

func (w *world) stop(to *session, p *[]byte) {
	if !w.kill {
		w.trace(nil, '*', "(the run is interrupted)")
		w.ended = true
		w.cancel()
		return
	}
	w.trace(nil, '*', "(the client dies)")
	w.dead = true
	if p != nil && len(*p) > 0 {
		*p = (*p)[:w.cut%len(*p)]
	}
	w.cancel()
	for _, s := range w.ofRun {
		if s != to {
			s.clientGone()
		}
		wake(s.conn.readCh)
		wake(s.conn.writeCh)
	}
}

// dial makes a connection to the host.
func (w *world) dial(context.Context) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return nil, errUnrecorded
	}
	if w.dials++; w.dials > maxDials {
		if w.dials == maxDials+1 {
			w.violate("C", "more than %d connections in a run", maxDials)
		}
		return nil, &net.OpError{Op: "dial", Net: "mem", Err: errUnrecorded}
	}
	c := newMemConn(w)
	c.frag = w.plan.frag
	if w.plan.small {
		c.inCap = 4 << 10
	}
	s := &session{w: w, p: w.plan, conn: c, number: len(w.sessions) + 1, run: w.run, irregular: -1, shifted: -1}
	c.h = s
	c.deafTo = s.number % 3
	w.sessions = append(w.sessions, s)
	w.ofRun = append(w.ofRun, s)
	g := s.add(greeting, "")
	s.answer(g, true, 0, func() {}, nil)
	return c, nil
}

// idle is what a host does that has waited for too long: it closes, and some say so.
func (w *world) idle() {
	for _, s := range w.ofRun {
		if s.over {
			continue
		}
		if s.number%2 == 0 {
			s.send(reply{421, w.plan.flavour.status("4.4.2"), "Error: timeout exceeded"}, other, 0, false)
		}
		s.close("idle", false)
	}
}

// newTransport is that of a new process.
func (w *world) newTransport() *relay.Transport {
	id := &identity.Identity{Name: "test", Host: "mx.example.org", Port: "25", TLS: identity.TLSOff, Helo: "client.example.org",
		Sessions: w.count}
	return relay.New(id, relay.Options{Dial: w.dial, StateDir: relay.StateAt(w.state)})
}

// carry is one run: of a new process, or of the same as before.
func (w *world) carry(fresh bool) {
	w.run++
	w.ofRun, w.events, w.dials, w.dead, w.ended = nil, 0, 0, false, false
	w.spool.begin(w.late)
	if fresh || w.transport == nil {
		w.transport = w.newTransport()
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.trace(nil, '*', fmt.Sprintf("(run %d)", w.run))
	began := time.Now()
	panicked := w.runs(ctx)
	cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	if panicked {
		return
	}
	if d := time.Since(began); d > maxRun {
		w.violate("C", "the run took %v", d)
	}
	for _, s := range w.ofRun {
		if !s.conn.gone && !w.dead {
			w.violate("B", "session %d is left open", s.number)
		}
	}
	if w.dead {
		w.die()
	}
	w.judge()
}

// runs reports whether Run has panicked.
func (w *world) runs(ctx context.Context) (panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			panicked = true
			w.violate("A", "Run panics: %v\n%s", p, debug.Stack())
			for _, s := range w.ofRun {
				s.conn.Close()
			}
		}
	}()
	w.transport.Run(ctx, spoolSource{w.spool})
	return false
}

// die makes of the spool what the next process finds there.
func (w *world) die() {
	w.transport = nil
	for _, m := range w.msgs {
		for _, r := range m.rcpts {
			if r.mark && !w.power {
				r.state, r.unsure = queue.Delayed, true
			}
			r.mark = false
		}
	}
}

// settled reports whether there is nothing left to be sent.
func (w *world) settled() bool {
	for _, m := range w.msgs {
		for _, r := range m.rcpts {
			if !r.settled() {
				return false
			}
		}
	}
	return true
}
