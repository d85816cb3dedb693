package queue

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"esmtpq/queue/spool"
)

// Entries that cannot be sent as they are.

// maxNamed is how many messages are named one by one, in a summary or a notice.
const maxNamed = 10

// unusable counts an entry that cannot be sent as it is, and remembers why, since that cannot be
// recorded in the entry. A damaged entry is for its owner to look at; an entry that the system does
// not let us read today is mail that remains to be tried. It is called with mu held.
func (r *run) unusable(id, destination string, err error) {
	u := spool.Unsendable{Why: err.Error(), Passing: passing(err)}
	if r.unsendable[id] != u {
		r.unsendable[id], r.unsendableChanged = u, true
	}
	if r.unusables++; r.unusables > maxNamed {
		r.count("", "cannot be sent as it is: see mailq")
		return
	}
	text := id + ": " + u.Why
	if !u.Passing && !errors.Is(err, errImposed) && !errors.Is(err, os.ErrPermission) { // they say what to do
		text += fmt.Sprintf(": not sent: look at %s/%s, or esmtpq rm %s", r.q.Dir, id, id)
	}
	r.count(destination, text)
}

var errImposed = errors.New("held")

// imposed counts a message that is held for a reason that is not its owner's.
func (r *run) imposed(m *spool.Message) {
	if why := m.WhyHeld(); why != "" && m.Pending() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.unusable(m.ID, "", fmt.Errorf("%w%s", errImposed, strings.TrimPrefix(why, errImposed.Error())))
	}
}

// passing reports whether an error is the system's, and not the entry's. A mode that somebody has taken
// away does not come back by itself.
func passing(err error) bool {
	var refusal syscall.Errno
	return errors.As(err, &refusal) && refusal != syscall.ENOENT && !errors.Is(err, ErrDamaged) && !errors.Is(err, os.ErrPermission)
}

// usable forgets what earlier runs have found out about an entry. It is called with mu held.
func (r *run) usable(id string) {
	if _, ok := r.unsendable[id]; ok {
		delete(r.unsendable, id)
		r.unsendableChanged = true
	}
}

// saveUnsendable writes what is known for mailq. Entries that have gone are forgotten.
func (r *run) saveUnsendable() {
	for id := range r.unsendable {
		if _, err := os.Lstat(r.q.Dir + "/" + id); err != nil || !spool.IsID(id) {
			r.usable(id)
		}
	}
	if !r.unsendableChanged {
		return
	}
	if err := writeCache(r.q, spool.UnsendableFile, len(r.unsendable) == 0, r.unsendable); err != nil {
		r.trouble("%v", err)
	}
}

// stub stands for a message that cannot be read.
func stub(id string) *spool.Message {
	return &spool.Message{ID: id, Envelope: spool.Envelope{Arrival: spool.ArrivalOf(id)}}
}

// refuseContent records that the content of a message cannot be sent. Damage counts as an attempt
// of the message, which is given up when its time is over; trouble of the system does not.
func (t *destination) refuseContent(d *Delivery, err error) {
	if denied := errors.Is(err, os.ErrPermission); denied || passing(err) {
		t.run.mu.Lock()
		delete(t.out, d)
		t.run.mu.Unlock()
		status := "4.3.0"
		if denied {
			status = spool.StatusDamaged
		}
		reports := make([]Report, len(d.draw.indexes))
		for i := range reports {
			reports[i] = Report{Action: Delayed, Scope: ScopeMessage, Status: status, Text: err.Error()}
		}
		t.run.refuseRecipients(d.ID, t.name, d.draw.indexes, reports)
		t.run.release(d.draw.entry)
		return
	}
	reports := make([]Report, len(d.Recipients))
	for i := range reports {
		reports[i] = t.damage(d, err)
	}
	t.Record([]Outcome{{Delivery: d, Reports: reports}})
}

// damage returns the report of a content that is not what was submitted, with what to do.
func (t *destination) damage(d *Delivery, err error) Report {
	return Report{Action: Delayed, Scope: ScopeMessage, Status: spool.StatusDamaged, Text: fmt.Sprintf(
		"%v: mend %s/%s/mail, or esmtpq rm %s", damageOf(err), t.run.q.Dir, d.ID, d.ID)}
}

// damageOf says what is wrong with a content.
func damageOf(err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return ErrDamaged.Error() + ": the content is missing"
	}
	return err.Error()
}

// damaged puts the damage in place of what a transport says of a content that it could not read to
// its end.
func (t *destination) damaged(p *part) []Report {
	c, ok := p.Content.(interface{ Damage() error })
	if !ok || c.Damage() == nil {
		return p.reports
	}
	reports := make([]Report, len(p.reports))
	for k, r := range p.reports {
		if reports[k] = r; r.Action == Delayed && r.Scope == ScopeMessage && !r.Unsure {
			reports[k] = t.damage(p.Delivery, c.Damage())
		}
	}
	return reports
}

// stuck reports whether some recipient waits for what only the owner can mend.
func stuck(m *spool.Message) bool {
	for i := range m.Progress {
		if m.Progress[i].Stuck() {
			return true
		}
	}
	return false
}
