package neighbours

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// slowAgent files a mail, says that it is at work, and goes on once it is told to.
const slowAgent = `#!/bin/sh
cat >>"$HOME/mailbox"
echo "$1" >>"$HOME/calls"
until [ -e "$HOME/go" ]; do sleep 0.05; done
`

// Many triggers at once, of all kinds: incron starts a deliver for each mail, if-up calls sendmail -q, a
// script signals the watcher. One run works; whoever has nothing of his own to do returns at once with 0,
// also while a slow agent is at work; and each mail is delivered once.
func TestTriggersOverlap(t *testing.T) {
	for _, watched := range []bool{false, true} {
		t.Run(fmt.Sprintf("watched=%t", watched), func(t *testing.T) {
			me := stage.NewPerson(t, append([]string{`mda = "$HOME/agent %T"`}, stage.Identity(stage.NewSmartHost(t))...)...)
			me.WriteScript("agent", slowAgent)
			me.Setenv("ESMTPQ_DELAY=0s")
			t.Cleanup(func() { me.Write("go", "") })
			var watcher *exec.Cmd
			if watched {
				watcher = me.Command("deliver", "--watch")
				if err := watcher.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					watcher.Process.Signal(syscall.SIGTERM)
					watcher.Wait()
				})
				stage.Await(t, "the watcher", func() bool { return stage.Exists(me.Path(".esmtp_queue/.wake")) })
			}
			const n = 20
			for i := range n {
				me.Run("Subject: s\n\ntext\n", "sendmail", "-odq", fmt.Sprintf("joe%d@localhost", i))
			}
			var all sync.WaitGroup
			ended := make(chan bool, 4*n)
			trigger := func() {
				for i := range n {
					if watched && i%4 == 0 {
						watcher.Process.Signal(syscall.SIGUSR1)
					}
					for _, args := range [][]string{{"deliver"}, {"sendmail", "-q"}} {
						all.Go(func() {
							if r := me.Try("", args[0], args[1:]...); r.Code != 0 || r.Stdout+r.Stderr != "" {
								t.Errorf("%q: %+v", args, r)
							}
							ended <- true
						})
					}
				}
			}
			trigger()
			end := func(n int) {
				t.Helper()
				for i := range n {
					select {
					case <-ended:
					case <-time.After(stage.Limit):
						t.Fatalf("%d of %d are still there", n-i, n)
					}
				}
			}
			end(2*n - 1) // all but the one that may be at work
			if calls := lines(me.Path("calls")); calls > 1 {
				t.Errorf("%d agents at work", calls)
			}
			trigger() // and once more, while it is at work
			end(2 * n)
			me.Write("go", "")
			all.Wait()
			stage.Await(t, "an empty queue", func() bool { return me.Run("", "mailq", "--count") == "0\n" })
			if calls := lines(me.Path("calls")); calls != n {
				t.Errorf("%d calls of the agent for %d mails", calls, n)
			}
			if mailbox := stage.Read(t, me.Path("mailbox")); strings.Count(mailbox, "Subject: s\n") != n {
				t.Errorf("the mailbox has\n%s", mailbox)
			}
		})
	}
}

// lines returns how many lines a file has.
func lines(path string) int {
	b, _ := os.ReadFile(path)
	return strings.Count(string(b), "\n")
}
