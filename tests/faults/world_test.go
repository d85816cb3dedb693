//go:build linux && amd64

package faults

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// A world is a throw-away home, the messages submitted in it, and a smart host.
type world struct {
	t        *testing.T
	fig      *figures
	what     string // for messages of the test
	home     string
	host     *faultHost
	mails    []*faultMail
	accepted map[int]bool // by serial: sendmail has exited with 0

	arrived map[copyOf]int // up to the last call of died
	window  map[copyOf]int // second copies that are within the promise
}

// newWorld makes a world that exists until its user calls end.
func newWorld(t *testing.T, fig *figures, host *faultHost, what string) *world {
	home, err := os.MkdirTemp("", "esmtpq-fault-")
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	w := &world{t: t, fig: fig, what: what, home: home, host: host, accepted: map[int]bool{},
		arrived: map[copyOf]int{}, window: map[copyOf]int{}}
	w.configure()
	host.begin(false)
	return w
}

func (w *world) configure() {
	rc := "identity = me@example.org\nhostname = " + w.host.addr + "\n"
	if err := os.WriteFile(filepath.Join(w.home, ".esmtprc"), []byte(rc), 0o600); err != nil {
		w.t.Error(err)
	}
}

func (w *world) end() { os.RemoveAll(w.home) }

func (w *world) queue() string { return filepath.Join(w.home, ".esmtp_queue") }

func (w *world) env() []string {
	return []string{"HOME=" + w.home, "PATH=/usr/bin:/bin", "TZ=UTC", "ESMTPQ_DELAY=never", "ESMTPQ_TIMEOUT=5s"}
}

// mail makes the next message.
func (w *world) mail(size int, rcpts ...string) *faultMail {
	m := newFaultMail(len(w.mails)+1, size, rcpts...)
	w.mails = append(w.mails, m)
	return m
}

// program prepares a program of ours, in this world.
func (w *world) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(stage.Program(w.t, name), args...)
	cmd.Args[0] = name
	cmd.Dir, cmd.Env = w.home, w.env()
	return cmd
}

// submitted are the arguments of sendmail for a message.
func submitted(m *faultMail) []string { return append([]string{"-i", "--"}, m.rcpts...) }

// submit submits a message without any fault.
func (w *world) submit(m *faultMail) {
	r := w.ended(w.program("sendmail", submitted(m)...), m.content)
	if r.Code != 0 {
		w.t.Errorf("%s: sendmail without a fault: exit %d, %s", w.what, r.Code, r.Stderr)
	}
	w.accepted[m.serial] = r.Code == 0
}

// ended runs a program to its end; code -1 says that it was killed.
func (w *world) ended(cmd *exec.Cmd, stdin string) stage.Result {
	ctx, cancel := context.WithTimeout(context.Background(), stage.Limit)
	defer cancel()
	bounded := exec.CommandContext(ctx, cmd.Path)
	bounded.Args, bounded.Dir, bounded.Env, bounded.SysProcAttr = cmd.Args, cmd.Dir, cmd.Env, cmd.SysProcAttr
	var stdout, stderr bytes.Buffer
	bounded.Stdin, bounded.Stdout, bounded.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := bounded.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && bounded.ProcessState == nil {
		w.t.Errorf("%s: %v", w.what, err)
		return stage.Result{Code: -1}
	}
	if ctx.Err() != nil {
		w.fig.add(&w.fig.hung, 1)
		w.t.Errorf("%s: %q hung", w.what, cmd.Args)
	}
	return stage.Result{Code: bounded.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

// traced runs a program of ours under the injector.
func (w *world) traced(f fault, stdin, name string, args ...string) *traceResult {
	tr := &tracer{root: w.home, fault: f, limit: 20 * time.Second, look: w.host.number}
	r, err := tr.run(stage.Program(w.t, name), append([]string{name}, args...), w.env(), w.home, stdin)
	if err != nil {
		w.t.Errorf("%s: trace: %v", w.what, err)
		return &traceResult{code: -1}
	}
	if r.hung {
		w.fig.add(&w.fig.hung, 1)
		w.t.Errorf("%s: %s hung", w.what, name)
	}
	return r
}

// inParallel calls f for 0 to n-1 on as many workers as there are processors, each with a smart
// host of its own. It stops early when f returns false or time is up.
func inParallel(t *testing.T, n int, limit time.Duration, f func(host *faultHost, i int) bool) {
	var mu sync.Mutex
	next, stop := 0, false
	deadline := time.Now().Add(limit)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if stop || next == n || time.Now().After(deadline) {
			return 0, false
		}
		next++
		return next - 1, true
	}
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		host := newFaultHost(t)
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if !f(host, i) {
					mu.Lock()
					stop = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if next < n && !stop {
		t.Logf("time is up after %d of %d", next, n)
	}
}

// unreachable configures a smart host at an address where nothing listens.
func (w *world) unreachable() {
	rc := "identity = me@example.org\nhostname = 127.0.0.1:1\n"
	if err := os.WriteFile(filepath.Join(w.home, ".esmtprc"), []byte(rc), 0o600); err != nil {
		w.t.Error(err)
	}
}
