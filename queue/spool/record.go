package spool

import (
	"slices"
	"time"
)

// Recording one message takes a sync of its envelope. When the replies to many messages come in
// together, as in back-to-back delivery, the messages that are done are recorded by their names:
// each entry is renamed, and one sync of the queue directory covers all the names. An entry with
// such a name has been sent and only has to be removed.

// sentPrefix begins the names of entries whose recipients are all served.
const sentPrefix = ".sent-"

// batchWorth is how many entries are worth that: the sync of a directory takes as long as the
// syncs of two envelopes.
const batchWorth = 3

// An Attempt is the outcome of one attempt for some recipients of an entry.
type Attempt struct {
	Entry      *Entry
	Recipients []int // indexes in the envelope, ascending
	Reports    []Report
	Next       time.Time // when the message is due again; zero if this attempt does not decide that
}

// RecordAll records attempts. It returns an error for each, nil if it is recorded.
func (q *Queue) RecordAll(all []Attempt, now time.Time) []error {
	errs := make([]error, len(all))
	together := q.recordTogether(all)
	for i := range all {
		a := &all[i]
		if slices.Contains(together, i) {
			a.Entry.done(a.Recipients, a.Reports, now)
		} else {
			errs[i] = a.Entry.record(a, now)
		}
	}
	q.rememberServed(all)
	return errs
}

// recordTogether records the entries that are done by one sync, if there are enough of them, and
// returns their indexes.
func (q *Queue) recordTogether(all []Attempt) []int {
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
	if q.remembersDurably(all, done) {
		return done
	}
	renamed := q.renameDone(all, done)
	// syncDir is not used here: where a directory cannot be synced, an envelope still can.
	if len(renamed) == 0 || q.dir.Sync() != nil {
		return nil
	}
	return renamed
}

// remembersDurably records entries that are done by lines in the memory of what was sent, where that
// costs less than new names: on btrfs, where the sync of a directory writes down what all the renaming
// has changed. An entry is known by the birth of its envelope.
func (q *Queue) remembersDurably(all []Attempt, done []int) bool {
	if !q.recordsByMemory() {
		return false
	}
	entries := make([]*Entry, len(done))
	for k, i := range done {
		if entries[k] = all[i].Entry; entries[k].msg.birth == 0 {
			return false
		}
	}
	return q.rememberAll(entries, true) == nil
}

// rememberServed adds the entries that are served to the memory. Should that fail, they are added when
// they are removed.
func (q *Queue) rememberServed(all []Attempt) {
	var served []*Entry
	for i := range all {
		if e := all[i].Entry; e.leaves() {
			served = append(served, e)
		}
	}
	q.rememberAll(served, false)
}

// renameDone gives entries that are done their last names, and returns the indexes of those that
// have such a name.
func (q *Queue) renameDone(all []Attempt, done []int) (renamed []int) {
	for _, i := range done {
		e := all[i].Entry
		if q.rename(e.name, sentPrefix+e.msg.ID) == nil {
			e.name = sentPrefix + e.msg.ID
			renamed = append(renamed, i)
		}
	}
	return renamed
}

// completedBy reports whether every recipient is served, by reports or before. indexes are in
// ascending order, and there may be many.
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
