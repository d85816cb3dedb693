package queue

import (
	"cmp"
	"math/rand/v2"
	"time"

	"esmtpq/queue/spool"
)

// The schedule of retries: a message that has waited for some time waits about as
// long again, at least a minute and at most four hours.
const (
	retryFloor   = time.Minute
	retryCeiling = 4 * time.Hour
)

// nextAttempt returns when a message that arrived at some time and was just tried in
// vain is to be tried again. An arrival in the future (a clock set back) counts as now.
func nextAttempt(arrival, now time.Time) time.Time {
	return now.Add(Spread(RetryDelay(now.Sub(arrival)), rand.Int64N))
}

// nextIdentityAttempt is the same for an identity that has waited since some time.
func nextIdentityAttempt(since, now time.Time) time.Time {
	return now.Add(Spread(RetryDelay(now.Sub(since)), rand.Int64N))
}

// RetryDelay returns how long to wait for the next attempt, before Spread, after one that was in
// vain for what has waited so long already: about as long again.
func RetryDelay(waited time.Duration) time.Duration {
	return min(max(waited, retryFloor), retryCeiling)
}

// Spread moves a delay by up to a quarter either way, so that machines that came online together do
// not come back together. draw returns a number from 0 up to n, n excluded; rand.Int64N is one. A
// delay is at least two nanoseconds.
func Spread(delay time.Duration, draw func(n int64) int64) time.Duration {
	return delay*3/4 + time.Duration(draw(int64(delay/2)))
}

// due reports whether a time has come. A time further ahead than the schedule ever
// plans was written by a clock that has been set back since: it has come.
func due(next, now time.Time) bool {
	return !next.After(now) || next.Sub(now) > 2*retryCeiling
}

// The usual Limits.
const (
	usualExpire      = 5 * 24 * time.Hour
	usualDelayNotice = 4 * time.Hour
	usualKeepFailed  = 30 * 24 * time.Hour
)

// Limits say how long things may take. 0 is the usual time, a negative one means that it
// never happens.
type Limits struct {
	Expire      time.Duration // until a message that is tried in vain fails: 5 days
	DelayNotice time.Duration // until its owner is told that it is late: 4 hours
	KeepFailed  time.Duration // until failed mail is dropped: 30 days
}

func (l *Limits) expire() time.Duration      { return cmp.Or(l.Expire, usualExpire) }
func (l *Limits) delayNotice() time.Duration { return cmp.Or(l.DelayNotice, usualDelayNotice) }
func (l *Limits) keepFailed() time.Duration  { return cmp.Or(l.KeepFailed, usualKeepFailed) }

// expired reports whether a message whose attempt has just failed is to be given up. It has had
// attempts before that: one that waited for its first one while the machine slept for a week is not
// given up because of a host that wants to see everybody twice.
func (l *Limits) expired(attempts int, arrival, now time.Time) bool {
	return attempts > 0 && late(arrival, now, l.expire())
}

// late reports whether an attempt was still in vain when a message had waited for a time;
// negative is never.
func late(arrival, attempt time.Time, limit time.Duration) bool {
	return limit >= 0 && attempt.Sub(arrival) >= limit
}

// forgotten reports whether a message that waits for nothing but its owner has done so for long
// enough, counted from when its owner heard of it. One whose owner has yet to hear of it is kept.
func (l *Limits) forgotten(m *spool.Message, now time.Time) bool {
	if l.keepFailed() < 0 || m.Held || m.Pending() || m.Served() {
		return false
	}
	if hasUntold(m) {
		return false
	}
	return now.Sub(failedSince(m)) >= l.keepFailed()
}

// failedSince returns when something was last tried of a failed message, or told of it.
func failedSince(m *spool.Message) time.Time {
	last := m.Envelope.Arrival
	for i := range m.Progress {
		p := &m.Progress[i]
		for _, t := range [...]time.Time{p.Time, p.Told} {
			if t.After(last) {
				last = t
			}
		}
	}
	return last
}

// after returns the time some while after t; zero for never.
func after(t time.Time, d time.Duration) time.Time {
	if d < 0 {
		return time.Time{}
	}
	return t.Add(d)
}
