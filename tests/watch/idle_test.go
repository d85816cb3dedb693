package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// While there is nothing to do, nothing wakes the watcher up, and it is small.
func TestIdle(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("elsewhere it wakes up now and then")
	}
	stage.Needs(t, "strace")
	host := stage.NewSmartHost(t)
	p := newPerson(t, host)
	p.Write(".esmtprc", "")
	os.Remove(p.Path(".esmtprc"))
	p.Write(".config/esmtpq/config.yaml", "identities:\n  - name: me\n    host: "+host.Addr+"\n    keep_session: 100ms\n")
	w := &watcher{p: p, log: p.Path("watch.log")}
	w.cmd = p.Command("strace", "-f", "-qq", "-o", p.Path("trace"), p.LookPath("deliver"), "--watch")
	w.start()
	sends(p, "friend")
	host.Next(t)
	pid := processOf(t, p)
	stage.Await(t, "at rest", func() bool { return resting(pid) })

	before := wakeups(t, p)
	time.Sleep(stage.Pick(2*time.Second, 10*time.Minute))
	if now := wakeups(t, p); now != before {
		trace, _ := os.ReadFile(p.Path("trace"))
		t.Errorf("something has happened:\n%s", trace[before:])
	}
	kb := figure(t, pid, "VmRSS")
	t.Logf("%d KiB", kb)
	if kb > 8<<10 {
		t.Errorf("it needs %d KiB", kb)
	}
	sends(p, "other") // and it wakes up all the same
	host.Next(t)
	syscall.Kill(pid, syscall.SIGTERM)
	w.cmd.Wait()
}

// wakeups returns the size of the trace.
func wakeups(t *testing.T, p *stage.Person) int64 {
	t.Helper()
	st, err := os.Stat(p.Path("trace"))
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// processOf returns the watcher of a person.
func processOf(t *testing.T, p *stage.Person) (pid int) {
	t.Helper()
	out := p.Try("", "deliver", "--watch").Stderr
	if _, err := fmt.Sscanf(out, "deliver: process %d watches", &pid); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return pid
}

// resting reports whether no thread of a process, which has no child, waits for a time to pass.
func resting(pid int) bool {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		if children, _ := os.ReadFile(task + "/children"); len(children) > 0 {
			return false
		}
		b, _ := os.ReadFile(task + "/syscall")
		f := strings.Fields(string(b))
		if len(f) < 7 {
			return false // it runs
		}
		switch n, _ := strconv.Atoi(f[0]); n {
		case syscall.SYS_FUTEX:
			if f[4] != "0x0" {
				return false
			}
		case syscall.SYS_EPOLL_PWAIT:
			if f[4] != "0xffffffff" && f[4] != "0xffffffffffffffff" {
				return false
			}
		default:
			return false
		}
	}
	return len(tasks) > 0
}

// figure returns a number from the status of a process.
func figure(t *testing.T, pid int, name string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), name+":")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
