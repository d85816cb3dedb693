package door

import (
	"fmt"

	"esmtpq/queue/spool"
)

// Rival says who has the lock of the queue run, for a person, and whether that process has been
// stopped and has to be woken.
func Rival(q *spool.Queue) (text string, stopped bool) {
	h, ok := q.Holder()
	switch {
	case !ok:
		return "another queue run is going on", false
	case h.Stopped:
		return fmt.Sprintf("a queue run (process %d, since %s) has been stopped: type fg where it was started, or kill -CONT %d",
			h.PID, Stamp(h.Since), h.PID), true
	}
	return fmt.Sprintf("another queue run (process %d, since %s) is going on", h.PID, Stamp(h.Since)), false
}
