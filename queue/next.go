package queue

import (
	"time"

	"esmtpq/queue/spool"
)

// What waits in the queue, for a process that begins runs when there is something to do.

// A Prospect says when the next run has something to do.
type Prospect struct {
	Next    time.Time // zero: nothing waits for a time
	Network bool      // mail waits for a network
}

// notYet is how long mail is left alone that was due in a run and was not tried: a command works on
// it, or the run was ended.
const notYet = time.Minute

// tellAgain is when to try again to tell the owner what could not be told in a run.
const tellAgain = time.Hour

// Ahead looks what the queue waits for, after a run with the same options. Entries that the due index
// has are not opened.
func Ahead(q *spool.Queue, opt RunOptions) (Prospect, error) {
	v, err := q.Inventory()
	if err != nil {
		return Prospect{}, err
	}
	now := opt.now()
	a := ahead{opt: &opt, now: now, backoffs: readBackoffs(q)}
	r := run{opt: opt}
	f := findings{old: readDueIndex(q, r.setup(), now)}
	if q.Edited() {
		f.old = &dueIndex{}
	}
	for _, b := range a.backoffs {
		a.waiting = a.waiting || b.OfNetwork()
	}
	at := 0
	for _, id := range v.IDs {
		var i int
		if i, at = f.find(id, at); i >= 0 {
			a.line(&f.old.lines[i], f.old.destinations)
		} else if m, err := q.ReadWith(&a.envelope, spool.IDText(id)); err == nil {
			a.message(m)
		}
	}
	return Prospect{Next: a.next, Network: a.waiting && len(v.IDs) > 0}, nil
}

type ahead struct {
	opt      *RunOptions
	now      time.Time
	backoffs backoffs
	envelope []byte // buffer
	next     time.Time
	waiting  bool
}

// at notes that there is something to do at a time.
func (a *ahead) at(t time.Time) {
	if !t.After(a.now) {
		t = a.now.Add(notYet)
	}
	if a.next.IsZero() || t.Before(a.next) {
		a.next = t
	}
}

// line notes a line of the due index.
func (a *ahead) line(l *dueLine, destinations []string) {
	until := time.Unix(int64(l.until), 0)
	if l.why >= 0 {
		if b := a.backoffs[destinations[l.why]]; b != nil && b.Next.Before(until) {
			until = b.Next
		}
	}
	a.at(until)
}

// message notes a message. One that is due and was left waits for an identity: which one, its reason
// says.
func (a *ahead) message(m *spool.Message) {
	r := run{opt: *a.opt}
	until := r.nothingUntil(m, a.now)
	if !until.After(a.now) {
		until = a.now.Add(tellAgain)
	}
	if m.Held || !m.Pending() || !due(m.Next, a.now) || !m.Scheduled(a.now).IsZero() && (!r.mayGoAhead(m, a.now) || untried(m)) {
		a.at(until)
		return
	}
	for i := range m.Progress {
		if p := &m.Progress[i]; p.State.Pending() {
			a.at(a.identity(p))
		}
	}
	a.at(until)
}

// identity returns when the identity is tried again that a recipient waits for; now if it waits for
// none.
func (a *ahead) identity(p *spool.Progress) time.Time {
	for _, b := range a.backoffs {
		if p.WaitsFor(b.Report.Reason()) && !due(b.Next, a.now) {
			return b.Next
		}
	}
	return a.now
}
