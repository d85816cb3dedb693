package relay_test

import (
	"esmtpq/queue"
	"fmt"
	"strings"
)

// A scene is a dialogue with a name: a host as one that was met, and what has to come of it.
type scene struct {
	*world
	p *plan
}

// new begins anew, with messages in the spool.
func (s *scene) new(msgs ...*message) {
	w := newWorld(s.p, msgs)
	w.verbose = s.verbose
	if s.spool != nil {
		w.broken, w.lines = s.broken, s.lines
	}
	s.world = w
}

// add submits more messages.
func (s *scene) add(msgs ...*message) {
	for _, m := range msgs {
		s.msgs = append(s.msgs, m)
		s.byFrom[m.from] = m
		for _, r := range m.rcpts {
			s.byAddr[r.addr] = r
		}
	}
	s.spool.all = s.msgs
}

func (s *scene) more(n int) {
	for range n {
		s.add(msgOf(len(s.msgs), 1))
	}
}

func msgOf(n, rcpts int) *message {
	return newMessage(n, rcpts, fmt.Sprintf("Subject: m%d\n\ntext of m%d\n", n, n))
}

func many(n int) []*message {
	var all []*message
	for i := range n {
		all = append(all, msgOf(i, 1))
	}
	return all
}

// limit is a host with a limit of recipients, and two messages, which have to go in one run and
// one session.
func (s *scene) limit(at int, over reply, rcpts int) {
	s.new(msgOf(0, rcpts), msgOf(1, rcpts))
	s.p.maxRcpts, s.p.overRcpt = at, over
	s.carry(true)
	s.allOnce()
	s.sessionsOfRun(1)
}

// want checks what is recorded of a recipient. Words are the host's, or "login", which are ours.
func (s *scene) want(m, r int, a queue.Action, words string) {
	x := s.msgs[m].rcpts[r]
	if s.p.flavour == terse && words != "login" {
		words = "" // this one says nothing
	}
	switch {
	case x.report == nil && x.state != a:
		s.violate("N", "%s: no report, want %s", x.addr, a)
	case x.report != nil && (x.report.Action != a || x.report.Unsure || !strings.Contains(x.report.Text, words)):
		s.violate("N", "%s: %s, want %s with %q", x.addr, show(*x.report), a, words)
	}
}

func (s *scene) takes(m, r, n int) {
	if x := s.msgs[m].rcpts[r]; len(x.takes) != n {
		s.violate("N", "%s was taken %d times, not %d", x.addr, len(x.takes), n)
	}
}

func (s *scene) allRelayed() {
	for _, m := range s.msgs {
		for _, r := range m.rcpts {
			if r.state != queue.Relayed {
				s.violate("N", "%s is %q, not relayed", r.addr, r.state)
				return
			}
		}
	}
}

func (s *scene) allOnce() {
	s.allRelayed()
	for i, m := range s.msgs {
		for j, r := range m.rcpts {
			if len(r.takes) != 1 {
				s.takes(i, j, 1)
				return
			}
		}
	}
}

func (s *scene) noneFailed() {
	for _, m := range s.msgs {
		for _, r := range m.rcpts {
			if r.state == queue.Failed {
				s.violate("N", "%s: %s", r.addr, show(*r.report))
				return
			}
		}
	}
}

// settledAs checks that all of a message has become of it what the host has said.
func (s *scene) settledAs(m *message) {
	for _, r := range m.rcpts {
		if want := s.due(r); r.state != want {
			s.violate("N", "%s is %q, not %s", r.addr, r.state, want)
			return
		}
	}
}

func (s *scene) sessionsOfRun(n int) {
	if len(s.ofRun) > n {
		s.violate("N", "%d sessions in a run, not %d", len(s.ofRun), n)
	}
}

func (s *scene) rcptsOf(m int) []*command {
	var all []*command
	for _, x := range s.sessions {
		for _, c := range x.commands {
			if c.verb == rcpt && c.txn != nil && c.txn.msg == s.msgs[m] {
				all = append(all, c)
			}
		}
	}
	return all
}
