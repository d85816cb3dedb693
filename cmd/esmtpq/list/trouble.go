package list

import (
	"fmt"
	"maps"
	"slices"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/queue/spool"
)

// A trouble is what queue runs have found out besides what is in the entries.
type trouble struct {
	backoffs    map[string]*spool.Backoff // identities that wait
	unsendables map[string]spool.Unsendable
	noRoom      string // why no message can be sent before there is room on the disk
}

func troubleOf(q *spool.Queue, ids []string) trouble {
	if q == nil {
		return trouble{}
	}
	t := trouble{backoffs: q.Backoffs(), unsendables: q.Unsendables()}
	if err := q.NoRoom(ids); err != nil {
		t.noRoom = err.Error()
	}
	return t
}

// stops returns why a message cannot be sent although nothing is wrong with it; "" if it can.
func (t *trouble) stops(m *spool.Message) string {
	if m.Held || !m.Pending() {
		return ""
	}
	return t.noRoom
}

// lines returns a line for each identity that waits, with what to do.
func (t *trouble) lines(verbose bool) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(t.backoffs)) {
		b := t.backoffs[name]
		line := fmt.Sprintf("%s: %s: %s", name, reasonOf(b), cure(b))
		if verbose {
			line += fmt.Sprintf(" (%s, next %s)", door.Plural(b.Attempts, "attempt", "attempts"), door.Stamp(b.Next))
		}
		all = append(all, spool.Printable(line))
	}
	return all
}

// reasonOf returns why an identity waits.
func reasonOf(b *spool.Backoff) string {
	if b.RefusedLogin() && b.Report.Code/100 == 5 {
		return "password refused: " + b.Report.Explain()
	}
	return b.Report.Explain()
}

// cure returns what a person has to do about an identity.
func cure(b *spool.Backoff) string {
	switch {
	case b.Cure != "":
		return b.Cure
	case b.NeedsOwner():
		return "mend that, then type deliver"
	}
	return "goes out by itself"
}

// unreadable says what to do about an entry that cannot be read.
func unreadable(reason, id string) string {
	return fmt.Sprintf("%s, not sent: look at it, or esmtpq rm %s", reason, id)
}

// A jsonWait is the identity that a message waits for.
type jsonWait struct {
	Identity    string `json:"identity"`
	Reason      string `json:"reason"`
	Attempts    int    `json:"attempts"`
	NextAttempt int64  `json:"next_attempt"`
	NeedsYou    bool   `json:"needs_you"` // it does not pass by itself
	Cure        string `json:"cure,omitempty"`
}

// wait returns the identity that a message waits for; nil for none. Several may wait for the same
// reason, such as a network that is down: then the one of its sender's name is more likely.
func (t *trouble) wait(m *spool.Message) *jsonWait {
	names := slices.Sorted(maps.Keys(t.backoffs))
	if i := slices.Index(names, m.Envelope.Sender()); i > 0 {
		names[0], names[i] = names[i], names[0]
	}
	for _, name := range names {
		if b := t.backoffs[name]; b.Waits(m) {
			return &jsonWait{spool.Printable(name), b.Report.Explain(), b.Attempts, unixOrZero(b.Next), b.NeedsOwner(), spool.Printable(b.Cure)}
		}
	}
	return nil
}
