package queue

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"esmtpq/queue/spool"
)

// backoffFile says which identities wait. It is a cache: without it, they are tried sooner.
const backoffFile = spool.BackoffFile

type backoff = spool.Backoff

// waits reports whether a background run leaves the identity alone for now. A new message is a
// reason to try a network that was down, but not to try a refused password; a changed
// configuration is a reason for both.
func waits(b *backoff, untried bool, configChanged, now time.Time) bool {
	changed := b.Last.Before(configChanged) && !configChanged.After(now.Add(time.Minute)) // no clock was wrong
	if due(b.Next, now) || changed {
		return false
	}
	return !untried || b.RefusedLogin()
}

// backoffs are the identities that wait, by destination.
type backoffs map[string]*backoff

func readBackoffs(q *spool.Queue) backoffs { return q.Backoffs() }

// Suspended returns the destinations that wait, because none of their mail could go out at the
// last attempt.
func Suspended(q *spool.Queue) []string {
	return slices.Collect(maps.Keys(readBackoffs(q)))
}

func writeBackoffs(q *spool.Queue, all backoffs) error {
	return writeCache(q, backoffFile, len(all) == 0, all)
}

// writeCache replaces a file of the queue directory, or removes it if there is nothing to keep.
func writeCache(q *spool.Queue, name string, empty bool, all any) error {
	if empty {
		return q.RemoveCache(name)
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := q.ReplaceCache(name, append(b, '\n')); err != nil {
		return fmt.Errorf("write %s/%s: %w", q.Dir, name, err)
	}
	return nil
}

// failed notes a failure of an identity.
func (all backoffs) failed(destination string, r Report, now time.Time) *backoff {
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
	return b
}
