package localmda

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esmtpq/helper"
	"esmtpq/helper/inherit"
	"esmtpq/queue"
)

// waiting is the script of an agent that waits for a lock without limit, and then delivers.
const waiting = `#!/bin/sh
test -z "$DEAF" || trap '' TERM HUP
echo called >>"$OUT.calls"
cat >"$OUT.$$"
while test -e "$OUT.lock"; do sleep 0.02; done
cat "$OUT.$$" >>"$OUT"
`

// An agent that waits for a lock beyond its time is ended with all that it started, in whatever
// group or session. When the lock goes, there is one mail, and not one for each call.
func TestAgentThatWasStoppedDeliversNoMore(t *testing.T) {
	for name, line := range map[string]string{
		"plain":       `"$AGENT" %T`,
		"deaf":        `DEAF=yes timeout 600 "$AGENT" %T`,
		"timeout":     `timeout 600 "$AGENT" %T`,
		"once more":   `timeout 600 timeout 600 "$AGENT" %T; exit 75`,
		"session":     `setsid "$AGENT" %T; exit 75`,
		"without T":   `timeout 600 "$AGENT"`,
		"daemon":      `exec 4<&0; (setsid "$AGENT" %T <&4 &); while test -e "$OUT.lock" || ! test -s "$OUT"; do sleep 0.02; done`,
		"status 75":   `exec 4<&0; (timeout 600 "$AGENT" %T <&4 &); sleep 0.2; exit 75`,
		"daemon's 75": `exec 4<&0; (setsid timeout 600 "$AGENT" %T <&4 &); sleep 0.2; exit 75`,
	} {
		t.Run(name, func(t *testing.T) {
			out := outFile(t)
			script := filepath.Join(t.TempDir(), "agent")
			t.Setenv("AGENT", script)
			if err := os.WriteFile(script, []byte(waiting), 0o700); err != nil {
				t.Fatal(err)
			}
			runsWithALock(t, newAgent(t, line), out+".lock")
			text := handed
			if !strings.Contains(name, "75") {
				expectFile(t, out, text)
			} else if got, err := os.ReadFile(out); err == nil && string(got) != text {
				t.Errorf("delivered %q", got)
			}
			if calls, _ := os.ReadFile(out + ".calls"); len(calls) == 0 {
				t.Error("the agent was never called")
			}
		})
	}
}

// runsWithALock has an agent try a message in vain, twice, while lock is there, and once more
// without it.
func runsWithALock(t *testing.T, a *Agent, lock string) {
	t.Helper()
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a.Timeout = 300 * time.Millisecond
		if r := run(a, mail("A1", "bob")).reports[0]; r.Action != queue.Delayed {
			t.Errorf("with the lock: %s: %s", describe(r), r.Text)
		}
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // a process that lives on would deliver now
	a.Timeout = patience
	if r := run(a, mail("A1", "bob")).reports[0]; r.Action != queue.Delivered && !strings.Contains(r.Text, "exit status 75") {
		t.Errorf("without it: %s: %s", describe(r), r.Text)
	}
}

// Real agents.
func TestRealAgentThatWasStoppedDeliversNoMore(t *testing.T) {
	for i, test := range []struct{ program, rules, line string }{
		{"procmail", "DEFAULT=BOX\n:0:BOX.lock\nBOX\n", `timeout 600 procmail -m RULES`},
		{"procmail", "DEFAULT=BOX\n:0:BOX.lock\nBOX\n", `formail -b | procmail -m RULES`},
		{"maildrop", "to \"BOX\"\n", `maildrop RULES; exit $?`},
		{"maildrop", "to \"BOX\"\n", `timeout 600 maildrop RULES`},
	} {
		t.Run(fmt.Sprint(test.program, i), func(t *testing.T) { // a name without meaning to a shell
			if test.program == "maildrop" {
				needMaildrop(t)
			} else {
				needProcmail(t)
			}
			dir := t.TempDir()
			box, rules := filepath.Join(dir, "box"), filepath.Join(dir, "rules")
			if err := os.WriteFile(rules, []byte(strings.ReplaceAll(test.rules, "BOX", box)), 0o600); err != nil {
				t.Fatal(err)
			}
			a := newAgent(t, strings.ReplaceAll(test.line, "RULES", rules))
			runsWithALock(t, a, box+".lock")
			if got, err := os.ReadFile(box); err != nil || strings.Count(string(got), "Subject: x") != 1 {
				t.Errorf("not one mail in the mailbox: %v\n%s", err, got)
			}
		})
	}
}

// needMaildrop puts maildrop into the PATH. The one that test.sh has unpacked is copied, since a
// set-id program finds no libraries outside the system's directories. In CI there must be one.
func needMaildrop(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("maildrop"); err == nil {
		return
	}
	root := os.Getenv("ESMTPQ_TEST_DEBIAN")
	program, err := os.ReadFile(filepath.Join(root, "usr/bin/maildrop"))
	if root == "" || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("maildrop is neither installed nor unpacked: ", err)
		}
		t.Skip("maildrop is neither installed nor unpacked: ./test.sh does it")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "maildrop"), program, 0o700); err != nil {
		t.Fatal(err)
	}
	libraries := []string{filepath.Join(root, "usr/lib")}
	for _, pattern := range []string{"lib/*-linux-gnu*", "usr/lib/*-linux-gnu*"} {
		dirs, _ := filepath.Glob(filepath.Join(root, pattern))
		libraries = append(libraries, dirs...)
	}
	t.Setenv("LD_LIBRARY_PATH", strings.Join(libraries, ":"))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// An agent left behind by a killed run is ended before the agent is called again for the same
// recipient, and for no other.
func TestWhatAKilledRunHasLeft(t *testing.T) {
	start := func(mark string) *exec.Cmd {
		cmd := exec.Command("sleep", "600")
		cmd.Env = append(cmd.Environ(), inherit.MarkName+"="+testQueue+" "+mark)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		return cmd
	}
	const id = "A1"
	left, others := start(id+" bob"), start(id+" ann")
	out := outFile(t)
	line := fmt.Sprintf(`: %%T; for p in %d %d; do case "$(cat /proc/$p/stat)" in (*") Z "*) echo dead;; (*) echo alive;; esac; done >"$OUT"`, left.Process.Pid, others.Process.Pid)
	run(newAgent(t, line), mail(id, "bob")).expectLog(t, "next "+id, "sending "+id, "done "+id, "  bob delivered 2.0.0")
	expectFile(t, out, "dead\nalive\n")
}

// The agent of a killed run is found although it is a set-id program, whose environment is hidden,
// and has taken the place of the line's shell. Here it has no environment at all, which looks the same.
func TestKilledRunHasLeftAHiddenAgent(t *testing.T) {
	const id = "A1"
	fifo := makeFIFO(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	src := &fakeSource{deliveries: []*queue.Delivery{mail(id, "bob")}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		newAgent(t, fmt.Sprintf(`exec env -i /bin/sh -c 'exec 3>"$0"; echo ready >&3; exec sleep 600' '%s'; : %%T`, fifo)).Run(ctx, src)
	}()
	f, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	said := bufio.NewReader(f)
	if line, err := said.ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	// The next run does this.
	if err := helper.EndMarked(testQueue + " " + id + " bob"); err != nil {
		t.Error(err)
	}
	if err := f.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := said.ReadByte(); err != io.EOF {
		t.Error("the agent lives on: ", err)
	}
	cancel()
	<-done
}

// A background process left behind after success does not count as a last call for the next
// recipient.
func TestBackgroundOfAnotherRecipientIsLeftAlone(t *testing.T) {
	goOn, back := makeFIFO(t), makeFIFO(t)
	line := fmt.Sprintf("case %%T in (bob) { read word <'%s'; echo $word >'%s'; } & exit 0;; esac; exit 75", goOn, back)
	run(newAgent(t, line), mail("A1", "bob", "ann")).expectLog(t, "next A1", "sending A1 bob", "done A1",
		"  bob delivered 2.0.0", "sending A1 ann", "done A1", "  ann delayed 4.3.0 recipient")
	go os.WriteFile(goOn, []byte("alive\n"), 0)
	if got := readFIFO(t, back, func() {}); got != "alive\n" {
		t.Errorf("the background wrote %q", got)
	}
}

// An interrupted run ends the agent as its limit does.
func TestInterruptedAgentDeliversNoMore(t *testing.T) {
	fifo := makeFIFO(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	src := &fakeSource{deliveries: []*queue.Delivery{mail("A1", "bob")}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		newAgent(t, fmt.Sprintf(`exec 3>'%s'; timeout 600 sh -c 'trap "" TERM; echo ready >&3; while :; do sleep 600; done'`, fifo)).Run(ctx, src)
	}()
	if got := readFIFO(t, fifo, cancel); got != "ready\n" {
		t.Errorf("wrote %q", got)
	}
	<-done
	if r := src.reports[0]; r.Action != queue.Delayed || !strings.HasPrefix(r.Text, "the local delivery agent was stopped") {
		t.Errorf("%s: %s", describe(r), r.Text)
	}
}
