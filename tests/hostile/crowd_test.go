package hostile

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// Many at once: submitters, queue runs, and a killer.

// crowd lets submitters and runs work side by side, kills them at any instant, lets a last run
// finish, and counts.
func crowd(t *testing.T, fig *hostileFigures) {
	const submitters, runners = 20, 4
	host := newHostileHost(t, "PIPELINING")
	c := &crowded{
		me:       stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr),
		fig:      fig,
		deadline: time.Now().Add(stage.Pick(10*time.Second, 10*time.Minute)),
		accepted: map[string]bool{}, running: map[*exec.Cmd]bool{},
	}
	var submissions, others sync.WaitGroup
	for range submitters {
		submissions.Go(c.submit)
	}
	for range runners {
		others.Go(c.deliver)
	}
	others.Go(c.kill)
	submissions.Wait()
	c.over.Store(true)
	others.Wait()

	c.me.Deliver()
	host.settle()
	c.count(t, host)
	left, _ := filepath.Glob(c.me.Path(".esmtp_queue/*"))
	left = slices.DeleteFunc(left, func(name string) bool {
		return slices.Contains([]string{".sessions", ".lock", ".last", ".sent", ".history"}, filepath.Base(name))
	})
	if len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A crowded person has many programs at work at once, which are killed.
type crowded struct {
	me       *stage.Person
	fig      *hostileFigures
	deadline time.Time // for submissions
	sent     atomic.Int64
	killed   atomic.Int64 // queue runs
	over     atomic.Bool

	mu       sync.Mutex
	accepted map[string]bool // by recipient: sendmail has exited with 0
	running  map[*exec.Cmd]bool
}

// run runs a program that may be killed meanwhile, and returns its exit code.
func (c *crowded) run(stdin, name string, args ...string) int {
	cmd := c.me.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	c.mu.Lock()
	if err := cmd.Start(); err != nil {
		c.mu.Unlock()
		c.me.T.Error(err)
		return -1
	}
	c.running[cmd] = true
	c.mu.Unlock()
	cmd.Wait()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	c.mu.Lock()
	delete(c.running, cmd)
	c.mu.Unlock()
	if status.Signaled() && name == "deliver" {
		c.killed.Add(1)
	}
	return cmd.ProcessState.ExitCode()
}

// submit submits one message after another: all submitters together at least 200.
func (c *crowded) submit() {
	for {
		n := c.sent.Add(1)
		if n > 200 && time.Now().After(c.deadline) {
			return
		}
		to := fmt.Sprintf("c%d@example.net", n)
		code := c.run(crowdText(n), "sendmail", "-i", to)
		c.fig.submissions.Add(1)
		c.mu.Lock()
		c.accepted[to] = code == 0
		c.mu.Unlock()
	}
}

// deliver runs the queue until everything is over.
func (c *crowded) deliver() {
	for !c.over.Load() {
		c.run("", "deliver")
	}
}

// kill kills any running program, every now and then, until everything is over.
func (c *crowded) kill() {
	for !c.over.Load() {
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond) // any instant is a good one
		c.mu.Lock()
		for cmd := range c.running { // in no order
			cmd.Process.Kill() // ours, and not waited for yet
			c.fig.kills.Add(1)
			break
		}
		c.mu.Unlock()
	}
}

// count compares the mail that has arrived with the mail that was accepted. A queue run that was
// killed may have sent one message that it could not record.
func (c *crowded) count(t *testing.T, host *hostileHost) {
	copies := host.copies()
	torn, lost, doubled := 0, 0, 0
	for _, m := range host.mails() {
		var n int64
		fmt.Sscanf(m.to[0], "c%d@", &n)
		if _, body, _ := strings.Cut(m.content, "\r\n\r\n"); body != onTheWire(crowdText(n)) {
			torn++
		}
	}
	for to, ok := range c.accepted {
		if ok && copies[to] == 0 {
			lost++
		}
		doubled += max(copies[to]-1, 0)
	}
	c.fig.lost.Add(int64(lost))
	c.fig.torn.Add(int64(torn))
	c.fig.window.Add(int64(doubled))
	if over := int64(doubled) - c.killed.Load(); over > 0 {
		c.fig.doubled.Add(over)
		t.Errorf("%d second copies, and %d runs killed", doubled, c.killed.Load())
	}
	if lost > 0 || torn > 0 {
		t.Errorf("of %d messages %d were lost and %d torn", len(c.accepted), lost, torn)
	}
}

// crowdText is the body of message n; some are longer than a buffer.
func crowdText(n int64) string {
	return strings.Repeat(fmt.Sprintf("%d\n", n), 1+int(n%7)*int(n%7)*700)
}

// overlappingRuns: cron starts a run every so often, whether the last one has ended or not. Each
// mail goes out once.
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

// agentThatSends: an MDA that calls sendmail, or even deliver, must not wait for the run that it
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
