package hostile

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// Many at once: submitters, queue runs, and somebody who kills them.

// crowd lets submitters and runs work side by side and kills them at any instant, heals, and counts.
func crowd(t *testing.T, fig *hostileFigures) {
	const submissions, runners = 200, 4 // at least so many submissions
	host := newHostileHost(t, "PIPELINING")
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
	deadline := time.Now().Add(stage.Pick(10*time.Second, 10*time.Minute))
	var (
		mu       sync.Mutex
		accepted = map[string]bool{} // by recipient: sendmail said 0
		running  = map[*exec.Cmd]bool{}
		sent     atomic.Int64
		killed   atomic.Int64 // runs
		over     atomic.Bool
		work     sync.WaitGroup
	)
	// run runs a program that may be killed meanwhile, and returns its exit code.
	run := func(stdin, name string, args ...string) int {
		cmd := me.Command(name, args...)
		cmd.Stdin = strings.NewReader(stdin)
		mu.Lock()
		if err := cmd.Start(); err != nil {
			mu.Unlock()
			t.Error(err)
			return -1
		}
		running[cmd] = true
		mu.Unlock()
		cmd.Wait()
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		mu.Lock()
		delete(running, cmd)
		mu.Unlock()
		if status.Signaled() && name == "deliver" {
			killed.Add(1)
		}
		return cmd.ProcessState.ExitCode()
	}
	for range 20 {
		work.Go(func() {
			for {
				n := sent.Add(1)
				if n > submissions && time.Now().After(deadline) {
					return
				}
				to := fmt.Sprintf("c%d@example.net", n)
				code := run(crowdText(n), "sendmail", "-i", to)
				fig.submissions.Add(1)
				mu.Lock()
				accepted[to] = code == 0
				mu.Unlock()
			}
		})
	}
	var runs sync.WaitGroup
	for range runners {
		runs.Go(func() {
			for !over.Load() {
				run("", "deliver")
			}
		})
	}
	runs.Go(func() {
		for !over.Load() {
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond) // any instant is a good one
			mu.Lock()
			for cmd := range running { // in no order
				cmd.Process.Kill() // ours, and not waited for yet
				fig.kills.Add(1)
				break
			}
			mu.Unlock()
		}
	})
	work.Wait()
	over.Store(true)
	runs.Wait()

	me.Deliver()
	host.settle()
	copies := host.copies()
	torn, doubled := 0, 0
	for _, m := range host.mails() {
		var n int64
		fmt.Sscanf(m.to[0], "c%d@", &n)
		if _, body, _ := strings.Cut(m.content, "\r\n\r\n"); body != onTheWire(crowdText(n)) {
			torn++
		}
	}
	lost := 0
	for to, ok := range accepted {
		if ok && copies[to] == 0 {
			lost++
		}
		doubled += max(copies[to]-1, 0)
	}
	fig.lost.Add(int64(lost))
	fig.torn.Add(int64(torn))
	fig.window.Add(int64(doubled))
	if over := int64(doubled) - killed.Load(); over > 0 {
		fig.doubled.Add(over)
		t.Errorf("%d second copies, and %d runs killed", doubled, killed.Load())
	}
	if lost > 0 || torn > 0 {
		t.Errorf("of %d messages %d were lost and %d torn", len(accepted), lost, torn)
	}
	if left, _ := filepath.Glob(me.Path(".esmtp_queue/*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// crowdText is the body of message n; some are longer than a buffer.
func crowdText(n int64) string {
	return strings.Repeat(fmt.Sprintf("%d\n", n), 1+int(n%7)*int(n%7)*700)
}

// overlappingRuns: cron starts a run every so often, whether the last one has ended or not. Each mail
// goes out once.
func overlappingRuns(t *testing.T, fig *hostileFigures) {
	host := newHostileHost(t, "PIPELINING")
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
	const mails = 40
	var all sync.WaitGroup
	for i := range mails {
		all.Go(func() {
			fig.submissions.Add(1)
			me.Run(crowdText(int64(i)), "sendmail", "-i", fmt.Sprintf("c%d@example.net", i))
		})
		if i%4 == 0 {
			all.Go(func() {
				if r := me.Try("", "sh", "-c", "exec deliver"); r != (stage.Result{}) {
					t.Errorf("deliver: %+v", r)
				}
			})
		}
	}
	all.Wait()
	me.Deliver()
	for to, n := range host.copies() {
		if n != 1 {
			t.Errorf("%s got %d copies", to, n)
		}
	}
	if n := len(host.copies()); n != mails {
		t.Errorf("%d of %d arrived", n, mails)
	}
}

// agentThatSends: an MDA that calls sendmail, and even one that calls deliver, must not wait for the run it
// is part of.
func agentThatSends(t *testing.T, fig *hostileFigures) {
	for _, c := range []struct{ name, mda string }{
		{"sendmail", `sendmail -i -f me@example.org friend@example.net`},
		{"sendmail -t", `formailless() { echo "To: friend@example.net"; cat; }; formailless | sendmail -t -i`},
		{"sendmail in the background", `ESMTPQ_DELAY=0s sendmail -i friend@example.net`},
		{"mailq", `sendmail -i friend@example.net; mailq >listing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			fig.submissions.Add(1)
			host := newHostileHost(t)
			me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr, "mda = '"+c.mda+"'")
			me.Run("Subject: forward me\n\ntext\n", "sendmail", "-i", "me")
			me.Run("", "deliver")
			me.Deliver()
			if n := host.copies()["friend@example.net"]; n != 1 {
				t.Errorf("%d copies arrived", n)
			}
		})
	}
}
