package deliver

import (
	"os"
	"time"

	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/queue/spool"
)

// Mail that is to be sent at a time needs somebody who waits for it. That is one process, which holds the
// lock of the alarm while it sleeps: the background process of a submission, once its run has left such
// mail. It never sleeps for long without a look at the clock of the wall, which is set, and goes on while
// the machine sleeps, and at what later runs have noted.

// glimpse is how long it sleeps at a time.
const glimpse = 5 * time.Second

// alarm waits until there is mail to be sent, and reports whether there is; false if there is none, if
// another process waits already, or if it is asked to end.
func alarm(q *spool.Queue, asked <-chan os.Signal) bool {
	for {
		if q.Schedule().IsZero() {
			return false
		}
		lock := q.TryAlarm()
		if lock == nil {
			return false // whoever has it looks at what was noted before it lets go
		}
		for {
			next := q.Schedule()
			left := time.Until(next.Round(0))
			if next.IsZero() {
				break
			}
			if left <= 0 {
				lock.Close()
				return true
			}
			if pause(min(left, glimpse), asked) {
				lock.Close()
				return false
			}
		}
		lock.Close()
	}
}

// awaitSchedule sees to it that somebody waits for the time of mail that a run has left, unless the
// configuration wants no process in the background.
func (r *router) awaitSchedule(q *spool.Queue) {
	if q.Schedule().IsZero() {
		return
	}
	cfg, err := r.load(&spool.Envelope{})
	if err != nil {
		return
	}
	lock := q.TryAlarm()
	if lock == nil {
		return
	}
	lock.Close()
	if delay, err := submit.BatchDelay(cfg); err == nil && delay >= 0 {
		submit.StartSleeper(q, r.home, 0)
	}
}
