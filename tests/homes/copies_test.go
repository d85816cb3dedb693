//go:build linux

package homes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"esmtpq/tests/stage"
)

// held checks that nothing is sent of copies, which is said, and ended by one command.
func held(t *testing.T, p *stage.Person, h *host, why string) {
	t.Helper()
	before := len(h.Received())
	says(t, p.Try("", "deliver"), 75, why, "esmtpq adopt")
	says(t, p.Try("", "deliver"), 75, why, "esmtpq adopt")
	arrived(t, h, before)
	says(t, p.Try("", "mailq"), 0, "!", why, "esmtpq adopt")
	says(t, p.Try("", "mailq", "--json"), 0, `"hold"`, why)
	p.Run("", "esmtpq", "adopt")
	says(t, p.Try("", "esmtpq", "adopt"), 69, "no mail here is held as a copy")
	p.Deliver()
}

// A queue that was brought to another home on the same machine, and one put back from a backup.
func TestCopiedQueue(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs", "btrfs"} {
		t.Run(kind, func(t *testing.T) {
			namespace(t)
			d := newDisk(t, kind, map[string]string{"ext4": "32M", "xfs": "320M", "btrfs": "256M"}[kind])
			h := newHost(t)
			p := newPerson(t, d.dir, h)
			for range 2 {
				submit(p, letter, "a@example.net")
			}
			run(t, "cp", "-a", p.Home, d.dir+"/second")
			run(t, "tar", "-C", p.Home, "-cf", d.dir+"/backup.tar", ".esmtp_queue")
			p.Deliver()
			arrived(t, h, 2)
			run(t, "tar", "-C", p.Home, "-xf", d.dir+"/backup.tar")
			held(t, p, h, "has been put back since")
			arrived(t, h, 4)
			moveTo(p, d.dir+"/second")
			held(t, p, h, "it is a copy")
			arrived(t, h, 6)
		})
	}
}

// A mail that has been sent is put back where no time of birth is kept, and one that was removed.
func TestPutBackOnFUSE(t *testing.T) {
	namespace(t)
	h := newHost(t)
	p := newPerson(t, fuses["bindfs"](t), h)
	backup := t.TempDir()
	for _, leave := range []func(id string){
		func(string) { p.Deliver() },
		func(id string) { p.Run("", "esmtpq", "rm", id) },
	} {
		id := submit(p, letter, "a@example.net")
		run(t, "cp", "-a", p.Path(".esmtp_queue/"+id), backup)
		leave(id)
		before := len(h.Received())
		run(t, "cp", "-a", filepath.Join(backup, id), p.Path(".esmtp_queue"))
		held(t, p, h, "has been put back since")
		arrived(t, h, before+1)
	}
}

// A snapshot of btrfs in the place of what it was made of.
func TestSnapshotPutBack(t *testing.T) {
	namespace(t)
	d := newDisk(t, "btrfs", "256M")
	h := newHost(t)
	run(t, "btrfs", "subvolume", "create", d.dir+"/sub")
	p := newPerson(t, d.dir+"/sub", h)
	submit(p, letter, "a@example.net")
	snapshot(t, d.dir+"/sub")
	p.Deliver()
	os.Rename(d.dir+"/sub", d.dir+"/old")
	os.Rename(d.dir+"/sub-then", d.dir+"/sub")
	held(t, p, h, "another snapshot")
	arrived(t, h, 2)
}

// Two machines with one home: each sends its own mail.
func TestTwoMachinesWithOneHome(t *testing.T) {
	namespace(t)
	f, _, _ := newSSHFS(t, "")
	h := newHost(t)
	p := newPerson(t, f.dir, h)
	for _, machine := range []string{"0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"} {
		p.Write("machine", machine+"\n")
		if err := unix.Mount(p.Path("machine"), "/etc/machine-id", "", unix.MS_BIND, ""); err != nil {
			t.Skipf("left out, there is no /etc/machine-id here: %v", err)
		}
		mounted(t, "/etc/machine-id")
		submit(p, letter, "a@example.net")
		os.Remove(p.Path("machine"))
	}
	says(t, p.Try("", "deliver"), 75, "another machine")
	arrived(t, h, 1)
	unix.Unmount("/etc/machine-id", unix.MNT_DETACH)
	p.Deliver()
	arrived(t, h, 2)
}

// A container without a machine ID, and a host that was renamed, send their mail.
func TestMachineWithoutID(t *testing.T) {
	namespace(t)
	h := newHost(t)
	p := newPerson(t, t.TempDir(), h)
	if err := unix.Mount("/dev/null", "/etc/machine-id", "", unix.MS_BIND, ""); err == nil {
		mounted(t, "/etc/machine-id")
	}
	submit(p, letter, "a@example.net")
	if err := unix.Unshare(unix.CLONE_NEWUTS); err == nil {
		unix.Sethostname([]byte("renamed"))
	}
	p.Deliver()
	arrived(t, h, 1)
}

// An entry of which the content has not come yet is shown as such, and goes out when it has.
func TestHalfCopiedEntry(t *testing.T) {
	namespace(t)
	h := newHost(t)
	p := newPerson(t, t.TempDir(), h)
	id := submit(p, letter, "a@example.net")
	mail := p.Path(".esmtp_queue/" + id + "/mail")
	if err := os.Rename(mail, p.Path("late")); err != nil {
		t.Fatal(err)
	}
	says(t, p.Try("", "deliver"), 75, "missing")
	says(t, p.Try("", "mailq"), 0, "missing")
	arrived(t, h, 0)
	if err := os.Rename(p.Path("late"), mail); err != nil {
		t.Fatal(err)
	}
	p.Deliver()
	arrived(t, h, 1)
	if out := p.Run("", "mailq"); !strings.Contains(out, "empty") {
		t.Error(out)
	}
}
