package spool

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Whoever has the lock of the queue run is found, and whether that process goes on.
func TestHolder(t *testing.T) {
	if _, err := os.Stat("/proc/locks"); err != nil {
		t.Skip("no /proc/locks")
	}
	q := newQueue(t)
	if h, ok := q.Holder(); ok {
		t.Errorf("nobody has it: %+v", h)
	}
	cmd := exec.Command("flock", q.Dir+"/"+runFile, "sh", "-c", "echo locked; exec sleep 60")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	h, ok := q.Holder()
	if !ok || h.PID != cmd.Process.Pid || h.Stopped || time.Since(h.Since).Abs() > time.Minute {
		t.Errorf("found %+v, %v; want process %d, begun just now", h, ok, cmd.Process.Pid)
	}
	cmd.Process.Signal(syscall.SIGSTOP)
	for end := time.Now().Add(10 * time.Second); !h.Stopped && time.Now().Before(end); time.Sleep(time.Millisecond) {
		h, _ = q.Holder()
	}
	if !h.Stopped {
		t.Errorf("found %+v, want it stopped", h)
	}
}

// An entry that is busy for a moment is waited for; one that stays busy is not, beyond patience or
// the end of the context.
func TestAwaitEntry(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	other, err := again(t, q).OpenEntry(id)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := q.AwaitEntry(context.Background(), id, 50*time.Millisecond); err != ErrLocked || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("busy: %v after %v", err, time.Since(begin))
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := q.AwaitEntry(ctx, id, time.Hour); err != ErrLocked {
		t.Errorf("cancelled: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, other.Close)
	e, err := q.AwaitEntry(context.Background(), id, time.Hour)
	if err != nil {
		t.Fatalf("busy for a moment: %v", err)
	}
	e.Close()
}
