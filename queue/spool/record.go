package spool

import (
	"slices"
	"syscall"
	"time"
)

// Recording one message takes a sync of its envelope. When the replies to many come in together, as
// they do behind a burst, those that are done with are recorded by their names: each entry is
// renamed, and the queue directory, which has all their names, synced once. What has such a name
// has been sent, and nothing is to be done but to remove it.

// sentPrefix begins the names of entries whose recipients are all served.
const sentPrefix = ".sent-"

// batchWorth is how many entries are worth that: the sync of a directory takes as long as those of
// two envelopes.
const batchWorth = 3

// An Attempt is what one attempt came to for some recipients of an entry.
type Attempt struct {
	Entry      *Entry
	Recipients []int // indexes in the envelope, ascending
	Reports    []Report
	Next       time.Time // when the message is due again; zero where that is not for this attempt to say
}

// RecordAll records attempts. It returns an error for each, nil where it is recorded.
func (q *Queue) RecordAll(all []Attempt, now time.Time) []error {
	errs := make([]error, len(all))
	renamed := q.renameDone(all)
	// Not syncDir: where a directory cannot be synced, an envelope still can.
	together := len(renamed) > 0 && q.dir.Sync() == nil
	for i := range all {
		a := &all[i]
		if together && slices.Contains(renamed, i) {
			a.Entry.done(a.Recipients, a.Reports, now)
		} else {
			errs[i] = a.Entry.record(a, now)
		}
	}
	return errs
}

// renameDone gives the entries that nothing is to be done for any more their last names, if there
// are enough, and returns the indexes of those that have them.
func (q *Queue) renameDone(all []Attempt) (renamed []int) {
	if len(all) < batchWorth {
		return nil
	}
	var done []int
	for i := range all {
		if a := &all[i]; a.Entry.completedBy(a.Recipients, a.Reports) {
			done = append(done, i)
		}
	}
	if len(done) < batchWorth {
		return nil
	}
	for _, i := range done {
		e := all[i].Entry
		if syscall.Rename(q.Dir+"/"+e.name, q.Dir+"/"+sentPrefix+e.msg.ID) == nil {
			e.name = sentPrefix + e.msg.ID
			renamed = append(renamed, i)
		}
	}
	return renamed
}

// completedBy reports whether reports say of each recipient that is still pending that it is
// served, and all others are. indexes ascend, and there may be many.
func (e *Entry) completedBy(indexes []int, reports []Report) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := 0
	for i := range e.msg.Progress {
		state := e.msg.Progress[i].State
		if k < len(indexes) && indexes[k] == i {
			if state.Pending() {
				state = stateAfter(state, &reports[k])
			}
			k++
		}
		if state != Accepted && state != LocalDone {
			return false
		}
	}
	return true
}

// done notes reports that the name of the entry has made durable.
func (e *Entry) done(indexes []int, reports []Report, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for k, i := range indexes {
		if p := &e.msg.Progress[i]; p.State.Pending() {
			*p = Progress{State: stateAfter(p.State, &reports[k]), Time: now}
		}
	}
	e.served = true
}
