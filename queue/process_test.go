package queue

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// Submitters and queue runs are processes of their own here, and are killed at any instant. Each
// message has a number, and all processes write what they did into one journal, which is counted
// at the end:
//
//	accepted N   a submitter had Commit's word for message N
//	took PID N   the smart host took message N from run PID
//	done PID N   Done returned to run PID
//	torn PID ID  what the smart host took was not what was submitted
//
// A message is lost if it was accepted and never taken. It may be taken twice if a run was killed
// between took and done: one message for each killed run.
func TestProcessesKilledAtAnyInstant(t *testing.T) {
	const submitters, runs = 4, 2
	kills := 60
	if *long {
		kills = 2000
	}
	dir := t.TempDir()
	processes := make([]*exec.Cmd, submitters+runs)
	next := 0
	start := func(i int) {
		role := "submitter"
		if i >= submitters {
			role = "run"
		}
		next++
		processes[i] = exec.Command(os.Args[0])
		processes[i].Env = append(os.Environ(), roleVariable+"="+role, "QUEUE_TEST_DIR="+dir, fmt.Sprintf("QUEUE_TEST_FIRST=%d", next*1_000_000))
		processes[i].Stderr = os.Stderr
		if err := processes[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	kill := func(i int) {
		processes[i].Process.Kill()
		if err := processes[i].Wait(); err == nil || processes[i].ProcessState.Exited() {
			t.Errorf("a process ended by itself: %v", err)
		}
	}
	for i := range processes {
		start(i)
	}
	for range kills {
		time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond) // any instant is a good one
		i := rand.IntN(len(processes))
		kill(i)
		start(i)
	}
	for i := range processes {
		kill(i)
	}

	q := openQueue(t, dir+"/queue")
	// How many are left depends on which processes were killed more often, and on the speed of
	// the disk.
	ctx, cancel := context.WithTimeout(context.Background(), 20*soon)
	defer cancel()
	l, err := q.List()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages are left for the last run", len(l.IDs))
	sum, err := Run(ctx, q, one(journalist(dir, 0)), everything)
	if err != nil {
		t.Fatal(err)
	}
	if n := releaseAll(t, q); n > 0 {
		t.Logf("%d were held: three runs were killed over each", n)
		if sum, err = Run(ctx, q, one(journalist(dir, 0)), everything); err != nil {
			t.Fatal(err)
		}
	}
	if len(sum.Trouble)+len(sum.Waiting)+len(sum.Failed) > 0 {
		t.Errorf("at the end there is %+v", sum)
	}
	left := slices.DeleteFunc(names(t, q.Dir), func(name string) bool { return name == backoffFile || name == ".edited" })
	if len(left) > 0 {
		t.Errorf("at the end there is %q", left)
	}
	count(t, dir, kills)
}

// releaseAll releases all held messages, and returns their number.
func releaseAll(t *testing.T, q *spool.Queue) (n int) {
	l, err := q.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range l.IDs {
		if m := read(t, q, id); m.Held {
			n++
			if err := q.SetHeld(id, false); err != nil {
				t.Error(err)
			}
		}
	}
	return n
}

func count(t *testing.T, dir string, kills int) {
	b, err := os.ReadFile(dir + "/journal")
	if err != nil {
		t.Fatal(err)
	}
	var accepted []string
	taken, twice := map[string][]string{}, map[string]int{} // by message: runs; by run: messages
	done := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		switch f := strings.Fields(line); f[0] {
		case "accepted":
			accepted = append(accepted, f[1])
		case "took":
			for _, before := range taken[f[2]] {
				if done[before+" "+f[2]] {
					t.Errorf("message %s was taken from run %s after run %s was told that it is recorded", f[2], f[1], before)
				}
				twice[before]++
			}
			taken[f[2]] = append(taken[f[2]], f[1])
		case "done":
			done[f[1]+" "+f[2]] = true
		default:
			t.Errorf("%s", line)
		}
	}
	lost := 0
	for _, n := range accepted {
		if len(taken[n]) == 0 {
			lost++
		}
	}
	for pid, n := range twice {
		if n > 1 {
			t.Errorf("run %s is to blame for %d messages that were taken twice", pid, n)
		}
	}
	if lost > 0 || len(accepted) == 0 {
		t.Errorf("of %d messages accepted %d were lost", len(accepted), lost)
	}
	t.Logf("%d kills, %d accepted, %d taken, %d lost, %d doubled", kills, len(accepted), len(taken), lost, len(twice))
}

func note(dir, format string, args ...any) {
	f, err := os.OpenFile(dir+"/journal", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(f, format+"\n", args...)
		f.Close()
	}
	if err != nil {
		panic(err)
	}
}

// journalist is a smart host that writes the journal, and is busy once in busyOneIn times.
func journalist(dir string, busyOneIn int) *fakeHost {
	h, taken := &fakeHost{}, ""
	h.answer = func(d *Delivery, _ Recipient) Report {
		taken = ""
		if busyOneIn > 0 && rand.IntN(busyOneIn) == 0 {
			return busy
		}
		content, err := readContent(d.Content)
		n, rest, _ := strings.Cut(strings.TrimPrefix(content, "Subject: "), "\n")
		if err != nil || rest != numbered(n) {
			note(dir, "torn %d %s: %v", os.Getpid(), d.ID, err)
		}
		note(dir, "took %d %s", os.Getpid(), n)
		taken = n
		return relayed
	}
	h.after = func(Source, *Delivery) {
		if taken != "" {
			note(dir, "done %d %s", os.Getpid(), taken)
		}
	}
	return h
}

// numbered is the rest of the content of message n; some contents are longer than smallContent.
func numbered(n string) string {
	size := 100
	if strings.HasSuffix(n, "7") {
		size = smallContent + 1
	}
	return "\n" + strings.Repeat(n+"\n", size/(len(n)+1)+1)
}

func init() {
	roles["submitter"] = func() error {
		dir, n := os.Getenv("QUEUE_TEST_DIR"), 0
		fmt.Sscan(os.Getenv("QUEUE_TEST_FIRST"), &n)
		for ; ; n++ {
			q, err := spool.OpenOrCreate(dir + "/queue")
			if err != nil {
				return err
			}
			w, err := q.NewWriter()
			if err != nil {
				return err
			}
			io.WriteString(w, fmt.Sprintf("Subject: %d\n", n)+numbered(fmt.Sprint(n)))
			if _, err := w.Commit(envelopeFor("a@example.com")); err != nil {
				return err
			}
			q.Close()
			note(dir, "accepted %d", n)
		}
	}
	roles["run"] = func() error {
		dir := os.Getenv("QUEUE_TEST_DIR")
		for {
			q, err := spool.OpenOrCreate(dir + "/queue")
			if err != nil {
				return err
			}
			sum, err := Run(context.Background(), q, one(journalist(dir, 10)), everything)
			if err != nil {
				return err
			}
			if len(sum.Trouble) > 0 {
				return fmt.Errorf("trouble: %q", sum.Trouble)
			}
			q.Close()
		}
	}
}
