//go:build linux && amd64

package faults

import (
	"fmt"
	"math/rand/v2"
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

// Faults of real file systems, which are mounted for the tests. That takes root and a mount
// namespace of its own; other users skip these tests.

// ownNamespace gives the test a mount namespace. The calling goroutine keeps its thread, and
// programs that it starts see the same mounts.
func ownNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system to break")
	}
	runtime.LockOSThread() // for good: the namespace ends with the thread
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Skipf("no mount namespace here: %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Skipf("no mounts of our own here: %v", err)
	}
}

// onTmpfs makes a world whose home is a tmpfs of its own.
func onTmpfs(t *testing.T, fig *figures, what, options string) *world {
	ownNamespace(t)
	w := newWorld(t, fig, newFaultHost(t), what)
	if err := unix.Mount("tmpfs", w.home, "tmpfs", 0, "mode=0700,"+options); err != nil {
		w.end()
		t.Skipf("no tmpfs here: %v", err)
	}
	t.Cleanup(w.end)
	t.Cleanup(func() { unix.Unmount(w.home, unix.MNT_DETACH) })
	w.configure()
	return w
}

// refuseSome submits messages of many sizes until a number of them have been refused, and checks
// that refusals are complete.
func (w *world) refuseSome(refusals int) {
	for n := 0; refusals > 0 && n < 1000; n++ {
		m := w.mail(300+n*977%9000, "a@example.com", "later@example.net")
		r := w.ended(w.program("sendmail", submitted(m)...), m.content)
		w.accepted[m.serial] = r.Code == 0
		if r.Code == 0 {
			continue
		}
		refusals--
		w.fig.add(&w.fig.injected, 1)
		if r.Code != 75 || !strings.Contains(r.Stderr, "no space left on device") {
			w.t.Errorf("%s: exit %d, %q; want 75 and the reason", w.what, r.Code, r.Stderr)
		}
		if w.queued()[m.serial] != nil {
			w.t.Errorf("%s: message %d was refused and is in the queue", w.what, m.serial)
		}
		if tmp, _ := filepath.Glob(filepath.Join(w.queue(), ".new-*")); len(tmp) > 0 {
			w.t.Errorf("%s: message %d was refused and left %q", w.what, m.serial, tmp)
		}
	}
	if len(w.accepted) < 2 || !w.accepted[1] {
		w.t.Errorf("%s: nothing fits", w.what)
	}
}

// fill takes all remaining space.
func (w *world) fill() {
	f, err := os.Create(filepath.Join(w.home, "filler"))
	if err != nil {
		return // no inode is left: full enough
	}
	defer f.Close()
	for page := make([]byte, 4096); ; {
		if _, err := f.Write(page); err != nil {
			return
		}
	}
}

// fullDisk fills a real disk to its end, and delivers from it: the space for progress is
// reserved.
func fullDisk(t *testing.T, fig *figures, options string) {
	w := onTmpfs(t, fig, "tmpfs with "+options, options)
	w.refuseSome(30)
	w.fill()
	w.host.setBusy(true)
	if r := w.ended(w.program("deliver"), ""); r.Code != 75 || r.Stderr == "" {
		t.Errorf("%s: exit %d, %q; some are told to come again", w.what, r.Code, r.Stderr)
	}
	w.died()
	if len(w.window) > 0 {
		t.Errorf("%s: not recorded: %v", w.what, w.window)
	}
	w.reckon()
}

// readOnly gives deliver a queue that it cannot write to: it sends nothing.
func readOnly(t *testing.T, fig *figures) {
	w := onTmpfs(t, fig, "read-only", "size=1m")
	w.submit(w.mail(500, "a@example.com"))
	w.submit(w.mail(500, "b@example.com"))
	remount := func(flags uintptr) {
		if err := unix.Mount("", w.home, "", unix.MS_REMOUNT|flags, "size=1m"); err != nil {
			t.Fatal(err)
		}
	}
	remount(unix.MS_RDONLY)
	fig.add(&fig.injected, 2)
	if r := w.ended(w.program("deliver"), ""); r.Code != 75 || !strings.Contains(r.Stderr, "read-only") {
		t.Errorf("deliver: exit %d, %q", r.Code, r.Stderr)
	}
	if n := w.host.number(); n > 0 {
		t.Errorf("%d messages were sent that could not be recorded", n)
	}
	m := w.mail(500, "c@example.com")
	if r := w.ended(w.program("sendmail", submitted(m)...), m.content); r.Code != 73 || r.Stderr == "" {
		t.Errorf("sendmail: exit %d, %q", r.Code, r.Stderr)
	}
	remount(0)
	w.reckon()
}

// An imageDisk is an ext4 file system in a file.
type imageDisk struct{ file, dir string }

func newImageDisk(t *testing.T, dir string) *imageDisk {
	for _, program := range []string{"mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	d := &imageDisk{filepath.Join(t.TempDir(), "disk"), dir}
	if err := os.WriteFile(d.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.file, 32<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.file).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v, %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", d.file, d.dir).CombinedOutput(); err != nil {
		t.Skipf("no loop device here: %v, %s", err, out)
	}
	return d
}

// Calls of ext4 and xfs: forget what is not on the disk, and write nothing more.
const (
	ioctlShutdown = 0x8004587d // FS_IOC_SHUTDOWN
	noLogFlush    = 2
)

// cutPower stops the file system at once.
func (d *imageDisk) cutPower(t *testing.T) {
	f, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), ioctlShutdown, noLogFlush); err != nil {
		t.Skipf("the kernel cannot stop a file system: %v", err)
	}
}

// boot mounts the file system as it has survived.
func (d *imageDisk) boot(t *testing.T) {
	for _, args := range [][]string{{"umount", d.dir}, {"mount", "-o", "loop", d.file, d.dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v, %s", args, err, out)
		}
	}
}

// realPowerCuts stops a real file system at random instants, while sendmails and a deliver are at
// work on it.
func realPowerCuts(t *testing.T, fig *figures, n int) {
	ownNamespace(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	host := newFaultHost(t)
	mountPoint := t.TempDir()
	d := newImageDisk(t, mountPoint)
	defer exec.Command("umount", d.dir).Run()
	for i := range n {
		if fig.remaining() < 0 {
			t.Logf("time is up after %d of %d", i, n)
			break
		}
		w := newWorld(t, fig, host, fmt.Sprintf("ext4, power cut %d, seed %d", i, seed))
		os.Remove(filepath.Join(w.home, ".esmtprc"))
		os.Remove(w.home)
		w.home = filepath.Join(d.dir, fmt.Sprint(i))
		if err := os.Mkdir(w.home, 0o700); err != nil {
			t.Fatal(err)
		}
		w.configure()
		unix.Sync() // the person had this home before
		w.blackout(d, rng)
		w.reckon()
		w.end()
	}
}

// blackout lets programs work until the power fails, and boots.
func (w *world) blackout(d *imageDisk, rng *rand.Rand) {
	for range rng.IntN(3) {
		w.submit(w.mail(500+rng.IntN(5000), "a@example.com", "b@example.com"))
	}
	m := []*faultMail{w.mail(500+rng.IntN(100_000), "c@example.com"), w.mail(500, "d@example.com"), nil}
	var cmds []*exec.Cmd
	for _, m := range m {
		cmds = append(cmds, w.started(m))
	}
	time.Sleep(time.Duration(rng.Int64N(int64(25 * time.Millisecond)))) // about as long as they take
	d.cutPower(w.t)
	for i, cmd := range cmds {
		overdue := time.AfterFunc(stage.Limit, func() { cmd.Process.Kill() })
		cmd.Wait()
		overdue.Stop()
		if cmd.ProcessState.ExitCode() < 0 {
			w.fig.add(&w.fig.hung, 1)
			w.t.Errorf("%s: %q: %v", w.what, cmd.Args, cmd.ProcessState)
		}
		if m[i] != nil {
			w.accepted[m[i].serial] = cmd.ProcessState.ExitCode() == 0
		}
	}
	w.host.settle()
	w.fig.add(&w.fig.realCuts, 1)
	d.boot(w.t)
	// A session sends no final dot before the record of the previous message is synced, so one
	// message can have been taken and not recorded.
	w.host.mu.Lock()
	if last := len(w.host.taken) - 1; last >= 0 {
		for _, to := range w.host.taken[last].To {
			w.window[copyOf{serialOf(w.host.taken[last].Content), to}]++
		}
	}
	w.host.mu.Unlock()
	w.configure()
}

// started starts a sendmail for a message, or a deliver for nil. It does so on the calling
// thread, whose mounts the program must see.
func (w *world) started(m *faultMail) *exec.Cmd {
	cmd := w.program("deliver")
	if m != nil {
		cmd = w.program("sendmail", submitted(m)...)
		in, err := memoryFile("stdin", m.content)
		if err != nil {
			w.t.Fatal(err)
		}
		defer in.Close()
		cmd.Stdin = in
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd
}
