package list

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/queue/spool"
)

// A trouble is what queue runs have found out besides what is in the entries.
type trouble struct {
	backoffs    map[string]*spool.Backoff // identities that wait
	unsendables map[string]spool.Unsendable
	noRoom      string // why no message can be sent before there is room on the disk

	met    map[string]bool // identities that some message of the list waits for
	setUps []string        // what is wrong with the configuration for some message of the list
}

func troubleOf(q *spool.Queue, ids []string) trouble {
	if q == nil {
		return trouble{}
	}
	t := trouble{backoffs: q.Backoffs(), unsendables: q.Unsendables(), met: map[string]bool{}}
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

// meet notes what a message waits for.
func (t *trouble) meet(m *spool.Message) {
	if m.Held {
		return
	}
	for name, b := range t.backoffs {
		if b.Waits(m) || goesOutAs(m, name) {
			t.met[name] = true
		}
	}
	if p := t.setUp(m); p != nil && !slices.Contains(t.setUps, p.Explain()) {
		t.setUps = append(t.setUps, p.Explain())
	}
}

// withoutCure returns a reason without the cure behind it, where the line of its identity has that.
func (t *trouble) withoutCure(m *spool.Message, why string) string {
	for _, b := range t.backoffs {
		if rest := trimCure(why, b.Cure); rest != why && b.Waits(m) {
			return rest
		}
	}
	return why
}

// minCure is how much of a cure is taken for one, in octets.
const minCure = 20

// trimCure returns a reason without the cure at its end, or the beginning of it: a reason that is too long
// is cut.
func trimCure(why, cure string) string {
	for n := len(cure); n >= minCure; n-- {
		if rest, ok := strings.CutSuffix(why, cure[:n]); ok {
			return strings.TrimRight(rest, ":; ")
		}
	}
	return why
}

// goesOutAs reports whether a message that has not been tried is likely to wait for an identity, too.
func goesOutAs(m *spool.Message, identity string) bool {
	return m.Envelope.Sender() == identity && slices.ContainsFunc(m.Indexes(func(i int) bool {
		return m.Progress[i].State == spool.Untried
	}), func(i int) bool { return strings.Contains(m.Envelope.Recipients[i].Address, "@") })
}

// setUp returns why a message has no way out, whatever its identity; nil if it has one. An agent that
// cannot be run is a destination that waits.
func (t *trouble) setUp(m *spool.Message) *spool.Progress {
	for i := range m.Progress {
		p := &m.Progress[i]
		if !p.Stuck() || p.Status == spool.StatusDamaged {
			continue
		}
		for _, b := range t.backoffs {
			if b.Waits(m) {
				return nil
			}
		}
		return p
	}
	return nil
}

// lines returns a line for each identity that a message met waits for, and for what is wrong with
// the configuration, with what to do.
func (t *trouble) lines(verbose bool) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(t.backoffs)) {
		b := t.backoffs[name]
		if !t.met[name] {
			continue
		}
		line := name + ": " + reasonOf(b)
		if cure := cure(b); !strings.Contains(line, cure) {
			line = trimCure(line, cure) + ": " + cure
		}
		if verbose {
			line += fmt.Sprintf(" (%s, next %s)", door.Plural(b.Attempts, "attempt", "attempts"), door.Stamp(b.Next))
		}
		all = append(all, spool.Printable(line))
	}
	for _, why := range t.setUps {
		all = append(all, why+": "+mendThat)
	}
	return all
}

// loginWanted is the reply of a host to which no login was made (RFC 4954, section 6).
const loginWanted = 530

// reasonOf returns why an identity waits.
func reasonOf(b *spool.Backoff) string {
	if b.Report.Mend == spool.MendLogin && b.Report.Code != loginWanted {
		return "login refused: " + b.Report.Explain()
	}
	return b.Report.Explain()
}

// cure returns what a person has to do about an identity.
func cure(b *spool.Backoff) string {
	switch {
	case b.Cure != "":
		return b.Cure
	case b.NeedsOwner():
		return mendThat
	}
	return "goes out by itself"
}

const mendThat = "mend that, then type deliver"

// unreadable says what to do about an entry that cannot be read.
func unreadable(reason, id string) string {
	if strings.Contains(reason, ": type: ") {
		return "not sent: " + reason
	}
	return fmt.Sprintf("%s, not sent: look at it, or esmtpq rm %s", reason, id)
}

// A jsonWait is what a message waits for.
type jsonWait struct {
	Identity    string `json:"identity"` // "" for the configuration
	Reason      string `json:"reason"`
	Attempts    int    `json:"attempts"`
	NextAttempt int64  `json:"next_attempt"`
	NeedsYou    bool   `json:"needs_you"` // it does not pass by itself
	Cure        string `json:"cure,omitempty"`
}

// wait returns what a message waits for: an identity, or the configuration; nil for neither. Several may wait for the same
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
	if p := t.setUp(m); p != nil {
		return &jsonWait{Reason: p.Explain(), Attempts: m.Attempts, NextAttempt: unixOrZero(m.Next), NeedsYou: true, Cure: mendThat}
	}
	return nil
}
