package identity

import "sync"

// A boundedBuffer keeps the first octets written to it, or the last ones, and
// takes the rest without complaint. It may still be written to while it is
// read: by a process that outlived the command it belongs to.
type boundedBuffer struct {
	limit int
	tail  bool // keep the last octets, not the first

	mu   sync.Mutex
	b    []byte
	full bool // something was dropped
}

// Write implements io.Writer; it never fails.
func (w *boundedBuffer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, p...)
	if over := len(w.b) - w.limit; over > 0 {
		w.full = true
		if w.tail {
			w.b = append(w.b[:0], w.b[over:]...)
		} else {
			w.b = w.b[:w.limit]
		}
	}
	return len(p), nil
}

// bytes returns a copy of what was kept.
func (w *boundedBuffer) bytes() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]byte(nil), w.b...)
}
