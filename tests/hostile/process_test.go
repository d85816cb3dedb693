package hostile

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// What a caller may do to the process that it starts.

// oddMasks: only the owner has access to the files, and can read them, whatever the umask.
func oddMasks(t *testing.T, _ *hostileFigures) {
	for _, mask := range []string{"000", "777", "277", "077"} {
		host := newHostileHost(t)
		me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
		me.Run("text\n", "sh", "-c", "umask "+mask+"; exec sendmail -i friend@example.net")
		err := filepath.WalkDir(me.Path(".esmtp_queue"), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			st, err := d.Info()
			want := fs.FileMode(0o600)
			if d.IsDir() {
				want = 0o700
			}
			if err == nil && st.Mode().Perm() != want {
				t.Errorf("umask %s: %s has mode %v", mask, path, st.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if r := me.Try("", "sh", "-c", "umask "+mask+"; exec deliver"); r != (stage.Result{}) || len(host.mails()) != 1 {
			t.Errorf("umask %s: deliver: %+v, %d arrived", mask, r, len(host.mails()))
		}
	}
}

// tightLimits: under any limit of the system a message is either accepted completely or refused.
func tightLimits(t *testing.T, _ *hostileFigures) {
	var limits []string
	for n := 3; n <= 12; n++ {
		limits = append(limits, fmt.Sprintf("ulimit -n %d", n))
	}
	for _, n := range []int{0, 1, 2, 100} {
		limits = append(limits, fmt.Sprintf("ulimit -f %d", n))
	}
	limits = append(limits, "ulimit -s 64", "ulimit -t 1", "ulimit -c unlimited")
	host := newHostileHost(t)
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
	accepted := 0
	for _, limit := range limits {
		for _, size := range []int{10, 3000, 300_000} {
			body := strings.Repeat("0123456789abcde\n", size/16+1)
			r := me.Try(body, "sh", "-c", limit+" && exec sendmail -i friend@example.net")
			if r.Code == 0 {
				accepted++
			} else if r.Code < 64 || r.Stderr == "" {
				t.Errorf("%s: %+v", limit, r)
			}
			if count := me.Run("", "mailq", "--count"); count != fmt.Sprintln(accepted) {
				t.Errorf("%s: exit %d, and %s in the queue", limit, r.Code, strings.TrimSpace(count))
			}
		}
	}
	if left, _ := filepath.Glob(me.Path(".esmtp_queue/.new-*")); len(left) > 0 {
		t.Errorf("refused and left behind: %v", left)
	}
	// A run under such a limit loses nothing either.
	for _, limit := range limits {
		me.Try("", "sh", "-c", limit+" && exec deliver")
	}
	me.Deliver()
	if n := len(host.mails()); n != accepted {
		t.Errorf("%d mails were accepted, %d arrived", accepted, n)
	}
}

// closedDescriptors closes 0, 1 and 2 in every combination: files opened in their place must not
// be taken for them.
func closedDescriptors(t *testing.T, _ *hostileFigures) {
	for closed := range 8 {
		redirect := ""
		for fd := range 3 {
			if closed&(1<<fd) != 0 {
				redirect += fmt.Sprintf(" %d>&-", fd)
			}
		}
		t.Run("closed"+redirect, func(t *testing.T) {
			host := newHostileHost(t)
			me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
			r := me.Try("text\n", "sh", "-c", "exec sendmail -v -X transcript -i friend@example.net"+redirect)
			if accepted := closed&1 == 0; accepted != (r.Code == 0) || accepted != (len(host.mails()) == 1) {
				t.Errorf("sendmail: %+v, %d arrived", r, len(host.mails()))
			}
			me.Run("text\n", "sendmail", "-i", "friend@example.net")
			me.Try("", "sh", "-c", "exec mailq"+redirect)
			me.Run("", "sh", "-c", "exec deliver -v"+redirect)
			for _, m := range host.mails() {
				if !strings.HasSuffix(m.content, "\r\n\r\ntext\r\n") || strings.Contains(m.content, "EHLO") {
					t.Errorf("arrived: %q", m.content)
				}
			}
			if n := me.Run("", "mailq", "--count"); n != "0\n" {
				t.Errorf("%s are left", n)
			}
		})
	}
}

// signalsAtAnyTime sends sendmail and deliver a signal at any instant. Accepted mail arrives
// once; other mail may arrive.
func signalsAtAnyTime(t *testing.T, fig *hostileFigures) {
	signals := []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE, syscall.SIGXFSZ, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGKILL}
	host := newHostileHost(t, "PIPELINING")
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
	accepted := map[string]bool{}
	rounds := 80
	if stage.Long() {
		rounds = 4000
	}
	killed := 0
	for i := range rounds {
		sig := signals[i%len(signals)]
		to := fmt.Sprintf("r%d@example.net", i)
		fig.kills.Add(2)
		fig.submissions.Add(1)
		accepted[to] = signalled(me, sig, strings.Repeat("text\n", 1+rand.IntN(20_000)), "sendmail", "-i", "--", to) == 0
		if signalled(me, sig, "", "deliver") == -1 {
			killed++
		}
	}
	me.Try("", "deliver")
	host.settle()
	if out := me.Run("", "mailq"); out != "Mail queue is empty\n" {
		t.Errorf("left: %s", out)
	}
	copies, doubled := host.copies(), 0
	for to, ok := range accepted {
		n := copies[to]
		if ok && n == 0 {
			fig.lost.Add(1)
			t.Errorf("the mail for %s is lost", to)
		}
		doubled += max(n-1, 0)
	}
	fig.window.Add(int64(doubled))
	if doubled > killed {
		fig.doubled.Add(int64(doubled - killed))
		t.Errorf("%d second copies, and %d runs killed", doubled, killed)
	}
	if left, _ := filepath.Glob(me.Path(".esmtp_queue/.new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// signalled runs a program, sends it a signal at some instant, and returns its exit code; -1 for a
// death by signal.
func signalled(p *stage.Person, sig syscall.Signal, stdin, name string, args ...string) int {
	p.T.Helper()
	cmd := p.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if err := cmd.Start(); err != nil {
		p.T.Fatal(err)
	}
	time.Sleep(time.Duration(rand.IntN(12_000)) * time.Microsecond) // any instant is a good one
	cmd.Process.Signal(sig)
	overdue := time.AfterFunc(stage.Limit, func() {
		cmd.Process.Kill()
		p.T.Errorf("%s did not end after %v", name, sig)
	})
	defer overdue.Stop()
	cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// suspended: a run that is stopped for longer than every time limit, while the host gives up,
// only costs another attempt.
func suspended(t *testing.T, fig *hostileFigures) {
	for _, step := range []string{"greeting", "MAIL", "DATA", "final"} {
		t.Run(step, func(t *testing.T) {
			fig.dialogues.Add(1)
			host := newHostileHost(t)
			me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
			me.Run("text\n", "sendmail", "-i", "friend@example.net")
			host.attack(step, "! hang", "")
			cmd := me.Command("deliver")
			cmd.Env = append(cmd.Env, "ESMTPQ_TIMEOUT=300ms")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for host.times() == 0 {
				time.Sleep(time.Millisecond)
			}
			cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(time.Second) // longer than the limit
			cmd.Process.Signal(syscall.SIGCONT)
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 75 {
				t.Errorf("deliver: exit %d, want 75", code)
			}
			host.settle()
			host.attack("", "", "")
			me.Deliver()
			if n := host.copies()["friend@example.net"]; n != 1 {
				t.Errorf("it arrived %d times", n)
			}
		})
	}
}

// times is how often the script has been begun.
func (h *hostileHost) times() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.played
}
