package clients

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// Agents that wait for a lock for ever leave our process group, or are set-id. However the runs that
// called them end, one mail is delivered once the lock has gone.
func TestAgentOfARunThatWasEnded(t *testing.T) {
	stage.Needs(t, "procmail")
	root := stage.Debian(t, "usr/bin/maildrop")
	for i, line := range []string{
		"procmail -f %%F -m '%[1]s'; true %%T", "exec procmail -f %%F -m '%[1]s'", "timeout 600 procmail -f %%F -m '%[1]s'",
		"maildrop -f %%F '%[2]s'", "exec maildrop -f %%F '%[2]s'; true %%T", "timeout 600 maildrop -f %%F '%[2]s'",
	} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
			t.Run(fmt.Sprint(i, sig), func(t *testing.T) {
				t.Parallel()
				me := stage.NewPerson(t)
				me.Setenv("PATH=" + me.Path("agents") + ":" + me.Path("bin") + ":/usr/bin:/bin")
				program := stage.Read(t, root+"/usr/bin/maildrop") // a set-id program finds no libraries there
				me.WriteScript("agents/maildrop", program)
				me.Setenv("LD_LIBRARY_PATH=" + root + "/usr/lib:" + stage.UnpackedLibraries(root) + ":" + strings.ReplaceAll(stage.UnpackedLibraries(root), "/usr/lib/", "/lib/"))
				me.Write("rc", fmt.Sprintf("DEFAULT=%[1]s\nLOCKSLEEP=1\n:0:%[1]s.lock\n%[1]s\n", me.Path("box")))
				me.Write("filter", fmt.Sprintf("to \"%s\"\n", me.Path("box")))
				me.Write(".config/esmtpq/config.yaml", "mda: "+fmt.Sprintf(line, me.Path("rc"), me.Path("filter"))+
					"\nidentities:\n  - name: me@example.org\n    host: localhost\n")
				me.Write("box.lock", "")
				me.Run("From: ann@example.net\nSubject: hello\n\ntext\n", "sendmail", "-i", "joe")
				for range 2 {
					endWhileTheAgentWaits(t, me, sig)
				}
				// An agent that lives on would deliver before the run could see it.
				end := beginRun(t, me)
				if err := os.Remove(me.Path("box.lock")); err != nil {
					t.Fatal(err)
				}
				end(0)
				me.Deliver()
				time.Sleep(1500 * time.Millisecond) // what lives on would deliver now
				if n := strings.Count(stage.Read(t, me.Path("box")), "Subject: hello\n"); n != 1 {
					t.Errorf("%d copies", n)
				}
			})
		}
	}
}

// endWhileTheAgentWaits begins a run, ends it by a signal while its agent waits, and waits for its end.
func endWhileTheAgentWaits(t *testing.T, me *stage.Person, sig syscall.Signal) {
	t.Helper()
	end := beginRun(t, me)
	time.Sleep(100 * time.Millisecond)
	end(sig)
}

// beginRun begins a run, and returns when it has an agent of its own, or none since one of an earlier run cannot be
// ended. The function that it returns waits for the end of the run, behind a signal if there is one.
func beginRun(t *testing.T, me *stage.Person) (end func(sig syscall.Signal)) {
	t.Helper()
	before := agentsOf(me)
	run := me.Command("deliver")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		run.Wait()
		close(ended)
	}()
	stage.Await(t, "the agent", func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		return slices.ContainsFunc(agentsOf(me), func(pid string) bool { return !slices.Contains(before, pid) })
	})
	return func(sig syscall.Signal) {
		if sig != 0 {
			run.Process.Signal(sig)
		}
		<-ended
	}
}

// agentsOf returns the process IDs of the agents that run for a person.
func agentsOf(me *stage.Person) (pids []string) {
	out, _ := exec.Command("ps", "-e", "-o", "pid,args").Output()
	for line := range strings.Lines(string(out)) {
		pid, args, _ := strings.Cut(strings.TrimLeft(line, " "), " ")
		if strings.Contains(args, me.Home) && !strings.Contains(args, "sh -c") && !strings.HasPrefix(args, "timeout") && !strings.HasPrefix(args, "/bin/sh") {
			pids = append(pids, pid)
		}
	}
	return pids
}
