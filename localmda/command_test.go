package localmda

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"esmtpq/queue"
)

// newCommand is NewCommand, which must succeed.
func newCommand(t *testing.T, line string) *Agent {
	t.Helper()
	a, err := NewCommand(line)
	if err != nil {
		t.Fatal(err)
	}
	a.Queue = testQueue + " command"
	return a
}

// A command gets all recipients at once, each as one argument, the reverse-path, and the content as
// it is.
func TestCommandGetsEverything(t *testing.T) {
	out := outFile(t)
	d := mail("A1", "bob@example.net", `"a b;touch x"@example.net`, "$(id)@example.net")
	src := run(newCommand(t, `{ printf '<%s>' %F "%T" '%T'; cat; } >"$OUT"; : %T`), d)
	src.expectLog(t, "next A1", "sending A1", "done A1", "  bob@example.net relayed 2.0.0",
		`  "a b;touch x"@example.net relayed 2.0.0`, "  $(id)@example.net relayed 2.0.0")
	all := `<bob@example.net><"a b;touch x"@example.net><$(id)@example.net>`
	expectFile(t, out, "<forced@example.org>"+all+all+message)
}

// Very many recipients are several calls, each with a result of its own.
func TestCommandInBatches(t *testing.T) {
	var names []string
	for i := range maxBatch*2 + 1 {
		names = append(names, fmt.Sprintf("%d@example.net", i))
	}
	src := run(newCommand(t, `cat >/dev/null; set -- %T; case $1 in (0@*) exit 0;; (1000@*) exit 65;; esac; exit 75`), mail("A1", names...))
	got := map[queue.Action]int{}
	for _, r := range src.reports {
		got[r.Action]++
	}
	if got[queue.Relayed] != maxBatch || got[queue.Failed] != maxBatch || got[queue.Delayed] != 1 {
		t.Errorf("%v", got)
	}
}

// Only what is said of the mail fails it; what is said of the way keeps the mail of the identity.
func TestCommandStatus(t *testing.T) {
	for status, want := range map[int]string{
		0: "relayed 2.0.0", 64: "delayed 4.3.0 message", 65: "failed 5.6.0 message", 67: "failed 5.1.1 message",
		69: "delayed 4.4.1 identity", 75: "delayed 4.3.0 message",
		77: "delayed 4.7.0 identity", 78: "delayed 4.3.5 identity", 100: "failed 5.3.0 message", 1: "delayed 4.3.0 message",
		126: "delayed 4.3.5 identity", 127: "delayed 4.3.5 identity", 137: "delayed 4.3.0 message unsure",
	} {
		src := run(newCommand(t, fmt.Sprintf(`: %%T; cat >/dev/null; echo words; exit %d`, status)), mail("A1", "bob@example.net", "ann@example.net"))
		for _, r := range src.reports {
			if got := describe(r); got != want || status != 0 && !strings.HasSuffix(r.Text, ": words") {
				t.Errorf("%d: %s, %s, want %s", status, got, r.Text, want)
			}
		}
		if len(src.reports) != 2 {
			t.Errorf("%d: %d reports", status, len(src.reports))
		}
	}
}

// What has read nothing has sent nothing, and what does not end is ended.
func TestCommandThatTakesNothing(t *testing.T) {
	a := newCommand(t, "exit 0; : %T")
	if r := run(a, mail("A1", "bob@example.net")).reports[0]; describe(r) != "delayed 4.3.0 recipient" || strings.Contains(r.Text, "mda") {
		t.Errorf("%s: %s", describe(r), r.Text)
	}
	a = newCommand(t, "cat >/dev/null; sleep 600; : %T")
	a.Timeout = time.Second
	if r := run(a, mail("A1", "bob@example.net")).reports[0]; !r.Unsure || !strings.HasPrefix(r.Text, "the command had not finished after 1s and was stopped") {
		t.Errorf("%s: %s", describe(r), r.Text)
	}
}

func TestCommandMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"": "empty command", "send": "has no %T", "send -f %F": "has no %T", "send --to=%T": "part of a word", `send "to %T"`: "part of a word",
		"r=%T; send $r": "part of a word", "sh -c 'send %T'": "sh -c", "send '%T": "never closed", "send `echo x%T`": "part of a word", "ssh host send %T": "far end has a shell",
	} {
		if _, err := NewCommand(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	for _, line := range []string{"send %T", `send -- "%T"`, "send '%T'</dev/null", "(send %T)", "for r in %T; do send $r; done", "send `echo %T`", "send \\%T"} {
		if _, err := NewCommand(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}
