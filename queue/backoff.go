package queue

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"esmtpq/queue/spool"
)

// backoffFile says which identities wait. It is a cache: without it, they are tried sooner.
const backoffFile = spool.BackoffFile

type backoff = spool.Backoff

// waits reports whether a background run leaves the identity alone for now. A new message is a
// reason to try a network that was down, and so is another network, but not to try a refused
// password; a changed configuration is a reason for both.
func (opt *RunOptions) waits(b *backoff, untried bool, now time.Time) bool {
	changed := b.Last.Before(opt.ConfigChanged) && !opt.ConfigChanged.After(now.Add(time.Minute)) // no clock was wrong
	if due(b.Next, now) || changed || opt.NewNetwork && b.OfNetwork() {
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

// Settling is when an identity is tried again whose first attempt over another network has failed:
// names cannot be looked up yet, or the network wants a login in a browser first.
const Settling = 15 * time.Second

// failed notes a failure of an identity. The first attempt over another network is not counted, and
// the schedule begins anew.
func (all backoffs) failed(destination string, r Report, now time.Time, newNetwork bool) *backoff {
	b := all[destination]
	if b == nil {
		b = &backoff{Since: now}
		all[destination] = b
	}
	b.Last = now
	b.Report = r
	b.Report.Text = r.Reason().Text
	if newNetwork && b.OfNetwork() {
		b.Renewed = now
		b.Next = now.Add(Spread(Settling, rand.Int64N))
		return b
	}
	b.Attempts++
	since := b.Since
	if b.Renewed.After(since) && !b.Renewed.After(now) {
		since = b.Renewed
	}
	b.Next = nextIdentityAttempt(since, now)
	return b
}
