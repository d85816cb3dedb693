package queue

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"esmtpq/queue/spool"
)

// A Notice tells the owner of the queue about recipients of one message that go, or went, to one
// destination.
type Notice struct {
	Kind        NoticeKind
	Message     *spool.Message
	Recipients  []int // their indexes
	Destination string
	Content     Content // as submitted; nil if it cannot be read
	// Others counts further messages that are late for the same reason and get no notice of their
	// own.
	Others int
	// Until is when an Overdue message is given up, or a Lost one dropped; zero if that is not
	// known.
	Until time.Time
}

// A NoticeKind is the subject of a notice.
type NoticeKind int

const (
	Lost    NoticeKind = iota // recipients failed, or were given up
	Overdue                   // recipients have waited for long
	Dropped                   // the message, failed long ago, leaves the queue
)

// A Notifier tells the owner of the queue. When it returns nil, the notice is durable and is
// never given again; after a crash or an error it is given again.
type Notifier interface {
	Notify(ctx context.Context, n *Notice) error
}

// ErrNobody is what a Notifier returns if there is no way to reach anybody.
var ErrNobody = errors.New("nobody to tell")

// A concern is a part of a message that its owner may have to be told of.
type concern struct {
	destination string
	recipients  []int
}

// tell gives the notices that are due for the messages that this run has met, and drops messages
// whose time is over. It returns whether there is new mail because of that: bounces. It is called
// when no destination is at work.
func (r *run) tell(ids []string) (more bool) {
	slices.Sort(ids)
	waiting := map[string][]string{} // by reason: queue IDs
	var reasons []string
	for _, id := range slices.Compact(ids) {
		if r.ctx.Err() != nil {
			return more
		}
		r.with(id, func(e *openEntry) {
			more = r.tellLost(e) || more
			if key := r.overdue(e.Message()); key != "" {
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

// with opens an entry for f. An entry that is gone, or that another process works on, is left to
// the next run.
func (r *run) with(id string, f func(e *openEntry)) {
	e, err := r.acquire(id)
	if err != nil {
		return
	}
	defer r.release(e)
	f(e)
}

// addressee reports whether anybody is to be told of a message: nobody is, if it has a null
// reverse-path, as bounces have, and mail of people who want none.
func addressee(m *spool.Message) bool {
	return m.Envelope.ReversePath == nil || *m.Envelope.ReversePath != ""
}

// wants reports whether the submitter wants to be told of something (RFC 3461, 4.1): of failures
// and of delays, by default.
func wants(rcpt *Recipient, what string) bool {
	return rcpt.Notify == "" || slices.Contains(strings.Split(strings.ToUpper(rcpt.Notify), ","), what)
}

// concerns groups recipients by destination; "" is for those that have none.
func (r *run) concerns(m *spool.Message, which func(m *spool.Message, i int) bool) []concern {
	var cs []concern
	for i, rcpt := range m.Envelope.Recipients {
		if !which(m, i) {
			continue
		}
		to := ""
		if route, err := r.router.Route(&m.Envelope, rcpt); err == nil {
			to = route.Destination
		}
		k := slices.IndexFunc(cs, func(c concern) bool { return c.destination == to })
		if k < 0 {
			k = len(cs)
			cs = append(cs, concern{destination: to})
		}
		cs[k].recipients = append(cs[k].recipients, i)
	}
	return cs
}

// untold reports whether recipient i has failed and the owner has not been told.
func untold(m *spool.Message, i int) bool {
	return addressee(m) && m.Progress[i].State == spool.Refused && m.Progress[i].Told.IsZero() && wants(&m.Envelope.Recipients[i], "FAILURE")
}

// hasUntold reports whether that is so for any recipient.
func hasUntold(m *spool.Message) bool {
	return len(m.Indexes(func(i int) bool { return untold(m, i) })) > 0
}

// tellLost gives notices about failed recipients, each once.
func (r *run) tellLost(e *openEntry) (told bool) {
	m := e.Message()
	for _, c := range r.concerns(m, untold) {
		n := &Notice{Kind: Lost, Message: m, Recipients: c.recipients, Destination: c.destination, Until: after(time.Now(), r.opt.Limits.keepFailed())}
		err := r.notify(n)
		if err != nil && !r.said(n, err) {
			continue
		}
		told = told || err == nil
		if err := e.Told(c.recipients, time.Now()); err != nil {
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
	if c, err := r.q.Content(n.Message); err == nil {
		n.Content = c
	}
	err := r.opt.Notifier.Notify(r.ctx, n)
	if err != nil && !errors.Is(err, ErrNobody) {
		r.troubled("tell of %s: %v", n.Message.ID, err)
	}
	return err
}

// said reports whether the summary tells what the Notifier could not, which takes a person who
// reads it.
func (r *run) said(n *Notice, err error) bool {
	if !errors.Is(err, ErrNobody) || !r.opt.Attended {
		return false
	}
	if n.Kind == Overdue {
		return true // the summary has all waiting mail
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range failures(n.Message, n.Recipients) {
		known := func(other Failure) bool { return other.ID == f.ID && other.Recipient == f.Recipient }
		if !slices.ContainsFunc(r.sum.Failed, known) {
			r.sum.Failed = append(r.sum.Failed, f)
		}
	}
	return true
}

// failures returns what became of some recipients.
func failures(m *spool.Message, indexes []int) []Failure {
	fs := make([]Failure, len(indexes))
	for k, i := range indexes {
		p := &m.Progress[i]
		fs[k] = Failure{m.ID, i, m.Envelope.Recipients[i].Address, Report{
			Action: Failed, Code: p.Code, Status: p.Status, Text: p.Text, Host: p.Host}}
	}
	return fs
}

// overdue returns the reason for which a message is late and its owner should be told; "" for
// none. All mail of an identity that waits is late for the same reason.
func (r *run) overdue(m *spool.Message) string {
	limit := r.opt.Limits.delayNotice()
	if m.Held || m.DelayTold || limit < 0 || !addressee(m) {
		return ""
	}
	for _, c := range r.concerns(m, delayed) {
		last, reason := m.Last, m.ID
		r.mu.Lock()
		if p := r.backoffs[c.destination]; p != nil {
			last, reason = p.Last, c.destination
		} else if c.destination == "" {
			last, reason = time.Now(), "-"
		}
		r.mu.Unlock()
		if late(m.Envelope.Arrival, last, limit) {
			return reason
		}
	}
	return ""
}

// delayed reports whether recipient i waits after an attempt, and the submitter wants to be told
// of delays.
func delayed(m *spool.Message, i int) bool {
	s := m.Progress[i].State
	return (s == spool.Deferred || s == spool.Unsure) && wants(&m.Envelope.Recipients[i], "DELAY")
}

// tellOverdue gives one notice about messages that are late for one reason: about the first, with
// the number of the others.
func (r *run) tellOverdue(ids []string) (told bool) {
	done := false
	r.with(ids[0], func(e *openEntry) {
		cs := r.concerns(e.Message(), delayed)
		if len(cs) == 0 {
			return
		}
		n := &Notice{Kind: Overdue, Message: e.Message(), Recipients: cs[0].recipients, Destination: cs[0].destination, Others: len(ids) - 1}
		if t := after(e.Message().Envelope.Arrival, r.opt.Limits.expire()); t.After(time.Now()) {
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
		r.with(id, func(e *openEntry) {
			if err := e.DelayTold(); err != nil {
				r.troubled("record that %s was told of: %v", id, err)
			}
		})
	}
	return told
}

// drop removes a message whose failed recipients were kept long enough, and says so in a notice,
// or else in the summary. A run that can do neither leaves the message.
func (r *run) drop(e *openEntry) (told bool) {
	m := e.Message()
	if !r.opt.Limits.forgotten(m, time.Now()) {
		return false
	}
	failed := m.Indexes(func(i int) bool { return m.Progress[i].State == spool.Refused })
	wanted := r.concerns(m, func(m *spool.Message, i int) bool {
		return addressee(m) && m.Progress[i].State == spool.Refused && wants(&m.Envelope.Recipients[i], "FAILURE")
	})
	for _, c := range wanted {
		told = r.notify(&Notice{Kind: Dropped, Message: m, Recipients: c.recipients, Destination: c.destination}) == nil || told
	}
	if !told && !r.opt.Attended {
		return false
	}
	if err := e.Remove(); err != nil {
		r.troubled("drop %s: %v", m.ID, err)
		return told
	}
	r.mu.Lock()
	r.sum.Dropped = append(r.sum.Dropped, failures(m, failed)...)
	r.mu.Unlock()
	return told
}
