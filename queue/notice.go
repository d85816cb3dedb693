package queue

import (
	"context"
	"slices"
	"strings"
	"time"

	"esmtpq/queue/spool"
)

// A Notice tells the owner of the queue about mail: what was refused in a run, or waits for one
// reason.
type Notice struct {
	Kind  NoticeKind
	Parts []Part // the first messages, in order; at least one
	// Others counts further messages that the notice is about.
	Others int
	// Until is when Overdue messages are given up, or Lost ones dropped; zero if that is not
	// known, or differs.
	Until time.Time
	// Cure is what a person has to do about Blocked mail, "" if nothing more is known.
	Cure string
}

// A Part is what a notice says of one message.
type Part struct {
	Message     *spool.Message
	Recipients  []int // their indexes; none if the message cannot be read
	Destination string
	Content     Content // as submitted; nil if it cannot be read
	Why         string  // why it cannot be sent, if no recipient says so
}

// A NoticeKind is the subject of a notice.
type NoticeKind int

const (
	Lost    NoticeKind = iota // recipients failed, or were given up
	Overdue                   // recipients have waited for long
	Dropped                   // the message, failed long ago, leaves the queue
	Stuck                     // the message cannot be sent before its owner has mended something
	Blocked                   // nor can anything of its identity
)

// A Way is how the owner is told of a message. Messages of one kind with the same Way are told
// together.
type Way struct {
	Name    string // "" for no way
	Spooled bool   // the notice is mail for the local agent, and goes out in a run of its own
}

// A Notifier tells the owner of the queue.
type Notifier interface {
	// Way returns how the owner is to be told of a message of a destination.
	Way(m *spool.Message, destination string) Way
	// Notify gives a notice by the Way of its parts. When it returns nil, the notice is durable
	// and is never given again; after a crash or an error it is given again. Notify is called
	// without the lock of the run, and ends with ctx.
	Notify(ctx context.Context, n *Notice) error
}

// A concern is a part of a message that its owner may have to be told of.
type concern struct {
	destination string
	recipients  []int
}

// A pile is a notice that is still to be given, with the names of everything that it is about.
type pile struct {
	kind    NoticeKind
	way     Way
	members []member
	// trouble is what Blocked mail waits for, by its key of Told, and since when.
	trouble string
	since   time.Time
	cure    string
}

// A member is a message of a pile.
type member struct {
	id          string
	destination string
	why         string // of an entry that cannot be read
}

// collect finds out what the owner has to be told of the messages that this run has met. Where
// there is no way to do so, the summary of a run that a person reads counts. It is called at the end
// of the run, when no destination is at work.
func (r *run) collect() {
	ids := r.noted
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if r.ctx.Err() != nil {
			return
		}
		r.with(id, func(e *openEntry) {
			r.collectLost(e)
			r.collectOverdue(e)
			r.collectDropped(e)
		})
	}
	r.collectBlocked()
	for id, u := range r.unsendable {
		if !u.Passing {
			r.heap(Stuck, stub(id), concern{}, id, u.Why)
		}
	}
	for _, p := range r.piles {
		slices.SortFunc(p.members, func(a, b member) int { return strings.Compare(a.id, b.id) })
	}
}

// heap adds a message to the pile of its kind, way and reason, if there is a way to tell of it.
func (r *run) heap(kind NoticeKind, m *spool.Message, c concern, reason, why string) (way Way) {
	if r.opt.Notifier == nil {
		return Way{}
	}
	way = r.opt.Notifier.Way(m, c.destination)
	if way.Name == "" {
		return way
	}
	key := pileKey{kind, way, reason}
	if kind == Stuck {
		key.reason = ""
	}
	p := r.pileOf[key]
	if p == nil {
		p = &pile{kind: kind, way: way}
		r.pileOf[key] = p
		r.piles = append(r.piles, p)
	}
	p.members = append(p.members, member{m.ID, c.destination, why})
	if kind == Blocked {
		b := r.backoffs[reason]
		p.trouble, p.since, p.cure = troubleKey(reason, b), b.Since, b.Cure
	}
	return way
}

// A pileKey is what the messages of a pile have in common.
type pileKey struct {
	kind   NoticeKind
	way    Way
	reason string
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
func concerns(router Router, m *spool.Message, which func(m *spool.Message, i int) bool) []concern {
	var cs []concern
	for i, rcpt := range m.Envelope.Recipients {
		if !which(m, i) {
			continue
		}
		to := ""
		if route, err := router.Route(&m.Envelope, rcpt); err == nil {
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
	for i := range m.Progress {
		if untold(m, i) {
			return true
		}
	}
	return false
}

// delayed reports whether recipient i waits after an attempt, and the submitter wants to be told
// of delays.
func delayed(m *spool.Message, i int) bool {
	s := m.Progress[i].State
	return addressee(m) && (s == spool.Deferred || s == spool.Unsure) && wants(&m.Envelope.Recipients[i], "DELAY")
}

// collectLost notes recipients that have failed. Where the summary tells of them, that is recorded.
func (r *run) collectLost(e *openEntry) {
	m := e.Message()
	for _, c := range concerns(r.router, m, untold) {
		if way := r.heap(Lost, m, c, "", ""); way.Name != "" || !r.opt.Attended {
			continue
		}
		r.say(m, c.recipients)
		if err := e.Told(c.recipients, r.now()); err != nil {
			r.troubled("record that %s was told of: %v", m.ID, err)
		}
	}
}

// say puts failures into the summary that are not there yet.
func (r *run) say(m *spool.Message, recipients []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range failures(m, recipients) {
		known := func(other Failure) bool { return other.ID == f.ID && other.Recipient == f.Recipient }
		if !slices.ContainsFunc(r.sum.Failed, known) {
			r.sum.Failed = append(r.sum.Failed, f)
		}
	}
}

// failures returns what became of some recipients.
func failures(m *spool.Message, indexes []int) []Failure {
	fs := make([]Failure, len(indexes))
	for k, i := range indexes {
		p := &m.Progress[i]
		fs[k] = Failure{m.ID, i, m.Envelope.Recipients[i].Address, Report{
			Action: Failed, Code: p.Code, Status: p.Status, Text: p.Text, Host: p.Host, Remark: p.Remark}}
	}
	return fs
}

// collectOverdue notes a message that is late, or that waits for its owner. All mail of an identity
// that waits is late for the same reason. An identity that waits for its owner is told of by itself.
func (r *run) collectOverdue(e *openEntry) {
	m := e.Message()
	if m.Held || m.DelayTold {
		return
	}
	for _, c := range concerns(r.router, m, delayed) {
		b := r.backoffs[c.destination]
		if b != nil && b.NeedsOwner() {
			continue
		}
		kind, reason := Overdue, ""
		if b != nil {
			reason = c.destination
		}
		if slices.ContainsFunc(c.recipients, func(i int) bool { return m.Progress[i].Stuck() }) {
			kind = Stuck
		} else if !r.opt.Limits.overdue(m, b, c.destination, r.now()) {
			continue
		}
		way := r.heap(kind, m, c, reason, "")
		if way.Name == "" && r.opt.Attended { // the summary has all waiting mail
			if err := e.DelayTold(); err != nil {
				r.troubled("record that %s was told of: %v", m.ID, err)
			}
		}
		return
	}
}

// overdue reports whether a message is late. An attempt of its identity counts as one of its own.
func (l *Limits) overdue(m *spool.Message, b *backoff, destination string, now time.Time) bool {
	last := m.Last
	switch {
	case b != nil:
		last = b.Last
	case destination == "":
		last = now
	}
	return late(waitingSince(m, now), last, l.delayNotice())
}

// collectDropped notes a message whose failed recipients were kept long enough. A day passes between
// this finding and the end: a clock that is wrong for some hours must cost no mail. Where nobody is
// to be told or can be, a person who reads the summary has to be there.
func (r *run) collectDropped(e *openEntry) {
	m, now := e.Message(), r.now()
	if !r.opt.Limits.forgotten(m, now) || r.q.Damaged(m) {
		return
	}
	if m.Drop.IsZero() || m.Drop.Sub(now).Abs() > dropLater {
		if err := e.SetDrop(now.Add(dropAfter)); err != nil {
			r.troubled("note when %s is to be dropped: %v", m.ID, err)
		}
		return
	}
	if now.Before(m.Drop) {
		return
	}
	for _, c := range concerns(r.router, m, kept) {
		if way := r.heap(Dropped, m, c, "", ""); way.Name != "" {
			return
		}
	}
	if r.opt.Attended {
		r.drop(e.Entry, &r.sum)
	}
}

// dropAfter is how long a message is kept after it was found to be droppable. Beyond dropLater, that
// time is from another clock, or the machine was off.
const (
	dropAfter = 24 * time.Hour
	dropLater = 10 * dropAfter
)

// kept reports whether recipient i has failed, and the submitter wants to be told of failures.
func kept(m *spool.Message, i int) bool {
	return addressee(m) && m.Progress[i].State == spool.Refused && wants(&m.Envelope.Recipients[i], "FAILURE")
}

// drop removes a message that was kept long enough.
func (r *run) drop(e *spool.Entry, sum *Summary) {
	m := e.Message()
	failed := failures(m, m.Indexes(func(i int) bool { return m.Progress[i].State == spool.Refused }))
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := e.Remove(); err != nil {
		sum.Trouble = append(sum.Trouble, "drop "+m.ID+": "+err.Error())
		return
	}
	sum.Dropped = append(sum.Dropped, failed...)
	if r.opt.Observer != nil {
		r.opt.Observer.Dropped(m)
	}
}

// collectBlocked notes the identities that wait for their owner, with their mail.
func (r *run) collectBlocked() {
	for name, ids := range r.blocked {
		b := r.backoffs[name]
		if b == nil || !b.NeedsOwner() {
			continue
		}
		for _, id := range ids {
			m, err := r.q.Read(id)
			if err != nil || m.Held {
				continue
			}
			for _, c := range concerns(r.router, m, delayed) {
				if c.destination == name {
					r.heap(Blocked, m, c, name, "")
				}
			}
		}
	}
}

// block notes a message that waits for an identity. It is called with mu held.
func (r *run) block(destination, id string) {
	if len(r.blocked[destination]) < 10*maxNamed {
		r.blocked[destination] = append(r.blocked[destination], id)
	}
}
