package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"esmtpq/queue"
)

// A message is one in the spool, and what the host thinks of it.
type message struct {
	id      string
	at      int
	from    string
	rcpts   []*recipient
	content string // with LF
	wire    []byte // with CRLF
	damaged bool   // cannot be read to its end
	maxLine int    // as the envelope has it

	refusal   int  // the host's code for it, 0 for none
	refusedAt verb // mail or dot

	d     *queue.Delivery // of this run
	index []int           // of d's recipients in rcpts
}

// A recipient is one of a message.
type recipient struct {
	msg     *message
	at      int
	addr    string
	refusal int    // the host's code for it, 0 for none
	words   string // and its words, "" for the usual ones

	state  queue.Action // "" for untried
	unsure bool         // the last attempt may have delivered
	mark   bool         // Sending was called
	report *queue.Report

	reported int  // in this run
	marked   int  // calls of Sending in this run
	lost     bool // this run's report could not be recorded
	takes    []*txn
	tries    []*txn // transactions of this run
}

// begun reports whether the host has seen the envelope of m in this run.
func (m *message) begun() bool {
	for _, r := range m.rcpts {
		if len(r.tries) > 0 {
			return true
		}
	}
	return false
}

func (r *recipient) settled() bool { return r.state == queue.Relayed || r.state == queue.Failed }

func newMessage(n, rcpts int, content string) *message {
	m := &message{id: fmt.Sprintf("m%d", n), at: n, content: content}
	m.from = m.id + "@example.org"
	for i := range rcpts {
		m.rcpts = append(m.rcpts, &recipient{msg: m, at: i, addr: fmt.Sprintf("%sr%d@example.com", m.id, i)})
	}
	text := content
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	m.wire = []byte(strings.ReplaceAll(text, "\n", "\r\n"))
	return m
}

var errDamaged = errors.New("not what was submitted")

type memContent struct{ m *message }

func (c memContent) Size() int64     { return int64(len(c.m.content)) }
func (c memContent) WireSize() int64 { return int64(len(c.m.wire)) }
func (c memContent) EightBit() bool {
	return strings.IndexFunc(c.m.content, func(r rune) bool { return r > 127 }) >= 0
}
func (c memContent) Open() (io.ReadCloser, error) {
	return &memReader{r: strings.NewReader(c.m.content), damaged: c.m.damaged}, nil
}

type memReader struct {
	r       *strings.Reader
	damaged bool
}

func (r *memReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err == io.EOF && r.damaged {
		err = errDamaged
	}
	return n, err
}

func (r *memReader) Close() error { return nil }

// A spool is the queue of a dialogue, as a run sees it.
type spool struct {
	w      *world
	all    []*message
	left   []*message // to be drawn in this run
	coming []*message // that arrive while it goes on
	drawn  []*message
	waits  int // calls of wait that are answered without need

	failed    bool // an error was returned
	failAt    int  // the call of sending or record that fails; 0 for none
	calls     int
	scans     bool // Next without waiting may find nothing
	asked     int
	suspended bool // ScopeIdentity was recorded
	reports   int
}

// begin makes ready for a run. Of what is to be sent, some comes late.
func (s *spool) begin(late int) {
	s.left, s.drawn, s.coming, s.failed, s.suspended, s.waits, s.calls = nil, nil, nil, false, false, 0, 0
	for _, m := range s.all {
		m.d, m.index = nil, nil
		open := false
		for _, r := range m.rcpts {
			r.reported, r.marked, r.lost, r.report, r.tries = 0, 0, false, nil, nil
			open = open || !r.settled()
		}
		if open {
			s.left = append(s.left, m)
		}
	}
	if late > 0 && late < len(s.left) {
		s.coming = s.left[len(s.left)-late:]
		s.left = s.left[:len(s.left)-late]
		s.waits = 2
	}
}

// enter locks the world: workers of a pool call at the same time.
func (s *spool) enter() { s.w.mu.Lock() }

func (s *spool) leave() { s.w.mu.Unlock() }

var errUnrecorded = errors.New("no space left on device")

// next is Next. Where it need not wait it may find nothing, if the plan has scans.
func (s *spool) next(wait bool) *queue.Delivery {
	s.enter()
	defer s.leave()
	s.w.event(nil, nil)
	s.w.trace(nil, '*', fmt.Sprintf("Next(%v): %d left", wait, len(s.left)))
	if s.w.dead || len(s.left) == 0 {
		return nil
	}
	if s.asked++; !wait && s.scans && s.asked%3 == 0 {
		return nil
	}
	if s.suspended || s.failed {
		s.w.violate("B", "Next although nothing more can go out")
	}
	m := s.left[0]
	s.left = s.left[1:]
	s.drawn = append(s.drawn, m)
	m.d = &queue.Delivery{ID: m.id, Envelope: &queue.Envelope{MaxLine: int64(m.maxLine)}, ReversePath: m.from, Content: memContent{m}}
	if s.w.plan.holds {
		m.d.HoldUntil = time.Now().Add(48 * time.Hour)
	}
	for i, r := range m.rcpts {
		if !r.settled() {
			m.d.Recipients = append(m.d.Recipients, queue.Recipient{Address: r.addr})
			m.index = append(m.index, i)
		}
	}
	return m.d
}

func (s *spool) backlog() int {
	s.enter()
	defer s.leave()
	return len(s.left)
}

// wait lets the next message arrive, or none.
func (s *spool) wait(ctx context.Context, limit time.Duration) bool {
	s.enter()
	defer s.leave()
	if s.w.dead || ctx.Err() != nil || len(s.left) == 0 && len(s.coming) == 0 {
		return false
	}
	if len(s.left) > 0 {
		return true
	}
	s.w.mu.Unlock()
	timer := time.NewTimer(min(limit, time.Second))
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	timer.Stop()
	s.w.mu.Lock()
	if s.w.plan.idles {
		s.w.idle()
	}
	if s.waits > 0 && s.waits%2 == 0 {
		s.waits--
		return true // for nothing
	}
	if len(s.coming) == 0 {
		return false
	}
	s.left, s.coming = append(s.left, s.coming[0]), s.coming[1:]
	return true
}

func (s *spool) find(d *queue.Delivery) *message {
	for _, m := range s.drawn {
		if m.d == d {
			return m
		}
	}
	return nil
}

// of returns those recipients of a delivery that indexes name, nil for all.
func (s *spool) of(d *queue.Delivery, indexes []int, what string) (*message, []*recipient) {
	m := s.find(d)
	if m == nil {
		s.w.violate("A", "%s for a delivery that was not drawn", what)
		return nil, nil
	}
	if indexes == nil {
		for i := range m.index {
			indexes = append(indexes, i)
		}
	}
	var all []*recipient
	for _, i := range indexes {
		if i < 0 || i >= len(m.index) {
			s.w.violate("A", "%s for recipient %d of %s", what, i, m.id)
			continue
		}
		all = append(all, m.rcpts[m.index[i]])
	}
	return m, all
}

func (s *spool) sending(d *queue.Delivery, indexes []int) error {
	s.enter()
	defer s.leave()
	before := s.w.events%2 == 0
	if before {
		s.w.event(nil, nil)
	}
	if s.w.dead {
		return errUnrecorded
	}
	if s.calls++; s.calls == s.failAt || s.failed {
		s.failed = true
		return errUnrecorded
	}
	m, all := s.of(d, indexes, "Sending")
	for _, r := range all {
		if r.reported > 0 {
			s.w.violate("B", "Sending for %s, which is reported", r.addr)
		}
		r.mark = true
		r.marked++
	}
	if m != nil {
		s.w.trace(nil, '*', "Sending "+m.id)
	}
	if m != nil && s.suspended && !m.begun() {
		s.w.violate("B", "Sending %s, which was not begun when the identity was suspended", d.ID)
	}
	if !before {
		s.w.event(nil, nil)
	}
	return nil
}

func (s *spool) record(d *queue.Delivery, indexes []int, reports []queue.Report) {
	_, all := s.of(d, indexes, "Record")
	if len(all) != len(reports) {
		s.w.violate("A", "%d reports for %d recipients of %s", len(reports), len(all), d.ID)
		return
	}
	for i, r := range all {
		s.reports++
		rep := reports[i]
		if r.reported++; r.reported > 1 {
			s.w.violate("A", "%s is reported twice: %s, then %s", r.addr, show(*r.report), show(rep))
		}
		r.report = &rep
		r.mark = false
		if s.failed {
			r.state, r.unsure, r.lost = queue.Delayed, r.marked > 0, true
		} else {
			r.state, r.unsure = rep.Action, rep.Unsure
		}
		if rep.Scope == queue.ScopeIdentity {
			s.suspended = true
		}
		if s.w.verbose {
			s.w.trace(nil, '*', "Record "+r.addr+" "+show(rep))
		}
		switch {
		case rep.Action != queue.Relayed && rep.Action != queue.Delayed && rep.Action != queue.Failed:
			s.w.violate("B", "%s: action %q", r.addr, rep.Action)
		case rep.Text == "":
			s.w.violate("B", "%s: %s without a text", r.addr, show(rep))
		case rep.Action != queue.Relayed && rep.Scope == "":
			s.w.violate("B", "%s: %s without a scope", r.addr, show(rep))
		case rep.Unsure && rep.Action != queue.Delayed:
			s.w.violate("B", "%s: %s, unsure", r.addr, show(rep))
		case s.w.plan.holds && (rep.Action == queue.Failed || rep.Action == queue.Delayed && !rep.Unsure && rep.Scope != queue.ScopeIdentity && rep.Until.IsZero()):
			s.w.violate("A", "%s: %s, before its time", r.addr, show(rep))
		case !rep.Until.IsZero() && (!s.w.plan.holds || rep.Action != queue.Delayed || rep.Unsure):
			s.w.violate("B", "%s: %s, and left alone until %v", r.addr, show(rep), rep.Until)
		case rep.Status == "":
			s.w.violate("B", "%s: %s without a status", r.addr, show(rep))
		}
		if (rep.Action == queue.Relayed || rep.Unsure) && r.marked == 0 {
			s.w.violate("A", "%s: %s without Sending", r.addr, show(rep))
		}
	}
}

// recordAll records together what a transport has come to.
func (s *spool) recordAll(all []queue.Outcome) error {
	s.enter()
	defer s.leave()
	before := s.w.events%2 == 0
	if before {
		s.w.event(nil, nil)
	}
	if s.w.dead {
		return errUnrecorded
	}
	if s.calls++; s.calls == s.failAt || s.failed {
		s.failed = true
	}
	for _, o := range all {
		s.record(o.Delivery, o.Recipients, o.Reports)
	}
	if !before {
		s.w.event(nil, nil)
	}
	if s.failed {
		return errUnrecorded
	}
	return nil
}

func show(r queue.Report) string {
	s := string(r.Action)
	if r.Scope != "" {
		s += "/" + string(r.Scope)
	}
	if r.Unsure {
		s += " unsure"
	}
	if r.Code != 0 {
		s += fmt.Sprint(" ", r.Code)
	}
	return s + " " + r.Status + " " + r.Text
}

func same(a, b []byte) bool { return bytes.Equal(a, b) }
