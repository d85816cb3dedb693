package queue

import (
	"sync"
	"testing"

	"esmtpq/queue/spool"
)

// A witness looks at the entry when it is told of it.
type witness struct {
	t *testing.T
	q *spool.Queue

	mu               sync.Mutex
	found            []string
	before, after    []spool.State
	suspended, again int
	served           bool
}

func (w *witness) stateOf(id string) spool.State {
	m, err := w.q.Read(id)
	if err != nil {
		return '?'
	}
	return m.Progress[0].State
}

func (w *witness) Found(m *spool.Message) { w.found = append(w.found, m.ID) }
func (w *witness) Tried(all []Trial) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range all {
		w.before = append(w.before, w.stateOf(t.ID))
	}
}
func (w *witness) Recorded(all []Trial) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range all {
		w.after, w.served = append(w.after, w.stateOf(t.ID)), t.Served
	}
}
func (w *witness) Suspended(_ string, _ *Report, began bool) {
	w.suspended++
	if !began {
		w.again++
	}
}
func (w *witness) Recovered(string)       { w.suspended = -1 }
func (w *witness) Held(*spool.Message)    {}
func (w *witness) Dropped(*spool.Message) {}

// What became of a message is told before its entry says so, and again when it does; and that an
// identity waits, or works again, each time that this begins.
func TestObserverIsToldFirst(t *testing.T) {
	q := newQueue(t)
	id := commit(t, q, envelopeFor("a@example.com"), "text\n")
	w := &witness{t: t, q: again(t, q)}
	host := &fakeHost{answer: refusing(unreachable)}
	opt := RunOptions{All: true, Observer: w}
	runQueue(t, q, one(host), opt)
	runQueue(t, q, one(host), opt)
	if len(w.found) != 1 || w.found[0] != id || w.suspended != 2 || w.again != 1 {
		t.Errorf("found %q, suspended %d times, of which %d still", w.found, w.suspended, w.again)
	}
	w.before, w.after = nil, nil
	host.answer = nil
	runQueue(t, q, one(host), opt)
	if string(states(w.before)) != "s" || string(states(w.after)) != "r" || !w.served || w.suspended != -1 {
		t.Errorf("before %q, after %q, served %v, suspended %d", states(w.before), states(w.after), w.served, w.suspended)
	}
}

func states(all []spool.State) (text []byte) {
	for _, s := range all {
		text = append(text, byte(s))
	}
	return text
}
