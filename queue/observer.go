package queue

import (
	"time"

	"esmtpq/queue/spool"
)

// An Observer is told what a run does, for a log and for commands of the person's own. Nothing in the
// run depends on it. Its methods are called from several goroutines, the lock of the run being held:
// they must be quick, and must not call back.
type Observer interface {
	// Found tells of a message that no run has tried before.
	Found(m *spool.Message)
	// Tried tells what became of recipients, immediately before that is recorded in their entries:
	// whatever the queue takes for sent has been told of, wherever the process is killed.
	Tried(all []Trial)
	// Recorded tells that this is durable.
	Recorded(all []Trial)
	// Suspended tells that a destination waits with all its mail: since now if began, or still.
	Suspended(destination string, why *Report, began bool)
	// Recovered tells that a destination works again that has waited.
	Recovered(destination string)
	// Held tells that a message is held, since it was possibly delivered too often.
	Held(m *spool.Message)
	// Dropped tells that a message has been dropped, having failed long ago.
	Dropped(m *spool.Message)
}

// A Trial is one attempt for some recipients of a message, and what it has come to.
type Trial struct {
	*Delivery
	Destination string
	Which       []int // indexes into Recipients that Reports are for
	Reports     []Report
	Session     Session

	First  bool      // the message has not been tried before
	Run    time.Time // when the run began
	Drawn  time.Time // when the transport took the message
	Time   time.Time // of the outcome
	Served bool      // by now, all recipients of the message are; only known to Recorded
}

// A Session is what a transport says of the session that an outcome is from.
type Session struct {
	TLS   string        // version and cipher, "" for none
	Setup time.Duration // that the message had to wait for the session to open
}

// trials returns parts for the observer.
func (t *destination) trials(parts []part, now time.Time) []Trial {
	all := make([]Trial, len(parts))
	for i := range parts {
		p := &parts[i]
		which := p.which
		if which == nil {
			which = make([]int, len(p.reports))
			for k := range which {
				which[k] = k
			}
		}
		all[i] = Trial{
			Delivery: p.Delivery, Destination: t.name, Which: which, Reports: p.reports, Session: p.session,
			First: p.draw.new, Run: t.run.begun, Drawn: p.draw.drawn, Time: now,
		}
	}
	return all
}
