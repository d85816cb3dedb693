package main

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"

	"esmtpq/queue"
)

// A host is a smart host with limits: it takes a number of sessions a second, lets a number of
// others wait, and refuses the rest at once.
type host struct {
	rate    float64 // sessions a second
	backlog int     // connections that wait to be served

	free time.Duration // when everything it has taken so far is served
}

// take reports whether a connection at some time is served, and when that is over.
func (h *host) take(now time.Duration) (done time.Duration, ok bool) {
	h.free = max(h.free, now)
	if (h.free-now).Seconds()*h.rate >= float64(h.backlog) {
		return 0, false
	}
	h.free += time.Duration(float64(time.Second) / h.rate)
	return h.free, true
}

// A fleet is many machines with one message each. None of them could reach the host for some
// time, and all of them can from time 0 on.
type fleet struct {
	machines int
	offline  time.Duration // how long the host could not be reached
	within   time.Duration // the first attempts are spread over this
	outage   bool          // the machines were online, and have tried by the schedule since the beginning
	next     schedule
	draw     *rand.Rand
}

// A schedule returns when a machine tries again after an attempt in vain; offline is how long it
// could not reach the host before time 0.
type schedule func(now, offline time.Duration, draw *rand.Rand) time.Duration

// jittered is the schedule of the queue.
func jittered(now, offline time.Duration, draw *rand.Rand) time.Duration {
	return now + queue.Spread(queue.RetryDelay(offline+now), draw.Int64N)
}

// watched is the schedule where a watcher has seen the network come: a new beginning.
func watched(now, _ time.Duration, draw *rand.Rand) time.Duration {
	if now <= firstRound {
		return now + queue.Spread(queue.Settling, draw.Int64N)
	}
	return jittered(now, 0, draw)
}

// firstRound is until when an attempt may be the first one over a new network.
const firstRound = 10 * time.Second

// unjittered is the schedule of the queue without its jitter.
func unjittered(now, offline time.Duration, _ *rand.Rand) time.Duration {
	return now + queue.RetryDelay(offline+now)
}

// crontab is the attempt that cron starts everywhere in the same minute, whatever the schedule
// says. Clocks set by NTP agree; it takes a second until the program runs.
func crontab(now, _ time.Duration, draw *rand.Rand) time.Duration {
	const every = 10 * time.Minute
	return now.Truncate(every) + every + time.Duration(draw.Int64N(int64(time.Second)))
}

// A result is what became of a fleet.
type result struct {
	delivered int
	attempts  int
	wasted    int           // attempts that were refused
	peak      float64       // most attempts in a second, or over ten where the host was down; without the first round
	half      time.Duration // until half of the mail was delivered
	last      time.Duration // until all of it was
}

// An attempt is a future attempt.
type attempt struct {
	at    time.Duration
	round int
}

// attempts are a heap with the earliest first.
type attempts []attempt

func (a attempts) Len() int           { return len(a) }
func (a attempts) Less(i, j int) bool { return a[i].at < a[j].at }
func (a attempts) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *attempts) Push(x any)        { *a = append(*a, x.(attempt)) }
func (a *attempts) Pop() any {
	old := *a
	x := old[len(old)-1]
	*a = old[:len(old)-1]
	return x
}

// run lets the fleet try until all its mail is delivered, or limit is over.
func (f *fleet) run(h *host, limit time.Duration) result {
	ahead := make(attempts, f.machines)
	for i := range ahead {
		ahead[i].at = time.Duration(f.draw.Int64N(int64(f.within) + 1))
		if f.outage {
			ahead[i] = attempt{f.firstAfter(ahead[i].at - f.offline), 1}
		}
	}
	heap.Init(&ahead)
	var r result
	var done []time.Duration
	window := time.Second
	if f.outage {
		window = 10 * time.Second // a few attempts a second are never even
	}
	second, inSecond := time.Duration(-1), 0
	for len(ahead) > 0 && ahead[0].at < limit {
		a := heap.Pop(&ahead).(attempt)
		r.attempts++
		if a.round > 0 {
			if s := a.at.Truncate(window); s != second {
				second, inSecond = s, 0
			}
			inSecond++
			r.peak = max(r.peak, float64(inSecond)/window.Seconds())
		}
		if at, ok := h.take(a.at); ok {
			done = append(done, at)
			continue
		}
		r.wasted++
		heap.Push(&ahead, attempt{f.next(a.at, f.offline, f.draw), a.round + 1})
	}
	if r.delivered = len(done); r.delivered > 0 {
		slices.Sort(done)
		r.half, r.last = done[len(done)/2], done[len(done)-1]
	}
	return r
}

// firstAfter returns the first attempt at time 0 or later of a machine whose mail was first tried at a time before.
func (f *fleet) firstAfter(first time.Duration) time.Duration {
	at := first
	for at < 0 {
		at += queue.Spread(queue.RetryDelay(at-first), f.draw.Int64N)
	}
	return at
}
