//go:build linux

package homes

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"esmtpq/queue/spool"
	"esmtpq/tests/stage"
)

// The file systems that are programs, each over a directory of an ordinary disk.
var fuses = map[string]func(t *testing.T) string{
	"sshfs": func(t *testing.T) string {
		f, _, _ := newSSHFS(t, "")
		return f.dir
	},
	"bindfs": func(t *testing.T) string { return newFuse(t, "bindfs", "-f", t.TempDir(), "{}").dir },
	"gocryptfs": func(t *testing.T) string {
		stage.Needs(t, "gocryptfs")
		far := t.TempDir()
		run(t, "gocryptfs", "-q", "-init", "-scryptn", "10", "-extpass", "echo secret", far)
		return newFuse(t, "gocryptfs", "-q", "-fg", "-extpass", "echo secret", far, "{}").dir
	},
	"mergerfs": func(t *testing.T) string {
		return newFuse(t, "mergerfs", "-f", t.TempDir()+":"+t.TempDir(), "{}").dir
	},
	"ntfs-3g": func(t *testing.T) string {
		return newNTFS(t, ",umask=077").dir
	},
}

// newNTFS mounts a disk by ntfs-3g.
func newNTFS(t *testing.T, options string) *fuse {
	t.Helper()
	stage.Needs(t, "mkfs.ntfs", "ntfs-3g")
	image := filepath.Join(t.TempDir(), "image")
	run(t, "truncate", "-s", "32M", image)
	run(t, "mkfs.ntfs", "-q", "-F", image)
	return newFuse(t, "ntfs-3g", "-o", "no_detach"+options, image, "{}")
}

// Mail goes out, nothing of it is left, and what waits can be held, released and removed.
func TestHomesOnFUSE(t *testing.T) {
	for name, mount := range fuses {
		t.Run(name, func(t *testing.T) {
			namespace(t)
			h := newHost(t)
			p := newPerson(t, mount(t), h)
			for range 3 {
				submit(p, letter, "a@example.net")
			}
			p.Deliver()
			gone(p)
			arrived(t, h, 3)
			id := submit(p, letter, "later@example.net")
			says(t, p.Try("", "deliver"), 75, "come again")
			p.Run("", "esmtpq", "hold", id)
			says(t, p.Try("", "deliver"), 0)
			p.Run("", "esmtpq", "release", id)
			says(t, p.Try("", "deliver"), 75, "come again")
			p.Run("", "esmtpq", "rm", id)
			gone(p)
			arrived(t, h, 3)
		})
	}
}

// The connection of sshfs is cut while the host takes its time over the final dot. Open files are
// void from then on, though they can be opened again.
func TestConnectionCutAtTheDot(t *testing.T) {
	namespace(t)
	f, _, pid := newSSHFS(t, ",reconnect")
	h := newHost(t)
	p := newPerson(t, f.dir, h)
	submit(p, letter, "a@example.net", "later@example.net")
	r := h.deliverAnd(p, func() {
		said, err := os.ReadFile(pid)
		if err != nil {
			t.Fatal(err)
		}
		server, _ := strconv.Atoi(strings.TrimSpace(string(said)))
		if err := unix.Kill(server, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("deliver: %q", r.Stderr)
	says(t, r, 75, "come again")
	says(t, p.Try("", "deliver"), 75, "come again")
	arrived(t, h, 1)
	if out := p.Run("", "mailq"); strings.Contains(out, "a@example.net") {
		t.Errorf("mailq: %s", out)
	}
}

// The program dies while an entry is being removed, which it has given another name since somebody
// has it open.
func TestDiedWhileRemoving(t *testing.T) {
	namespace(t)
	ssh, _ := sftpServer(t)
	far := t.TempDir()
	args := []string{"-f", "-o", "ssh_command=" + ssh, "me@example.org:" + far, "{}"}
	f := newFuse(t, "sshfs", args...)
	h := newHost(t)
	p := newPerson(t, f.dir, h)
	id := submit(p, letter, "a@example.net")
	held, err := os.Open(p.Path(".esmtp_queue/" + id + "/envelope"))
	if err != nil {
		t.Fatal(err)
	}
	p.Run("", "deliver")
	arrived(t, h, 1)
	f.kill()
	held.Close()
	unix.Unmount(f.dir, unix.MNT_DETACH)
	left, _ := filepath.Glob(far + "/home/.esmtp_queue/" + id + "/.fuse_hidden*")
	if len(left) == 0 {
		left, _ = filepath.Glob(far + "/home/.esmtp_queue/.sent-" + id + "/.fuse_hidden*")
	}
	if len(left) == 0 {
		t.Fatal("nothing was left: the test shows nothing")
	}
	f.start("sshfs", args...)
	if out := p.Run("", "mailq"); out != "Mail queue is empty\n" {
		t.Errorf("mailq: %s", out)
	}
	p.Run("", "deliver")
	gone(p)
	arrived(t, h, 1)
}

// A far file system that is read-only answers everything with the same word.
func TestReadOnlyFarSide(t *testing.T) {
	namespace(t)
	far := t.TempDir()
	run(t, "mount", "--bind", far, far)
	mounted(t, far)
	ssh, _ := sftpServer(t)
	f := newFuse(t, "sshfs", "-f", "-o", "ssh_command="+ssh, "me@example.org:"+far, "{}")
	h := newHost(t)
	p := newPerson(t, f.dir, h)
	submit(p, letter, "a@example.net")
	run(t, "mount", "-o", "remount,bind,ro", far)
	says(t, p.Try(letter, "sendmail", "-i", "b@example.net"), 73, "make it writable for you")
	says(t, p.Try("", "deliver"), 75)
	run(t, "mount", "-o", "remount,bind,rw", far)
	p.Deliver()
	arrived(t, h, 1)
}

// The file system goes away for good, or for now.
func TestProgramThatDied(t *testing.T) {
	namespace(t)
	f := newFuse(t, "bindfs", "-f", t.TempDir(), "{}")
	h := newHost(t)
	p := newPerson(t, f.dir, h)
	submit(p, letter, "a@example.net")
	f.kill()
	p.Home = "/"
	for _, cmd := range []*exec.Cmd{p.Command("sendmail", "-i", "b@example.net"), p.Command("mailq"), p.Command("deliver")} {
		says(t, stage.Finish(t, cmd, letter), 75, "transport endpoint is not connected")
	}
}

// A file system without modes of its own: the way out is in the options of its mount.
func TestDiskWithoutModes(t *testing.T) {
	namespace(t)
	h := newHost(t)
	p := newPerson(t, newNTFS(t, "").dir, h)
	says(t, p.Try(letter, "sendmail", "-i", "a@example.net"), 78, "umask=077")
}

// Where a removed file still counts a name, an entry that was removed meanwhile is known by its name.
func TestRemovedWhileOpened(t *testing.T) {
	namespace(t)
	dir := newNTFS(t, ",umask=077").dir
	q, err := spool.OpenOrCreate(dir + "/queue")
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	w, err := q.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(letter))
	id, err := w.Commit(&spool.Envelope{Recipients: []spool.Recipient{{Address: "a@example.net"}}})
	if err != nil {
		t.Fatal(err)
	}
	first, err := q.OpenEntry(id)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		for {
			e, err := q.OpenEntry(id)
			if err == nil {
				e.Close()
			}
			if err != nil && err != spool.ErrLocked {
				got <- err
				return
			}
		}
	}()
	first.Remove()
	first.Close()
	if err := <-got; !os.IsNotExist(err) {
		t.Errorf("opened: %v", err)
	}
}
