//go:build linux && amd64

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"esmtpq/tests/stage"
)

// TestReaddressFaults breaks "esmtpq retry --to" at each of its calls on files. Afterwards the
// mail goes to the old address or to the new one, once, and never to none.
func TestReaddressFaults(t *testing.T) {
	if err := canTrace(t); err != nil {
		stage.Missing(t, err.Error())
	}
	fig := &figures{began: time.Now()}
	t.Run("order", func(t *testing.T) {
		w, r := readdressed(t, fig, newFaultHost(t), fault{})
		defer w.end()
		if r.code != 0 {
			t.Fatalf("exit %d, %s", r.code, r.stderr)
		}
		w.inOrder(r.calls)
	})
	for _, f := range []fault{{deed: killBefore}, {deed: killAfter}, {deed: failWith, errno: unix.ENOSPC}, {deed: failWith, errno: unix.EIO}} {
		t.Run(fmt.Sprint(f.deed, f.errno), func(t *testing.T) {
			inParallel(t, 1000, noLimit, func(host *faultHost, i int) bool {
				f := f
				f.at = i + 1
				w, r := readdressed(t, fig, host, f)
				defer w.end()
				w.died()
				w.host.setBusy(false)
				if r := w.ended(w.program("deliver"), ""); r.Code != 0 {
					t.Errorf("%s: deliver afterwards: exit %d, %s", w.what, r.Code, r.Stderr)
				}
				w.host.settle()
				counts, torn := w.host.copies(w.mails)
				old, corrected := counts[copyOf{1, "later@example.net"}], counts[copyOf{1, "right@example.com"}]
				if n := old + corrected; torn > 0 || n < 1 || n > 1+len(w.window) {
					t.Errorf("%s: %d copies for the old address, %d for the new one, %d torn; %s", w.what, old, corrected, torn, r.stderr)
				}
				if left := w.leftovers(); len(left) > 0 {
					t.Errorf("%s: left in the queue: %q", w.what, left)
				}
				return r.reached
			})
		})
	}
}

// readdressed runs "esmtpq retry --to" in a world with a mail that waits.
func readdressed(t *testing.T, fig *figures, host *faultHost, f fault) (*world, *traceResult) {
	w := newWorld(t, fig, host, fmt.Sprintf("retry --to, %v %v at call %d", f.deed, f.errno, f.at))
	w.submit(w.mail(500, "later@example.net"))
	w.host.begin(true)
	w.ended(w.program("deliver"), "")
	w.host.settle()
	id, err := os.ReadFile(filepath.Join(w.queue(), ".last"))
	if err != nil {
		t.Error(err)
	}
	return w, w.traced(f, "", "esmtpq", "retry", "--to", "right@example.com", strings.TrimSpace(string(id)))
}

// inOrder checks that the new envelope is synced before it gets its name, and the name after that.
func (w *world) inOrder(calls []*sysCall) {
	at := func(from int, name, base string) int {
		i := slices.IndexFunc(calls[from:], func(c *sysCall) bool {
			return c.name == name && (filepath.Base(c.path) == base || base == "" && filepath.Dir(c.path) == w.queue())
		})
		if i < 0 {
			w.t.Fatalf("no %s of %q from call %d on: %v", name, base, from, calls)
		}
		return from + i + 1
	}
	at(at(at(at(0, "write", "envelope.new"), "sync", "envelope.new"), "rename", "envelope.new"), "sync", "")
}
