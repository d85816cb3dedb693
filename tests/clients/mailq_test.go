package clients

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"

	"esmtpq/tests/stage"
)

// The exit status of mailq --quiet says what the queue wants of its owner, and mailq --json which
// mail it is.
func TestMailqQuiet(t *testing.T) {
	me := stage.NewPerson(t, stage.Identity(newPickyHost(t, refusing("nobody", 550, "no such user")))...)
	wanted := func(code int, needs string) {
		t.Helper()
		wants(me, code, "", "mailq", "--quiet")
		var got []string
		for line := range strings.Lines(me.Run("", "mailq", "--json")) {
			var m struct {
				ID       string `json:"queue_id"`
				NeedsYou bool   `json:"needs_you"`
			}
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatal(err)
			}
			if m.NeedsYou {
				got = append(got, m.ID)
			}
		}
		if strings.Join(got, " ") != needs {
			t.Errorf("%q, want %q", got, needs)
		}
	}
	wanted(0, "")
	first := submitTo(me, "hello", "friend@example.net")
	wanted(1, "")
	me.Run("", "esmtpq", "hold", first) // as its owner wants it
	wanted(1, "")
	second := submitTo(me, "hello", "nobody@example.net")
	me.Try("", "deliver")
	wanted(2, second)
	me.Run("", "esmtpq", "rm", second)
	wanted(1, "")
	if err := os.Truncate(me.Path(".esmtp_queue/"+first+"/envelope"), 10); err != nil {
		t.Fatal(err)
	}
	wanted(2, first)
	me.Run("", "esmtpq", "rm", first)
	me.Write(".esmtp_queue/aB3dE6gH/cmd", "-i friend@example.net\n")
	me.Write(".esmtp_queue/aB3dE6gH/mail", "From: me@example.org\n\ntext\n")
	wanted(1, "")
	me.Write(".esmtp_queue/notes/x", "not ours")
	wanted(1, "")
}

// Whatever is not printable is an escape in JSON, and the text that is read is the same.
func TestMailqJSONIsPrintable(t *testing.T) {
	me := stage.NewPerson(t, stage.Identity(stage.NewSmartHost(t))...)
	n := 0
	for _, r := range []rune{'\u0080', '\u009b', '\u00a0', '\u00ad', '\u200b', '\u200d', '\u202e', '\u2066', '\ufeff', '\U000e0041', '\u2028', 'ü', '中', '😀'} {
		address := fmt.Sprintf("x%cy@example.net", r)
		if me.Try("text\n", "sendmail", "-i", "-f", address, "--", address).Code == 0 {
			n++
			out := me.Run("", "mailq", "--json")
			if strings.ContainsFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
				t.Errorf("%U: %q", r, out)
			}
			var m struct {
				Sender     string
				Recipients []struct{ Address string }
			}
			if err := json.Unmarshal([]byte(out), &m); err != nil || m.Sender != address || m.Recipients[0].Address != address {
				t.Errorf("%U: %v, %s", r, err, out)
			}
			me.Run("", "esmtpq", "rm", "last")
		}
	}
	if n < 8 {
		t.Errorf("only %d addresses were taken", n)
	}
}

// Files that are not ours are counted, whoever lists the queue.
func TestForeignFilesAreCounted(t *testing.T) {
	me := stage.NewPerson(t, stage.Identity(stage.NewSmartHost(t))...)
	submitTo(me, "hello", "friend@example.net")
	for i := range 1000 {
		me.Write(fmt.Sprintf(".esmtp_queue/note %03d", i), "")
	}
	for _, name := range []string{"mailq", "deliver"} {
		r := me.Try("", name)
		if r.Code != 0 || strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, "note 000, note 001, note 002 and 997 more") {
			t.Errorf("%s: exit %d, %s", name, r.Code, r.Stderr)
		}
	}
}

// What can never be queued is not worth another try, and the exit status says so.
func TestTooManyRecipients(t *testing.T) {
	me := stage.NewPerson(t, stage.Identity(stage.NewSmartHost(t))...)
	r := me.Try("To: "+strings.Repeat("@,", 100_001)+"\nCc: friend@example.net\n\ntext\n", "sendmail", "-t")
	if r.Code != 65 || !strings.Contains(r.Stderr, "send it in parts\n") {
		t.Errorf("exit %d, %.300s", r.Code, r.Stderr)
	}
}
