package queue

import (
	"math/rand/v2"
	"time"
)

// The schedule of retries: a message that has waited for some time waits about as
// long again, at least a minute and at most four hours.
const (
	retryFloor   = time.Minute
	retryCeiling = 4 * time.Hour
)

// nextAttempt returns when a message that arrived at some time and was just tried in
// vain is to be tried again. The jitter, a quarter either way, keeps machines that came online
// together from coming back together. An arrival in the future (a clock set back) counts as now.
func nextAttempt(arrival, now time.Time) time.Time {
	return now.Add(jitter(clamp(now.Sub(arrival))))
}

// nextIdentityAttempt is the same for an identity that has been out of order since some time.
func nextIdentityAttempt(since, now time.Time) time.Time {
	return now.Add(jitter(clamp(now.Sub(since))))
}

func clamp(d time.Duration) time.Duration { return min(max(d, retryFloor), retryCeiling) }

func jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(rand.Int64N(int64(d/2)))
}

// due tells whether a time has come. A time further ahead than the schedule ever
// plans was written by a clock that has been set back since: it has come.
func due(next, now time.Time) bool {
	return !next.After(now) || next.Sub(now) > 2*retryCeiling
}
