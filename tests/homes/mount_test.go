//go:build linux

package homes

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"esmtpq/tests/stage"
)

// namespace gives the test a mount namespace. The calling goroutine keeps its thread, and programs
// that it starts see the same mounts; a subtest, which has a goroutine of its own, does not.
func namespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	runtime.LockOSThread() // for good: the namespace ends with the thread
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Skipf("no mount namespace here: %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skipf("no mounts of our own here: %v", err)
	}
}

// run runs a command that must succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// mounted has the mount point unmounted when the test ends.
func mounted(t *testing.T, dir string) {
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
}

// A disk is a file system in a file.
type disk struct{ image, dir string }

// newDisk makes one and mounts it.
func newDisk(t *testing.T, kind, size string) *disk {
	t.Helper()
	stage.Needs(t, "mkfs."+kind)
	d := &disk{filepath.Join(t.TempDir(), "image"), t.TempDir()}
	run(t, "truncate", "-s", size, d.image)
	quiet := "-q"
	run(t, "mkfs."+kind, quiet, d.image)
	d.mount(t, d.image, d.dir)
	return d
}

func (d *disk) mount(t *testing.T, image, dir string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		if _, none := os.Stat("/dev/loop-control"); none != nil || strings.Contains(string(out), "unknown filesystem") {
			t.Skipf("left out, no such disk can be had here: %s", out)
		}
		t.Fatalf("mount: %v\n%s", err, out)
	}
	mounted(t, dir)
}

// fill takes all room that is left below a directory, which must be on a small file system of the
// test's own: in a goroutine without the namespace it would not be.
func fill(t *testing.T, dir string) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Blocks*uint64(st.Bsize) > 1<<30 {
		t.Fatalf("%s is on a disk of %d octets (%v): not filled", dir, st.Blocks*uint64(st.Bsize), err)
	}
	for _, size := range []int{1 << 20, 64 << 10, 4 << 10, 1 << 10} {
		f, err := os.OpenFile(filepath.Join(dir, "filler"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return
		}
		block := make([]byte, size)
		for err == nil {
			_, err = f.Write(block)
		}
		f.Sync()
		f.Close()
	}
}

// A fuse is a file system that is a program.
type fuse struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
}

// newFuse mounts one, by a program that stays in the foreground; {} in its arguments stands for the
// mount point.
func newFuse(t *testing.T, name string, args ...string) *fuse {
	t.Helper()
	f := &fuse{t: t, dir: t.TempDir()}
	f.start(name, args...)
	return f
}

func (f *fuse) start(name string, args ...string) {
	t := f.t
	t.Helper()
	stage.Needs(t, name)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("left out: there is no /dev/fuse here")
	}
	before := deviceOf(f.dir)
	words := []string{}
	for _, arg := range args {
		words = append(words, strings.ReplaceAll(arg, "{}", f.dir))
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	f.cmd = exec.Command(name, words...)
	f.cmd.Stdout, f.cmd.Stderr = log, log
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.kill)
	for end := time.Now().Add(20 * time.Second); deviceOf(f.dir) == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("%s %q has not mounted anything: %s", name, words, said)
		}
	}
	mounted(t, f.dir)
}

// kill ends the program, and leaves the mount.
func (f *fuse) kill() {
	f.cmd.Process.Kill()
	f.cmd.Wait()
}

func deviceOf(dir string) uint64 {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return 0
	}
	return st.Dev
}

// sftpServer returns a command that sshfs can use in place of ssh: the server of Debian, without a
// connection in between. It writes the number of its process into a file.
func sftpServer(t *testing.T) (command, pid string) {
	t.Helper()
	server := filepath.Join(stage.Debian(t, "usr/lib/openssh/sftp-server"), "usr/lib/openssh/sftp-server")
	dir := t.TempDir()
	command, pid = filepath.Join(dir, "ssh"), filepath.Join(dir, "pid")
	script := "#!/bin/sh\necho $$ >" + pid + "\nexec " + server + "\n"
	if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return command, pid
}

// newSSHFS mounts a directory by sshfs.
func newSSHFS(t *testing.T, options string) (f *fuse, far, pid string) {
	t.Helper()
	far = t.TempDir()
	ssh, pid := sftpServer(t)
	f = newFuse(t, "sshfs", "-f", "-o", "ssh_command="+ssh+options, "me@example.org:"+far, "{}")
	return f, far, pid
}
