//go:build linux

package homes

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"esmtpq/queue/spool"
)

// What exit status 0 has promised is on the disk at that instant: a copy of the disk, as a power cut
// would leave it, has every message that was accepted, whole.
func TestAcceptedIsOnTheDisk(t *testing.T) {
	for kind, size := range map[string]string{"ext4": "32M", "xfs": "320M", "btrfs": "128M"} {
		t.Run(kind, func(t *testing.T) {
			namespace(t)
			d := newDisk(t, kind, size)
			h := newHost(t)
			p := newPerson(t, d.dir, h)
			run(t, "sync") // the person had this home before
			for n := 1; n <= 8; n++ {
				submit(p, letter+fmt.Sprintln(n), "a@example.net")
				copied := filepath.Join(t.TempDir(), "copy")
				run(t, "cp", "--sparse=always", d.image, copied)
				after := t.TempDir()
				options := "loop"
				if kind == "xfs" {
					options += ",nouuid"
				}
				if kind == "btrfs" { // two of one number cannot be mounted at a time
					run(t, "umount", d.dir)
				}
				run(t, "mount", "-o", options, copied, after)
				complete(t, after+"/home/.esmtp_queue", n)
				run(t, "umount", after)
				os.Remove(copied)
				if kind == "btrfs" {
					d.mount(t, d.image, d.dir)
				}
			}
		})
	}
}

// complete checks that a queue has a number of messages, none of which is damaged.
func complete(t *testing.T, dir string, n int) {
	t.Helper()
	q, err := spool.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	l, err := q.List()
	if err != nil || len(l.IDs) != n {
		t.Fatalf("%d messages, want %d (%v)", len(l.IDs), n, err)
	}
	for _, id := range l.IDs {
		m, err := q.Read(id)
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		if _, err := q.Content(m); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}
