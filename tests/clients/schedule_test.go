package clients

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

func schedulePerson(t *testing.T, host *stage.SmartHost, settings string) *stage.Person {
	p := stage.NewPerson(t)
	p.Write(".config/esmtpq/config.yaml", "batch_delay: 10ms\nidentities:\n  - name: me@example.org\n    host: "+host.Addr+"\n"+settings)
	return p
}

// sleepers returns the background processes of a person, none of which may live on behind the test.
func sleepers(t *testing.T, p *stage.Person) (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		args, _ := os.ReadFile(dir + "/cmdline")
		env, _ := os.ReadFile(dir + "/environ")
		if strings.HasPrefix(string(args), "deliver\x00--background\x00") && strings.Contains(string(env), "HOME="+p.Home+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			pids = append(pids, pid)
		}
	}
	return pids
}

func endSleepers(t *testing.T, p *stage.Person) {
	t.Cleanup(func() {
		for _, pid := range sleepers(t, p) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
}

// Mail that is held back goes by itself when its time is over and not before, and is gone if it was
// taken back meanwhile. A delivery for everything leaves it alone.
func TestHeldBack(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := schedulePerson(t, host, "    hold_for: 4s\n")
	endSleepers(t, p)
	p.Setenv("ESMTPQ_DELAY=10ms")
	begin := time.Now()
	p.Run("Subject: stays\n\n", "sendmail", "a@example.net")
	p.Run("Subject: goes\n\n", "sendmail", "b@example.net")
	out := p.Run("", "mailq")
	if strings.Count(out, "held back until ") != 2 || !strings.Contains(out, "takes it back)") {
		t.Errorf("%s", out)
	}
	p.Run("", "esmtpq", "rm", "last")
	p.Run("", "deliver")
	if out := p.Run("", "mailq", "--count"); out != "1\n" && time.Since(begin) < 3*time.Second {
		t.Errorf("%s are left after %v", out, time.Since(begin))
	}
	mail := host.Next(t)
	if mail.Parse(t).Header.Get("Subject") != "stays" || time.Since(begin) < 4*time.Second {
		t.Errorf("after %v came %s", time.Since(begin), mail.Content)
	}
	stage.Await(t, "empty", func() bool { return p.Run("", "mailq", "--count") == "0\n" })
	host.One(t)
}

// A mail with a time waits for it, is shown with it, and goes at once only where it is named.
func TestSendAt(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := schedulePerson(t, host, "")
	if r := p.Try("Subject: later\n\n", "esmtpq", "send", "--at", "+2h", "-f", "me@example.org", "--", "a@example.net"); r != (stage.Result{}) {
		t.Fatalf("%+v", r)
	}
	p.Run("Subject: now\n\n", "esmtpq", "send", "b@example.net")
	for _, args := range [][]string{{}, {"-v"}, {"all"}, {"--recipient", "a@"}} {
		if r := p.Try("", "deliver", args...); r.Code != 0 {
			t.Errorf("deliver %q: exit %d, %s", args, r.Code, r.Stderr)
		}
	}
	p.Try("", "sendmail", "-q")
	if r := p.Try("", "esmtpq", "retry", "all"); r.Code != 75 || !strings.Contains(r.Stderr, " is to be sent ") {
		t.Errorf("%+v", r)
	}
	host.One(t).Is(t, "me@example.org", "b@example.net")
	var m struct {
		QueueName string `json:"queue_name"`
		ID        string `json:"queue_id"`
		Scheduled int64  `json:"scheduled"`
		Reason    string `json:"reason"`
	}
	if err := json.Unmarshal([]byte(p.Run("", "mailq", "--json")), &m); err != nil {
		t.Fatal(err)
	}
	if at := time.Until(time.Unix(m.Scheduled, 0)); m.QueueName != "scheduled" || at < 110*time.Minute || at > 2*time.Hour || !strings.HasPrefix(m.Reason, "to be sent ") {
		t.Errorf("%+v", m)
	}
	if out := p.Run("", "esmtpq", "show", m.ID); !strings.Contains(out, "State:         to be sent ") {
		t.Errorf("%s", out)
	}
	if out := p.Run("", "esmtpq", "log", m.ID); !strings.Contains(out, "    now in the queue for a@example.net: to be sent ") {
		t.Errorf("%s", out)
	}
	for _, bad := range []string{"yesterday", "2020-01-01 8:00", "18:30 tomorrow", ""} {
		if r := p.Try("x\n", "esmtpq", "send", "--at", bad, "a@example.net"); r.Code != 64 || !strings.HasPrefix(r.Stderr, "esmtpq send: --at "+bad+": ") {
			t.Errorf("%q: %+v", bad, r)
		}
	}
	p.Run("", "deliver", m.ID)
	if got := host.Received(); len(got) != 2 {
		t.Errorf("%d arrived", len(got))
	}
	p.Run("x\n", "esmtpq", "send", "--at=+1h", "c@example.net")
	p.Run("", "esmtpq", "retry", "last")
	if got := host.Received(); len(got) != 3 {
		t.Errorf("%d arrived", len(got))
	}
}

// Nothing is lost with the process that waits for the time, and nothing goes earlier for its end; the
// next delivery starts another one.
func TestAlarmIsKilled(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("no /proc to find the process in")
	}
	host := stage.NewSmartHost(t)
	p := schedulePerson(t, host, "    hold_for: 1h\n")
	endSleepers(t, p)
	p.Setenv("ESMTPQ_DELAY=10ms")
	for i := range 5 {
		p.Run(fmt.Sprintf("Subject: %d\n\n", i), "sendmail", "a@example.net")
	}
	waits := func() bool {
		_, err := os.Stat(p.Path(".esmtp_queue/.alarm"))
		return err == nil && len(sleepers(t, p)) == 1
	}
	stage.Await(t, "one process that waits", waits)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		syscall.Kill(sleepers(t, p)[0], sig)
		stage.Await(t, "gone", func() bool { return len(sleepers(t, p)) == 0 })
		if out := p.Run("", "mailq", "--count"); out != "5\n" || len(host.Received()) > 0 {
			t.Errorf("%s are left, %d arrived", out, len(host.Received()))
		}
		p.Run("", "deliver")
		stage.Await(t, "another process that waits", waits)
	}
}

// Outside of its window an identity sends nothing, whatever else goes out; and the window is explained.
func TestSendWindow(t *testing.T) {
	host := stage.NewSmartHost(t)
	// Two days from now, in UTC, which is the zone of the person.
	day := time.Now().UTC().Add(48 * time.Hour).Weekday().String()[:3]
	p := schedulePerson(t, host, "    default: true\n  - name: office\n    match: office@example.org\n    host: "+host.Addr+"\n    send_window: "+day+" 08:00-18:00\n")
	p.Run("x\n", "sendmail", "-f", "office@example.org", "a@example.net")
	p.Run("x\n", "sendmail", "b@example.net")
	p.Run("", "deliver")
	host.One(t).Is(t, "me@example.org", "b@example.net")
	if out := p.Run("", "mailq"); !strings.Contains(out, "(outside of the send window, which opens ") || !strings.Contains(out, " 08:00:00)") {
		t.Errorf("%s", out)
	}
	if out := p.Run("", "esmtpq", "explain", "-f", "office@example.org", "a@example.net"); !strings.Contains(out, "  send window:   "+day+" 08:00-18:00; opens ") {
		t.Errorf("%s", out)
	}
	p.Run("", "deliver", "--sender", "office")
	p.Run("", "mailq", "-q")
	host.One(t)
	p.Run("", "esmtpq", "retry", strings.Fields(p.Run("", "mailq"))[6])
	if len(host.Received()) != 2 {
		t.Error("it was named, and not sent")
	}
}
