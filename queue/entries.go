package queue

import (
	"errors"
	"sync"
	"time"

	"esmtpq/queue/spool"
)

// An openEntry is an entry that this run works on, perhaps for several destinations at the same
// time.
type openEntry struct {
	*spool.Entry
	opening sync.Mutex // held until Entry or err is set
	err     error
	use     int // how many work on it; the run's mu guards this
	copy    copyState
}

// acquire opens an entry, or returns it if this run has it open. It is called without mu.
func (r *run) acquire(id string) (*openEntry, error) {
	r.voidIndex.Do(func() { r.q.RemoveCache(dueIndexFile) })
	r.mu.Lock()
	r.findings.forget(spool.Number(id))
	e := r.open[id]
	opener := e == nil
	if opener {
		e = &openEntry{}
		e.opening.Lock()
		r.open[id] = e
	}
	e.use++
	r.mu.Unlock()
	if opener {
		r.openEntry(e, id)
	} else {
		e.opening.Lock() // until the first destination has opened it
	}
	e.opening.Unlock()
	if e.err == nil {
		return e, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.use--; r.open[id] == e {
		delete(r.open, id)
	}
	return nil, e.err
}

// entryPatience is how long a run waits for an entry that another process works on. Submissions
// and commands have one for a moment only.
const entryPatience = time.Second

// openEntry opens an entry for all that work on it. A run that has waited for one in vain waits
// for no other: a stopped command may have very many. An entry that a dead run was sending is held
// here if that was once too often, since this run may find no reason to try it and note another
// state in its place.
func (r *run) openEntry(e *openEntry, id string) {
	patience := entryPatience
	if r.impatient.Load() {
		patience = 0
	}
	e.Entry, e.err = r.q.AwaitEntry(r.ctx, id, patience)
	switch {
	case errors.Is(e.err, spool.ErrLocked):
		r.impatient.Store(true)
	case e.err == nil:
		r.mu.Lock()
		r.usable(id)
		r.mu.Unlock()
	}
	if e.err == nil && e.CutOff() > 0 && r.tooUnsure(e.CutOff()) {
		r.hold(e)
	}
}

// release lets go of an entry, and removes it if it is done. The remover does that unless it is
// busy, so that no session waits for it. release is called without mu.
func (r *run) release(e *openEntry) {
	r.mu.Lock()
	e.use--
	last := e.use == 0
	if last {
		delete(r.open, e.ID())
	}
	if last && !e.Served() {
		e.Close() // before another destination opens it
	}
	r.mu.Unlock()
	if !last || !e.Served() {
		return
	}
	if r.opt.Keeper != nil {
		r.gone <- e // copies are kept one after the other, in order
		return
	}
	select {
	case r.gone <- e:
	default:
		r.dropDone(e)
	}
}

// remover removes entries that are done.
func (r *run) remover(end chan<- struct{}) {
	for e := range r.gone {
		r.dropDone(e)
	}
	close(end)
}

// dropDone removes an entry that is done, when its copy has been kept. Its record is what counts: if the removal fails, the next
// run removes the entry, or reports it.
func (r *run) dropDone(e *openEntry) {
	r.keepCopy(e)
	e.Remove()
	e.Close()
}
