package list

import (
	"slices"
	"time"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/queue/spool"
)

// The exit statuses of mailq --quiet, in the manner of grep -q: they answer the question what the
// queue wants of its owner.
const (
	nothingWaits = 0
	mailWaits    = 1
	needsYou     = 2
)

// A quietList prints nothing, and finds out what the queue wants.
type quietList struct {
	trouble trouble
	want    int
}

func (w *quietList) add(needed bool) {
	w.want = max(w.want, mailWaits)
	if needed {
		w.want = needsYou
	}
}

func (w *quietList) message(m *spool.Message)          { w.add(w.trouble.needsOwner(m)) }
func (w *quietList) damaged(string, time.Time, string) { w.add(true) }
func (w *quietList) legacy(_ *spool.LegacyEntry, _ string, _ []string, reason string) {
	w.add(reason != "")
}

func (w *quietList) end() error {
	if w.want == nothingWaits {
		return nil
	}
	return exit.Silent(w.want)
}

// needsOwner reports whether a message waits for its owner to decide, or to mend something: a
// recipient has failed; it is held because it was possibly delivered; it, or its identity, cannot
// send as it is. What its owner holds is decided.
func (t *trouble) needsOwner(m *spool.Message) bool {
	if u, ok := t.unsendables[m.ID]; ok && !u.Passing || m.WhyHeld() != "" || t.stops(m) != "" {
		return true
	}
	if w := t.wait(m); w != nil && w.NeedsYou && !m.Held {
		return true
	}
	return slices.ContainsFunc(m.Progress, func(p spool.Progress) bool {
		return p.State == spool.Refused || m.Held && p.State == spool.Unsure || !m.Held && p.Stuck()
	})
}
