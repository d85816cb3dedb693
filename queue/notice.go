package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Notice is what the owner of the queue is to hear about recipients of one message that go,
// or went, by one lane.
type Notice struct {
	Kind       NoticeKind
	Message    *Message
	Recipients []int // their indexes
	Lane       string
	Content    Content // as submitted; nil if it cannot be read
	// Others counts further messages that are late for the same reason, which get no notice of their own.
	Others int
	// Until is when an Overdue message is given up, or a Lost one dropped; zero if that is not known.
	Until time.Time
}

// A NoticeKind says what a notice is about.
type NoticeKind int

const (
	Lost    NoticeKind = iota // recipients failed, or were given up
	Overdue                   // recipients wait for long
	Dropped                   // the message, failed long ago, leaves the queue
)

// A Notifier tells the owner of the queue. When it returns nil the notice is durable: it is never
// given again, while a crash or an error means that it is.
type Notifier interface {
	Notify(ctx context.Context, n *Notice) error
}

// ErrNobody is what a Notifier returns where there is no way to reach anybody.
var ErrNobody = errors.New("nobody to tell")

// A concern is a part of a message that its owner may have to hear of.
type concern struct {
	lane       string
	recipients []int
}

// tell tells what has to be told of the messages that this run has met, and drops those whose time
// is over. It returns whether there is new mail because of that: bounces. It is
// called when no lane is at work.
func (r *run) tell(ids []string) (more bool) {
	slices.Sort(ids)
	waiting := map[string][]string{} // by reason: queue IDs
	var reasons []string
	for _, id := range slices.Compact(ids) {
		if r.ctx.Err() != nil {
			return more
		}
		r.with(id, func(e *entry) {
			more = r.tellLost(e) || more
			if key := r.overdue(e.msg); key != "" {
				if waiting[key] == nil {
					reasons = append(reasons, key)
				}
				waiting[key] = append(waiting[key], id)
			}
			more = r.drop(e) || more
		})
	}
	for _, key := range reasons {
		more = r.tellOverdue(waiting[key]) || more
	}
	return more
}

// with opens an entry for f. One that is gone, or that somebody works on, is left to the next run.
func (r *run) with(id string, f func(e *entry)) {
	r.mu.Lock()
	e, err := r.acquire(id)
	r.mu.Unlock()
	if err != nil {
		return
	}
	f(e)
	r.mu.Lock()
	r.release(e)
	r.mu.Unlock()
}

// addressee tells whether there is anybody to tell of a message: not behind a null reverse-path, which
// bounces and those who want none have.
func (m *Message) addressee() bool {
	return m.Envelope.ReversePath == nil || *m.Envelope.ReversePath != ""
}

// wants tells whether the submitter wants to hear of something (RFC 3461, 4.1): unless said otherwise, of
// failures and of delays.
func (rcpt *Recipient) wants(what string) bool {
	return rcpt.Notify == "" || slices.Contains(strings.Split(strings.ToUpper(rcpt.Notify), ","), what)
}

// concerns groups recipients by the lane they go by; "" is that of those that have none.
func (r *run) concerns(m *Message, which func(i int) bool) []concern {
	var cs []concern
	for i, rcpt := range m.Envelope.Recipients {
		if !which(i) {
			continue
		}
		lane := ""
		if route, err := r.router.Route(&m.Envelope, rcpt); err == nil {
			lane = route.Lane
		}
		k := slices.IndexFunc(cs, func(c concern) bool { return c.lane == lane })
		if k < 0 {
			k = len(cs)
			cs = append(cs, concern{lane: lane})
		}
		cs[k].recipients = append(cs[k].recipients, i)
	}
	return cs
}

// untold tells whether recipient i has failed and its owner does not know.
func (m *Message) untold(i int) bool {
	return m.addressee() && m.Progress[i].State == Refused && m.Progress[i].Told.IsZero() && m.Envelope.Recipients[i].wants("FAILURE")
}

// tellLost tells of failed recipients, each once.
func (r *run) tellLost(e *entry) (told bool) {
	m := e.msg
	for _, c := range r.concerns(m, m.untold) {
		n := &Notice{Kind: Lost, Message: m, Recipients: c.recipients, Lane: c.lane, Until: after(time.Now(), r.opt.Limits.keepFailed())}
		err := r.notify(n)
		if err != nil && !r.said(n, err) {
			continue
		}
		told = told || err == nil
		if err := e.told(c.recipients, time.Now()); err != nil {
			r.troubled("record that %s was told of: %v", m.ID, err)
		}
	}
	return told
}

// notify gives a notice to the Notifier. Trouble is noted.
func (r *run) notify(n *Notice) error {
	if r.opt.Notifier == nil {
		return ErrNobody
	}
	if c, err := r.q.content(n.Message); err == nil {
		n.Content = c
	}
	err := r.opt.Notifier.Notify(r.ctx, n)
	if err != nil && !errors.Is(err, ErrNobody) {
		r.troubled("tell of %s: %v", n.Message.ID, err)
	}
	return err
}

// said tells whether the summary tells what the Notifier could not: somebody has to read it.
func (r *run) said(n *Notice, err error) bool {
	if !errors.Is(err, ErrNobody) || !r.opt.Attended {
		return false
	}
	if n.Kind == Overdue {
		return true // all that waits is in the summary
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range n.Message.failures(n.Recipients) {
		known := func(other Failure) bool { return other.ID == f.ID && other.Recipient == f.Recipient }
		if !slices.ContainsFunc(r.sum.Failed, known) {
			r.sum.Failed = append(r.sum.Failed, f)
		}
	}
	return true
}

// failures returns what became of some recipients.
func (m *Message) failures(indexes []int) []Failure {
	fs := make([]Failure, len(indexes))
	for k, i := range indexes {
		p := &m.Progress[i]
		fs[k] = Failure{m.ID, i, m.Envelope.Recipients[i].Address, Report{
			Action: Failed, Code: p.Code, Status: p.Status, Text: p.Text, Host: p.Host}}
	}
	return fs
}

// overdue returns under which reason a message is late and its owner should hear of it; "" for none.
// What an identity in disorder holds up is late for one and the same reason.
func (r *run) overdue(m *Message) string {
	limit := r.opt.Limits.delayNotice()
	if m.Held || m.DelayTold || limit < 0 || !m.addressee() {
		return ""
	}
	for _, c := range r.concerns(m, m.delayed) {
		last, reason := m.Last, m.ID
		r.mu.Lock()
		if p := r.parked[c.lane]; p != nil {
			last, reason = p.Last, c.lane
		} else if c.lane == "" {
			last, reason = time.Now(), "-"
		}
		r.mu.Unlock()
		if late(m.Envelope.Arrival, last, limit) {
			return reason
		}
	}
	return ""
}

// delayed tells whether recipient i waits after an attempt, and its owner wants to hear of delays.
func (m *Message) delayed(i int) bool {
	s := m.Progress[i].State
	return (s == Deferred || s == Unsure) && m.Envelope.Recipients[i].wants("DELAY")
}

// tellOverdue tells of messages that are late for one reason: of the first, and how many more there are.
func (r *run) tellOverdue(ids []string) (told bool) {
	done := false
	r.with(ids[0], func(e *entry) {
		cs := r.concerns(e.msg, e.msg.delayed)
		if len(cs) == 0 {
			return
		}
		n := &Notice{Kind: Overdue, Message: e.msg, Recipients: cs[0].recipients, Lane: cs[0].lane, Others: len(ids) - 1}
		if t := after(e.msg.Envelope.Arrival, r.opt.Limits.expire()); t.After(time.Now()) {
			n.Until = t
		}
		err := r.notify(n)
		told = err == nil
		done = told || r.said(n, err)
	})
	if !done {
		return false
	}
	for _, id := range ids {
		r.with(id, func(e *entry) {
			if err := e.delayTold(); err != nil {
				r.troubled("record that %s was told of: %v", id, err)
			}
		})
	}
	return told
}

// drop removes a message whose failed recipients were kept long enough, and says so: in a notice, or else in
// the summary. A run that can do neither leaves it.
func (r *run) drop(e *entry) (told bool) {
	m := e.msg
	if !r.opt.Limits.forgotten(m, time.Now()) {
		return false
	}
	failed := m.indexes(func(i int) bool { return m.Progress[i].State == Refused })
	wanted := r.concerns(m, func(i int) bool {
		return m.addressee() && m.Progress[i].State == Refused && m.Envelope.Recipients[i].wants("FAILURE")
	})
	for _, c := range wanted {
		told = r.notify(&Notice{Kind: Dropped, Message: m, Recipients: c.recipients, Lane: c.lane}) == nil || told
	}
	if !told && !r.opt.Attended {
		return false
	}
	if err := r.q.removeEntry(m.ID); err != nil {
		r.troubled("drop %s: %v", m.ID, err)
		return told
	}
	r.mu.Lock()
	r.sum.Dropped = append(r.sum.Dropped, m.failures(failed)...)
	r.mu.Unlock()
	return told
}

func (m *Message) indexes(which func(i int) bool) []int {
	var is []int
	for i := range m.Progress {
		if which(i) {
			is = append(is, i)
		}
	}
	return is
}

// troubled is trouble for those who do not hold mu.
func (r *run) troubled(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble(format, args...)
}

// told records that the owner knows of failed recipients.
func (e *entry) told(indexes []int, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, i := range indexes {
		p := &e.msg.Progress[i]
		p.Told = now
		if _, err := e.f.WriteAt(appendRecipientLine(nil, p), e.recipientAt(i)); err != nil {
			return err
		}
	}
	return syncData(e.f)
}

// delayTold records that the owner knows that the message is late.
func (e *entry) delayTold() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.msg.DelayTold = true
	if err := e.writeMessageLine(); err != nil {
		return err
	}
	return syncData(e.f)
}

// giveUp makes failures of what was delayed in an attempt for a message that has been tried for long
// enough. Trouble of its identity is never the message's.
func (l *lane) giveUp(d *Delivery, reports []Report, now time.Time) []Report {
	d.entry.mu.Lock()
	defer d.entry.mu.Unlock()
	m := d.entry.msg
	if !l.run.opt.Limits.expired(m, now) {
		return reports
	}
	reports = slices.Clone(reports) // they are the transport's
	for k := range reports {
		r := &reports[k]
		if r.Action != Delayed || r.Scope == ScopeIdentity {
			continue
		}
		if r.Unsure || m.Progress[d.indexes[k]].State == Unsure {
			r.Text, r.Unsure = fmt.Sprintf("possibly delivered: %s", r.Text), false
		}
		r.Action = Failed
	}
	return reports
}
