//go:build linux

package homes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const letter = "Subject: a letter\n\nsome lines\n"

// snapshot makes a snapshot of a subvolume: the blocks of all its files are shared from then on, and
// are not overwritten in place.
func snapshot(t *testing.T, home string) {
	t.Helper()
	run(t, "btrfs", "subvolume", "snapshot", home, home+"-then")
}

// On a full disk that overwrites nothing in place, nothing is sent, the host is not even called, and
// deliver and mailq say why. With room again, everything goes out once.
func TestFullBtrfsSendsNothing(t *testing.T) {
	namespace(t)
	d := newDisk(t, "btrfs", "256M")
	h := newHost(t)
	run(t, "btrfs", "subvolume", "create", d.dir+"/sub")
	p := newPerson(t, d.dir+"/sub", h)
	submit(p, letter+strings.Repeat("0123456789\n", 20_000), "a@example.net")
	submit(p, letter, "b@example.net", "later@example.net")
	snapshot(t, d.dir+"/sub")
	fill(t, d.dir)
	for range 2 {
		says(t, p.Try("", "deliver"), 75, "no space left on device", "free some space")
	}
	if n := h.called(); n > 0 {
		t.Errorf("the host was called %d times", n)
	}
	says(t, p.Try("", "mailq"), 0, "no space left on device", "could not be recorded")
	says(t, p.Try("", "mailq", "--json"), 0, "no space left on device")
	os.Remove(filepath.Join(d.dir, "filler"))
	unix.Sync()
	says(t, p.Try("", "deliver"), 75, "come again")
	arrived(t, h, 2)
}

// A queue that this program makes is overwritten in place even there.
func TestFullBtrfsRecordsInPlace(t *testing.T) {
	namespace(t)
	d := newDisk(t, "btrfs", "256M")
	h := newHost(t)
	p := newPerson(t, d.dir, h)
	submit(p, letter, "a@example.net")
	submit(p, letter, "b@example.net", "later@example.net")
	fill(t, d.dir)
	says(t, p.Try("", "deliver"), 75, "come again")
	says(t, p.Try("", "deliver"), 75, "come again")
	arrived(t, h, 2)
	out := p.Run("", "mailq")
	if strings.Contains(out, "b@example.net") || !strings.Contains(out, "later@example.net") {
		t.Errorf("mailq: %s", out)
	}
}

// The disk fills up, or a quota is met, while the host takes its time over the final dot.
func TestDiskFullAtTheDot(t *testing.T) {
	for _, quota := range []bool{false, true} {
		for _, n := range []int{1, 5} { // 5 are sent back to back and recorded together
			t.Run(fmt.Sprintf("quota %v, %d messages", quota, n), func(t *testing.T) {
				namespace(t)
				d := newDisk(t, "btrfs", "256M")
				h := newHost(t)
				run(t, "btrfs", "subvolume", "create", d.dir+"/sub")
				p := newPerson(t, d.dir+"/sub", h)
				for range n {
					submit(p, letter, "a@example.net")
				}
				r := h.deliverAnd(p, func() {
					snapshot(t, d.dir+"/sub")
					if quota {
						run(t, "btrfs", "quota", "enable", d.dir)
						run(t, "btrfs", "quota", "rescan", "-w", d.dir)
						run(t, "btrfs", "qgroup", "limit", "2M", d.dir+"/sub")
						unix.Sync()
						fill(t, d.dir+"/sub")
						return
					}
					fill(t, d.dir)
				})
				t.Logf("deliver: %+v", r)
				for range 2 {
					p.Try("", "deliver")
				}
				first := len(h.Received())
				if first < 1 {
					t.Fatal("nothing arrived")
				}
				if quota {
					run(t, "btrfs", "qgroup", "limit", "none", d.dir+"/sub")
				}
				os.Remove(filepath.Join(d.dir, "filler"))
				os.Remove(filepath.Join(d.dir, "sub", "filler"))
				unix.Sync()
				p.Try("", "deliver")
				gone(p)
				arrived(t, h, n)
			})
		}
	}
}

// A message of which a part of the recipients is still to be served is held, and said to be.
func TestDiskFullAtTheDotOfAPart(t *testing.T) {
	namespace(t)
	d := newDisk(t, "btrfs", "256M")
	h := newHost(t)
	run(t, "btrfs", "subvolume", "create", d.dir+"/sub")
	p := newPerson(t, d.dir+"/sub", h)
	id := submit(p, letter, "a@example.net", "later@example.net")
	says(t, h.deliverAnd(p, func() { snapshot(t, d.dir+"/sub"); fill(t, d.dir) }), 75, "held", "esmtpq release "+id)
	os.Remove(filepath.Join(d.dir, "filler"))
	unix.Sync()
	p.Try("", "deliver")
	arrived(t, h, 1)
	says(t, p.Try("", "mailq"), 0, id+"!", "it may have been sent")
	p.Run("", "esmtpq", "release", id)
	says(t, p.Try("", "deliver"), 75, "come again")
	arrived(t, h, 2)
}

// An entry in the lower layer of an overlay whose upper layer is full.
func TestFullOverlay(t *testing.T) {
	namespace(t)
	h := newHost(t)
	lower, upper, dir := t.TempDir(), t.TempDir(), t.TempDir()
	p := newPerson(t, lower, h)
	submit(p, letter, "a@example.net")
	if err := unix.Mount("tmpfs", upper, "tmpfs", 0, "size=256k,mode=0700"); err != nil {
		t.Skipf("no tmpfs here: %v", err)
	}
	mounted(t, upper)
	os.Mkdir(upper+"/up", 0o700)
	os.Mkdir(upper+"/work", 0o700)
	if err := unix.Mount("overlay", dir, "overlay", 0, "lowerdir="+lower+",upperdir="+upper+"/up,workdir="+upper+"/work"); err != nil {
		t.Skipf("left out, no overlay here: %v", err)
	}
	mounted(t, dir)
	moveTo(p, dir+"/home")
	fill(t, upper)
	says(t, p.Try("", "deliver"), 75, "no space left on device")
	if n := h.called(); n > 0 {
		t.Errorf("the host was called %d times", n)
	}
	says(t, p.Try("", "mailq"), 0, "no space left on device")
	os.Remove(upper + "/filler")
	p.Deliver()
	arrived(t, h, 1)
}
