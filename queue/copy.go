package queue

import (
	"fmt"

	"esmtpq/queue/spool"
)

// A Keeper keeps copies of mail, once hosts have taken it.
type Keeper interface {
	// Keeps reports whether a copy is to be kept of what goes to a destination that Route has named.
	Keeps(destination string) bool
	// Keep keeps a copy of a message that a destination has taken, durably. With again, a run that was
	// killed may have done so.
	Keep(m *spool.Message, destination string, content Content, again bool) error
}

// A copyState says what is to be done about the copy of an entry. The run's mu guards it.
type copyState struct {
	to    string // the destination that has taken the message; "" for nobody yet, or no copy
	again bool   // a run before this one may have kept it
	done  bool   // or being done
}

// wantCopy notes that a destination has taken a message. It is called with mu held.
func (t *destination) wantCopy(e *openEntry, again bool) {
	if e.copy.to == "" && t.run.opt.Keeper != nil && t.run.opt.Keeper.Keeps(t.name) {
		e.copy.to, e.copy.again = t.name, again
	}
}

// owesCopy notes that a host has taken a message in an earlier run, which has kept no copy: it was
// killed in between, or none was wanted then.
func (t *destination) owesCopy(e *openEntry, m *spool.Message) {
	if t.run.opt.Keeper == nil || m.Copied {
		return
	}
	for i := range m.Progress {
		if m.Progress[i].State == spool.Accepted {
			t.run.mu.Lock()
			t.wantCopy(e, true)
			t.run.mu.Unlock()
			return
		}
	}
}

// keepCopy keeps the copy of an entry, if one is wanted and none was kept. It is called without mu, and while the entry
// is locked.
func (r *run) keepCopy(e *openEntry) {
	r.mu.Lock()
	c := e.copy
	wanted := c.to != "" && !c.done
	e.copy.done = e.copy.done || wanted
	r.mu.Unlock()
	if !wanted || e.Message().Copied {
		return
	}
	content, err := e.Content()
	if err == nil {
		err = r.opt.Keeper.Keep(e.Message(), c.to, content, c.again)
	}
	if err != nil {
		r.troubled("%s has been sent, and no copy of it was kept: %v", e.ID(), err)
	}
	if !e.Served() {
		e.SetCopied() // should it be lost, the copy is recognised
	}
}

// recoverCopy keeps the copy of a message that an earlier run has sent and not removed.
func (r *run) recoverCopy(m *spool.Message, content func() (Content, error)) {
	if r.opt.Keeper == nil || m.Copied || m.Envelope.Notice {
		return
	}
	for i, rcpt := range m.Envelope.Recipients {
		// An entry that is done by its name still says that its end was being sent; one that its owner
		// has removed has the same name, and does not.
		if s := m.Progress[i].State; s != spool.Accepted && s != spool.Sending {
			continue
		}
		route, err := r.router.Route(&m.Envelope, rcpt)
		if err != nil || !r.opt.Keeper.Keeps(route.Destination) {
			continue
		}
		c, err := content()
		if err == nil {
			err = r.opt.Keeper.Keep(m, route.Destination, c, true)
		}
		if err != nil {
			r.troubled("%s", fmt.Sprintf("%s has been sent, and no copy of it was kept: %v", m.ID, err))
		}
		return
	}
}
