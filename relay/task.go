package relay

import (
	"strings"

	"esmtpq/queue"
)

// maxRecipients is how many recipients a transaction has at most. Every host must take this many
// (RFC 5321, 4.5.3.1.8).
const maxRecipients = 100

// A task is one delivery on its way, for as many of its recipients as one transaction may have.
type task struct {
	d      *queue.Delivery
	rcpts  []int // indexes in d.Recipients, ascending
	order  int   // position in the order of drawing
	deaths int   // sessions that ended over it in this run
	alone  bool  // to be sent with nothing else in flight, one command at a time
	plain  bool  // to be sent by DATA
}

func newTask(d *queue.Delivery, order int) *task {
	t := &task{d: d, order: order, rcpts: make([]int, len(d.Recipients))}
	for i := range t.rcpts {
		t.rcpts[i] = i
	}
	return t
}

// split keeps at most limit recipients, of at most domains domains (0: any number), and returns a
// task for the rest; nil if there is no rest.
func (t *task) split(limit, domains int) *task {
	if len(t.rcpts) <= limit && domains == 0 {
		return nil
	}
	if domains == 0 { // there may be very many
		other := *t
		t.rcpts, other.rcpts = t.rcpts[:limit:limit], t.rcpts[limit:]
		return &other
	}
	seen := map[string]bool{}
	var keep, rest []int
	for _, i := range t.rcpts {
		address := strings.ToLower(t.d.Recipients[i].Address)
		domain := address[strings.LastIndexByte(address, '@')+1:]
		if len(keep) >= limit || domains > 0 && !seen[domain] && len(seen) >= domains {
			rest = append(rest, i)
			continue
		}
		seen[domain] = true
		keep = append(keep, i)
	}
	if len(rest) == 0 {
		return nil
	}
	other := *t
	t.rcpts, other.rcpts = keep, rest
	return &other
}

// all returns rep for each recipient.
func (t *task) all(rep queue.Report) []queue.Report {
	reports := make([]queue.Report, len(t.rcpts))
	for i := range reports {
		reports[i] = rep
	}
	return reports
}

// whole reports whether the task is for all recipients of its delivery.
func (t *task) whole() bool { return len(t.rcpts) == len(t.d.Recipients) }

// outcome returns what is to be recorded for all recipients of the task.
func (t *task) outcome(reports []queue.Report) queue.Outcome {
	o := queue.Outcome{Delivery: t.d, Recipients: t.rcpts, Reports: reports}
	if t.whole() {
		o.Recipients = nil
	}
	return o
}

// settle returns what is to be recorded for the recipients that have a report; nil if none has.
func (t *task) settle(reports []queue.Report) *queue.Outcome {
	o := queue.Outcome{Delivery: t.d}
	for k, rep := range reports {
		if rep.Action != "" {
			o.Recipients = append(o.Recipients, t.rcpts[k])
			o.Reports = append(o.Reports, rep)
		}
	}
	switch len(o.Reports) {
	case 0:
		return nil
	case len(t.d.Recipients):
		o.Recipients = nil
	}
	return &o
}

// rest returns a task for the recipients that have no report.
func (t *task) rest(reports []queue.Report) *task {
	rest := *t
	rest.rcpts = nil
	for k := range reports {
		if reports[k].Action == "" {
			rest.rcpts = append(rest.rcpts, t.rcpts[k])
		}
	}
	return &rest
}
