package queue

import (
	"os"
	"sync"

	"esmtpq/queue/spool"
)

// An openEntry is an entry that this run works on, perhaps for several destinations at the same
// time.
type openEntry struct {
	*spool.Entry
	opening sync.Mutex // held until Entry or err is set
	err     error
	use     int // how many work on it; the run's mu guards this
}

// acquire opens an entry, or returns it if this run has it open. It is called without mu.
func (r *run) acquire(id string) (*openEntry, error) {
	r.voidIndex.Do(func() { os.Remove(r.q.Dir + "/" + dueIndexFile) })
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
		e.Entry, e.err = r.q.OpenEntry(id)
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
	select {
	case r.gone <- e.Entry:
	default:
		drop(e.Entry)
	}
}

// remover removes entries that are done.
func (r *run) remover(end chan<- struct{}) {
	for e := range r.gone {
		drop(e)
	}
	close(end)
}

// drop removes an entry that is done. Its record is what counts: if the removal fails, the next
// run removes the entry, or reports it.
func drop(e *spool.Entry) {
	e.Remove()
	e.Close()
}
