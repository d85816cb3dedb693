package queue

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"esmtpq/queue/spool"
)

// backoffFile says which identities wait. It is a cache: without it, they are tried sooner.
const backoffFile = spool.BackoffFile

// maxBackoffs bounds what is read of it, in octets.
const maxBackoffs = 1 << 20

// A backoff is the state of an identity that waits: none of its mail can go out, for a reason
// that is charged to no message.
type backoff struct {
	Since    time.Time `json:"since"`
	Attempts int       `json:"attempts"`
	Last     time.Time `json:"last"` // attempt
	Next     time.Time `json:"next"`
	Report   Report    `json:"report"`
}

// refusedLogin reports whether another attempt could do harm: hosts lock people out after a
// refused password is tried again and again.
func (b *backoff) refusedLogin() bool {
	s := b.Report.Status
	return len(s) > 3 && s[1:4] == ".7."
}

// waits reports whether a background run leaves the identity alone for now. A new message is a
// reason to try a network that was down, but not to try a refused password; a changed
// configuration is a reason for both.
func (b *backoff) waits(untried bool, configChanged, now time.Time) bool {
	if due(b.Next, now) || b.Last.Before(configChanged) {
		return false
	}
	return !untried || b.refusedLogin()
}

// backoffs are the identities that wait, by destination.
type backoffs map[string]*backoff

func readBackoffs(q *spool.Queue) backoffs {
	all := backoffs{}
	f, err := q.OpenCache(backoffFile)
	if err != nil {
		return all
	}
	defer f.Close()
	if json.NewDecoder(io.LimitReader(f, maxBackoffs)).Decode(&all) != nil || all == nil {
		return backoffs{}
	}
	for name, b := range all {
		if b == nil || b.Report.Action != Delayed {
			delete(all, name)
		}
	}
	return all
}

// Suspended returns the destinations that wait, because none of their mail could go out at the
// last attempt.
func Suspended(q *spool.Queue) []string {
	return slices.Collect(maps.Keys(readBackoffs(q)))
}

func writeBackoffs(q *spool.Queue, all backoffs) error {
	if len(all) == 0 {
		return q.RemoveCache(backoffFile)
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := q.ReplaceCache(backoffFile, append(b, '\n')); err != nil {
		return fmt.Errorf("write %s/%s: %w", q.Dir, backoffFile, err)
	}
	return nil
}

// failed notes a failure of an identity.
func (all backoffs) failed(destination string, r Report, now time.Time) {
	b := all[destination]
	if b == nil {
		b = &backoff{Since: now}
		all[destination] = b
	}
	b.Attempts++
	b.Last = now
	b.Report = r
	b.Report.Text = r.Reason().Text
	b.Next = nextIdentityAttempt(b.Since, now)
}
