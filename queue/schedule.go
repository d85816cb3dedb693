package queue

import (
	"cmp"
	"math/rand/v2"
	"time"

	"esmtpq/queue/spool"
)

// This is the schedule of retries: a message that has waited for some time waits about as long
// again, at least a minute and at most four hours.
const (
	retryFloor   = time.Minute
	retryCeiling = 4 * time.Hour
)

// nextAttempt returns when to try a message again that has just been tried in vain, and was tried so
// first at some time. A time in the future (a clock was set back) counts as now.
func nextAttempt(first, now time.Time) time.Time {
	return now.Add(Spread(RetryDelay(now.Sub(first)), rand.Int64N))
}

// nextIdentityAttempt is the same for an identity that has waited since some time.
func nextIdentityAttempt(since, now time.Time) time.Time {
	return now.Add(Spread(RetryDelay(now.Sub(since)), rand.Int64N))
}

// RetryDelay returns how long to wait for the next attempt, before Spread: about as long again as
// the mail has waited already.
func RetryDelay(waited time.Duration) time.Duration {
	return min(max(waited, retryFloor), retryCeiling)
}

// Spread changes a delay by up to a quarter either way, so that machines that came online
// together do not come back together. draw returns a number from 0 up to but not including n, as
// rand.Int64N does. The delay must be at least two nanoseconds.
func Spread(delay time.Duration, draw func(n int64) int64) time.Duration {
	return delay*3/4 + time.Duration(draw(int64(delay/2)))
}

// due reports whether a time has come. A time further ahead than the schedule ever plans comes
// from a clock that has been set back since, and counts as come.
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

// waitingSince returns when a message began to wait for something else than its time, by a clock that is
// believed: when it was released, or its first attempt, or now.
func waitingSince(m *spool.Message, now time.Time) time.Time {
	for _, t := range [...]time.Time{m.Released(now), m.First} {
		if spool.Plausible(t, now) {
			return t
		}
	}
	return now
}

// firstTried returns when a message was first tried for its own sake; now if it never was. What an
// older program has not recorded was soon after the arrival.
func firstTried(m *spool.Message, now time.Time) time.Time {
	switch {
	case m.Attempts == 0:
		return now
	case spool.Plausible(m.First, now):
		return m.First
	case m.First.IsZero():
		return waitingSince(m, now)
	}
	return now
}

// expired reports whether to give up a message whose attempt has just failed. It is never given
// up at its first attempt: the machine may have slept for a week, and the host may greylist. Its time
// counts from that attempt. Nor is it given up at an attempt that follows a long pause, after which
// the host may greylist again, or the clock be wrong.
func (l *Limits) expired(m *spool.Message, now time.Time) bool {
	pause := now.Sub(m.Last)
	if !m.Last.IsZero() && pause > max(l.expire()/longPause, retryCeiling*3/2) {
		return false
	}
	return late(firstTried(m, now), now, l.expire())
}

// longPause is which part of its time a message may go untried before it gets another attempt.
const longPause = 5

// late reports whether an attempt came after a message had waited for limit; a negative limit is
// never.
func late(arrival, attempt time.Time, limit time.Duration) bool {
	return limit >= 0 && attempt.Sub(arrival) >= limit
}

// forgotten reports whether a message that only waits for its owner has done so for long enough
// since its owner was told. A message whose owner has not been told yet is kept.
func (l *Limits) forgotten(m *spool.Message, now time.Time) bool {
	if l.keepFailed() < 0 || m.Held || m.Pending() || m.Served() {
		return false
	}
	if hasUntold(m) {
		return false
	}
	return now.Sub(failedSince(m)) >= l.keepFailed()
}

// failedSince returns when a failed message was last tried, or its owner last told of it.
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

// after returns the time d after t; zero for never.
func after(t time.Time, d time.Duration) time.Time {
	if d < 0 {
		return time.Time{}
	}
	return t.Add(d)
}
