//go:build linux && amd64

package faults

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// A recording is a history of sendmail and deliver, with everything that is needed to check its
// cuts against the promise.
type recording struct {
	*history
	mails    []*faultMail
	accepted []int               // serials, in the order in which sendmail exited with 0
	taken    []stage.Transaction // by the host, in order
	chunking bool                // the host offered it
}

// record lets programs work in a world, and records everything they do.
func record(w *world, work func(r *recording)) *recording {
	r := &recording{history: newHistory(w.home)}
	work(r)
	w.host.settle()
	w.host.mu.Lock()
	defer w.host.mu.Unlock()
	r.mails, r.taken, r.chunking = w.mails, w.host.taken, w.host.chunking
	return r
}

func (r *recording) submit(w *world, m *faultMail, f fault) {
	got := w.traced(f, m.content, "sendmail", submitted(m)...)
	if err := r.add(got.calls, len(r.accepted)); err != nil {
		w.t.Errorf("%s: %v", w.what, err)
	}
	if got.code == 0 {
		r.accepted = append(r.accepted, m.serial)
	}
}

func (r *recording) deliver(w *world) {
	got := w.traced(fault{}, "", "deliver")
	w.host.settle()
	if err := r.add(got.calls, len(r.accepted)); err != nil {
		w.t.Errorf("%s: %v", w.what, err)
	}
}

// recordings are histories whose power cuts are tried.
var recordings = []struct {
	name string
	work func(w *world, r *recording)
}{
	{"two submissions and a delivery", func(w *world, r *recording) {
		r.submit(w, w.mail(400, "a@example.com"), fault{})
		r.submit(w, w.mail(90<<10, "b@example.com", "later@example.net"), fault{})
		w.host.setBusy(true)
		r.deliver(w)
		w.host.setBusy(false)
		r.deliver(w)
	}},
	{"a submission that died, and another", func(w *world, r *recording) {
		// It is killed after it has made the queue directory, before it could sync the
		// directory's name.
		r.submit(w, w.mail(400, "a@example.com"), fault{deed: killAfter, at: w.callOf("mkdir")})
		r.submit(w, w.mail(900, "a@example.com"), fault{})
		r.deliver(w)
	}},
	{"back to back", func(w *world, r *recording) {
		w.host.setChunking(true)
		for n := range 6 {
			r.submit(w, w.mail(400+100*n, "a@example.com"), fault{})
		}
		r.deliver(w)
	}},
	{"no smart host", func(w *world, r *recording) {
		r.submit(w, w.mail(400, "a@example.com"), fault{})
		w.unreachable()
		r.deliver(w)
		w.configure()
		r.deliver(w)
	}},
}

// callOf returns the number of the first call of a name that a first sendmail makes.
func (w *world) callOf(name string) int {
	twin := newWorld(w.t, w.fig, w.host, w.what)
	defer twin.end()
	m := twin.mail(400, "a@example.com")
	for i, c := range twin.traced(fault{}, m.content, "sendmail", submitted(m)...).calls {
		if c.name == name {
			return i + 1
		}
	}
	w.t.Errorf("%s: sendmail never calls %s", w.what, name)
	return 0
}

// A cut is one state of the disk after a power cut.
type cut struct {
	n    int // how many changes had ended
	lost map[int]loss
}

// powerCuts cuts the power after each change of a recording, tries the states that the disk may
// then have, and lets deliver go on from there.
func powerCuts(t *testing.T, fig *figures, name string, work func(w *world, r *recording)) {
	w := newWorld(t, fig, newFaultHost(t), name)
	r := record(w, func(r *recording) { work(w, r) })
	w.end()
	most := stage.Pick(700, 4000)
	cuts, of := r.some(most)
	if len(cuts) == most {
		t.Logf("%d states, of %d losses", most, of)
	}
	inParallel(t, len(cuts), noLimit, func(host *faultHost, i int) bool {
		c := cuts[i]
		w := newWorld(t, fig, host, fmt.Sprintf("%s, power cut after change %d, %v", name, c.n, c.lost))
		defer w.end()
		fig.add(&fig.crashStates, 1)
		r.goOn(w, c)
		return true
	})
}

// exhaustive is up to how many losses all are looked at, before those of one state are counted once.
const exhaustive = 40_000

// some returns at most so many cuts, which differ from each other in the state of the disk, or in what
// had happened outside it: drawn from all, of which it returns how many losses they are.
func (r *recording) some(most int) (cuts []cut, of int) {
	var all []losses
	for n := range len(r.changes) + 1 {
		all = append(all, r.lossesAt(n))
		of += all[n].count()
	}
	draw := rand.New(rand.NewPCG(1, 2))
	order := make([]int, 0, exhaustive)
	for k := range min(of, exhaustive) {
		if of > exhaustive {
			k = draw.IntN(of)
		}
		order = append(order, k)
	}
	draw.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	seen := map[[sha256.Size]byte]bool{}
	for _, k := range order {
		n := 0
		for ; k >= all[n].count(); n++ {
			k -= all[n].count()
		}
		c := all[n].at(k)
		submitted, taken := r.outside(n)
		state := r.after(n, c.lost).sum()
		key := sha256.Sum256(fmt.Appendf(nil, "%x %d %d %v", state, submitted, taken, r.windowAt(n)))
		if !seen[key] {
			seen[key] = true
			if cuts = append(cuts, c); len(cuts) == most {
				break
			}
		}
	}
	return cuts, of
}

// outside returns how many messages were accepted by sendmail, and taken by the host, when n changes
// had ended. The next one may have begun long before, on another thread.
func (r *recording) outside(n int) (submitted, taken int) {
	if n == len(r.changes) {
		return len(r.accepted), len(r.taken)
	}
	for i := range r.changes[:n+1] {
		taken = max(taken, r.changes[i].taken)
	}
	return r.changes[n].submitted, taken
}

// windowAt returns the copies that may be sent a second time after a cut: the host has them, and
// their record was not synced yet.
func (r *recording) windowAt(n int) map[copyOf]int {
	_, taken := r.outside(n)
	in := map[copyOf]int{}
	for i, tx := range r.taken[:taken] {
		synced := false
		for j := range r.changes[:n] {
			// The first sync of an envelope that began after the host had it.
			c := &r.changes[j]
			synced = synced || c.kind == syncFile && c.taken > i && r.holds(j, serialOf(tx.Content))
		}
		for _, to := range tx.To {
			if !synced {
				in[copyOf{serialOf(tx.Content), to}]++
			}
		}
	}
	return in
}

// holds reports whether sync j is about the envelope of a message.
func (r *recording) holds(j, serial int) bool {
	var envelope []byte
	for _, c := range r.changes[:j] {
		if c.kind == writeData && c.file == r.changes[j].file && c.offset == 0 {
			envelope = c.data
		}
	}
	m := r.mails[serial-1]
	// A recording has no two messages with the same size.
	return strings.Contains(string(envelope), fmt.Sprintf(`"size":%d,`, len(m.content)))
}

// goOn brings a world into the state after a cut, lets deliver work, and checks the result.
func (r *recording) goOn(w *world, c cut) {
	if err := r.after(c.n, c.lost).restore(w.home); err != nil {
		w.t.Errorf("%s: %v", w.what, err)
		return
	}
	w.configure()
	w.ended(w.program("esmtpq", "adopt"), "") // to the program, the files are copies
	submitted, taken := r.outside(c.n)
	w.mails = r.mails
	for _, serial := range r.accepted[:submitted] {
		w.accepted[serial] = true
	}
	w.host.mu.Lock()
	w.host.taken = append([]stage.Transaction(nil), r.taken[:taken]...)
	w.host.mu.Unlock()
	w.window = r.windowAt(c.n)
	w.host.setChunking(r.chunking)
	w.bounded(w.window)
	if w.remains() {
		w.fig.add(&w.fig.reported, 1)
		return
	}
	w.reckon()
}

// remains reports whether the content of a message that was being removed has outlived its
// envelope. Nothing promises that the order of two removals survives; deliver leaves the content
// alone and says so. It delivers all other mail as usual.
func (w *world) remains() bool {
	orphans, _ := filepath.Glob(filepath.Join(w.queue(), "*", "mail"))
	for _, mail := range orphans {
		dir := filepath.Dir(mail)
		if _, err := os.Stat(filepath.Join(dir, "envelope")); err == nil || strings.HasPrefix(filepath.Base(dir), ".") {
			continue
		}
		b, _ := os.ReadFile(mail)
		serial := serialOf(string(b))
		r := w.ended(w.program("deliver"), "")
		w.host.settle()
		counts, torn := w.host.copies(w.mails)
		w.judge(counts, torn)
		if !strings.Contains(r.Stderr, filepath.Base(dir)) || counts[copyOf{serial, w.mails[max(serial, 1)-1].rcpts[0]}] == 0 {
			w.fig.add(&w.fig.silent, 1)
			w.t.Errorf("%s: %s has lost its envelope, and deliver said %q", w.what, mail, r.Stderr)
		}
		return true
	}
	return false
}
