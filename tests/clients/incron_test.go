package clients

import (
	"os"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// incron and its like start a deliver for each mail: one of them works, and the others end at once.
func TestThreeDeliversAtOnce(t *testing.T) {
	me := stage.NewPerson(t, append([]string{`mda = "sleep 3; cat >> $HOME/mailbox"`}, stage.Identity(stage.NewSmartHost(t))...)...)
	me.Run("From: me@example.org\n\nfirst\n", "sendmail", "-i", "joe")
	first := me.Command("deliver")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	stage.Await(t, "the first to work", func() bool {
		b, _ := os.ReadFile(me.Path(".esmtp_queue/.lock"))
		return strings.HasPrefix(string(b), "all\n")
	})
	me.Run("From: me@example.org\n\nsecond\n", "sendmail", "-i", "joe")
	for range 2 {
		begin := time.Now()
		if r := me.Try("", "deliver"); r != (stage.Result{}) || time.Since(begin) > 2*time.Second {
			t.Errorf("%+v, after %v", r, time.Since(begin))
		}
	}
	if err := first.Wait(); err != nil {
		t.Error(err)
	}
	b, _ := os.ReadFile(me.Path("mailbox"))
	if s := string(b); strings.Count(s, "\nfirst\n") != 1 || strings.Count(s, "\nsecond\n") != 1 {
		t.Errorf("the mailbox has\n%s", s)
	}
	if out := me.Run("", "mailq"); out != "Mail queue is empty\n" {
		t.Errorf("mailq: %s", out)
	}
}
