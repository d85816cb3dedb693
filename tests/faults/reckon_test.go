//go:build linux && amd64

package faults

import (
	"esmtpq/queue/spool"
	"os"
	"path/filepath"
	"slices"
)

// queued returns the entries of the queue, by the serials of their messages.
func (w *world) queued() map[int]*spool.Message {
	in := map[int]*spool.Message{}
	q, err := spool.Open(w.queue())
	if err != nil {
		return in
	}
	defer q.Close()
	l, err := q.List()
	if err != nil {
		w.t.Errorf("%s: %v", w.what, err)
		return in
	}
	for _, id := range l.IDs {
		content, _ := os.ReadFile(filepath.Join(w.queue(), id, "mail"))
		if m, err := q.Read(id); err == nil {
			in[serialOf(string(content))] = m
		}
	}
	return in
}

// doubtful are the copies in the window: the disk says that their final dot was about to be sent,
// and does not say more.
func (w *world) doubtful() map[copyOf]bool {
	in := map[copyOf]bool{}
	for serial, m := range w.queued() {
		for i, p := range m.Progress {
			if p.State == spool.Sending || p.State == spool.Unsure {
				in[copyOf{serial, m.Envelope.Recipients[i].Address}] = true
			}
		}
	}
	return in
}

// died checks what is left by a deliver that may have died. If the host took a copy whose record
// only says that it was about to be sent, there may be one copy more.
func (w *world) died() {
	w.host.settle()
	counts, _ := w.host.copies(w.mails)
	window := map[copyOf]int{}
	for c := range w.doubtful() {
		if counts[c] > w.arrived[c] {
			window[c] = 1
		}
	}
	w.bounded(window)
	for c := range window {
		w.window[c]++
	}
	w.arrived = counts
}

// bounded checks that the window has no more messages than one session may have in flight: a
// session records each message before it ends the next, unless they go back to back.
func (w *world) bounded(window map[copyOf]int) {
	serials := map[int]bool{}
	for c := range window {
		serials[c.serial] = true
	}
	if limit := w.host.inFlight(); len(serials) > limit {
		w.fig.add(&w.fig.doubled, len(serials)-limit)
		w.t.Errorf("%s: more was sent before what had been sent was recorded: %v", w.what, window)
	}
}

// reckon lets a deliver without faults finish the queue, and checks the outcome against the
// promise.
func (w *world) reckon() {
	w.host.setBusy(false)
	w.releaseHalted()
	r := w.ended(w.program("deliver"), "")
	w.host.settle()
	if r.Code != 0 {
		w.fig.add(&w.fig.left, 1)
		w.t.Errorf("%s: deliver afterwards: exit %d, %s", w.what, r.Code, r.Stderr)
	}
	counts, torn := w.host.copies(w.mails)
	w.judge(counts, torn)
	for _, name := range w.leftovers() {
		w.fig.add(&w.fig.left, 1)
		w.t.Errorf("%s: %s is left in the queue; deliver said %q", w.what, name, r.Stderr)
	}
}

// releaseHalted does what the owner is told to do about entries that are held because what became of
// them could not be recorded.
func (w *world) releaseHalted() {
	envelopes, _ := filepath.Glob(filepath.Join(w.queue(), "[0-9A-F]*", "envelope"))
	for _, envelope := range envelopes {
		if st, err := os.Stat(envelope); err == nil && st.Mode().Perm() == 0o400 {
			w.ended(w.program("esmtpq", "release", filepath.Base(filepath.Dir(envelope))), "")
		}
	}
}

// judge checks the mail that arrived against the promise.
func (w *world) judge(counts map[copyOf]int, torn int) {
	if torn > 0 {
		w.fig.add(&w.fig.torn, torn)
		w.t.Errorf("%s: %d contents arrived that nobody submitted", w.what, torn)
	}
	for _, m := range w.mails {
		for _, rcpt := range m.rcpts {
			c := copyOf{m.serial, rcpt}
			switch n := counts[c]; {
			case n == 0 && w.accepted[m.serial]:
				w.fig.add(&w.fig.lost, 1)
				w.t.Errorf("%s: message %d for %s is lost", w.what, m.serial, rcpt)
			case n > 1 && n <= 1+w.window[c]:
				w.fig.add(&w.fig.window, n-1)
			case n > 1:
				w.fig.add(&w.fig.doubled, n-1-w.window[c])
				w.t.Errorf("%s: message %d for %s arrived %d times", w.what, m.serial, rcpt, n)
			}
		}
	}
}

// ours are the files in the queue directory that are no messages.
var ours = []string{".lock", ".wakeup", ".parked", ".agenda", ".edited", ".last", ".sessions", ".sent", ".history"}

// leftovers returns everything in the queue that should be gone after all mail has gone out.
func (w *world) leftovers() []string {
	entries, err := os.ReadDir(w.queue())
	if err != nil && !os.IsNotExist(err) {
		w.t.Errorf("%s: %v", w.what, err)
	}
	var names []string
	for _, e := range entries {
		if !slices.Contains(ours, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}
