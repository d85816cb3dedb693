package queue

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/google/renameio/v2"

	"esmtpq/queue/spool"
)

// parkFile says which identities are out of order. It is a cache: without it
// they are tried sooner.
const parkFile = spool.BackoffFile

// A parking is an identity whose mail waits because of the identity: its
// messages are not charged for it.
type parking struct {
	Since    time.Time `json:"since"`
	Attempts int       `json:"attempts"`
	Last     time.Time `json:"last"` // attempt
	Next     time.Time `json:"next"`
	Report   Report    `json:"report"`
}

// locked tells whether trying once more could do harm: a password that was
// refused and is tried again and again locks people out of their accounts.
func (p *parking) locked() bool {
	s := p.Report.Status
	return len(s) > 3 && s[1:4] == ".7."
}

// waits tells whether a background run leaves the identity alone for now. Its
// first message since is a reason to try a network that was down, but no reason to
// try a refused password; that the configuration was changed is one for both.
func (p *parking) waits(untried bool, mended, now time.Time) bool {
	if due(p.Next, now) || p.Last.Before(mended) {
		return false
	}
	return !untried || p.locked()
}

type parkings map[string]*parking

func readParkings(q *spool.Queue) parkings {
	ps := parkings{}
	f, err := q.OpenCache(parkFile)
	if err != nil {
		return ps
	}
	defer f.Close()
	if json.NewDecoder(f).Decode(&ps) != nil || ps == nil {
		return parkings{}
	}
	for name, p := range ps {
		if p == nil || p.Report.Action != Delayed {
			delete(ps, name)
		}
	}
	return ps
}

func writeParkings(q *spool.Queue, ps parkings) error {
	path := q.Dir + "/" + parkFile
	if len(ps) == 0 {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	b, err := json.MarshalIndent(ps, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(path, append(b, '\n'), 0o600, renameio.WithTempDir(q.Dir), renameio.WithStaticPermissions(0o600)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// park notes a failure of an identity.
func (ps parkings) park(lane string, r Report, now time.Time) {
	p := ps[lane]
	if p == nil {
		p = &parking{Since: now}
		ps[lane] = p
	}
	p.Attempts++
	p.Last = now
	p.Report = r
	p.Report.Text = r.Reason().Text
	p.Next = nextIdentityAttempt(p.Since, now)
}
