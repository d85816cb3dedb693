package localmda

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/queue"
)

func TestNewErrors(t *testing.T) {
	for _, test := range []struct{ command, force, want string }{
		{"", "", "empty command"},
		{" \n", "", "empty command"},
		{"mda '%T", "", "never closed"},
		{"mda", "-x", "force_mda: begins with a dash"},
		{"mda", "a\nb", "control characters"},
	} {
		if _, err := New(test.command, test.force); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("New(%q, %q): %v, want an error with %q", test.command, test.force, err, test.want)
		}
	}
}

func TestMessageArrivesOctetForOctet(t *testing.T) {
	out := outFile(t)
	src := run(newAgent(t, `cat >"$OUT"`), mail("A1", "bob"))
	src.expectLog(t, "next A1", "sending A1", "done A1", "  bob delivered 2.0.0")
	expectFile(t, out, handed)
}

func TestLargeMessage(t *testing.T) {
	out := outFile(t)
	large := strings.Repeat("0123456789abcde\n", 1<<16)
	d := mail("A1", "bob")
	d.Content = &fakeContent{text: large}
	run(newAgent(t, `cat >"$OUT"`), d).expectLog(t, "next A1", "sending A1", "done A1", "  bob delivered 2.0.0")
	expectFile(t, out, "Return-Path: <sender@example.org>\n"+large)
}

func TestOneCallForEachRecipientWithT(t *testing.T) {
	out := outFile(t)
	a := newAgent(t, `echo to %T $# >>"$OUT"; case %T in (ann) exit 67;; (joe) exit 75;; esac`)
	src := run(a, mail("A1", "bob", "ann", "joe", "o'brien"), mail("A2", "eve"))
	src.expectLog(t,
		"next A1", "sending A1 bob", "done A1", "  bob delivered 2.0.0",
		"sending A1 ann", "done A1", "  ann failed 5.1.1 recipient",
		"sending A1 joe", "done A1", "  joe delayed 4.3.0 recipient",
		"sending A1 o'brien", "done A1", "  o'brien delivered 2.0.0",
		"next A2", "sending A2", "done A2", "  eve delivered 2.0.0")
	expectFile(t, out, "to bob 1\nto ann 1\nto joe 1\nto o'brien 1\nto eve 1\n")
}

// The reports of one call are recorded before the next call begins: if the run is killed then, no
// recipient who was served gets a second copy.
func TestEachCallIsRecordedBeforeTheNext(t *testing.T) {
	out := outFile(t)
	src := &fakeSource{deliveries: []*queue.Delivery{mail("A1", "bob", "ann", "joe")}}
	var atRecord []string // what the agent had been called for
	src.recorded = func() {
		called, err := os.ReadFile(out)
		if err != nil {
			t.Error(err)
		}
		atRecord = append(atRecord, string(called))
	}
	newAgent(t, `printf '%s ' %T >>"$OUT"`).Run(t.Context(), src)
	if want := []string{"bob ", "bob ann ", "bob ann joe "}; !slices.Equal(atRecord, want) {
		t.Errorf("recorded after the calls for %q, want %q", atRecord, want)
	}
}

// If one call cannot be recorded, no other is made.
func TestNoCallBehindARecordThatFails(t *testing.T) {
	out := outFile(t)
	src := &fakeSource{deliveries: []*queue.Delivery{mail("A1", "bob", "ann"), mail("A2", "joe")}, recordErr: errors.New("no space")}
	newAgent(t, `printf '%s ' %T >>"$OUT"`).Run(t.Context(), src)
	expectFile(t, out, "bob ")
}

func TestOneCallForAllWithoutT(t *testing.T) {
	out := outFile(t)
	src := run(newAgent(t, `echo "$@" >>"$OUT"; exit 75`), mail("A1", "bob", "ann"))
	src.expectLog(t, "next A1", "sending A1", "done A1", "  bob delayed 4.3.0 recipient", "  ann delayed 4.3.0 recipient")
	expectFile(t, out, "bob ann\n")
}

func TestForcedUserGetsOneCall(t *testing.T) {
	out := outFile(t)
	a, err := New(`echo to %T >>"$OUT"`, "me")
	if err != nil {
		t.Fatal(err)
	}
	a.Queue, a.Unread = testQueue, true
	// Their names go nowhere, so they may be anything.
	src := run(a, mail("A1", "bob", "ann@example.org", "-x"))
	src.expectLog(t, "next A1", "sending A1", "done A1",
		"  bob delivered 2.0.0", "  ann@example.org delivered 2.0.0", "  -x delivered 2.0.0")
	expectFile(t, out, "to me\n")
}

func TestSenderIsWhatTheSubmitterSaid(t *testing.T) {
	given, null := "given@example.org", ""
	for _, test := range []struct {
		reversePath *string
		from, want  string
	}{
		{&given, "author@example.org", given},
		{nil, "author@example.org", "author@example.org"},
		{&null, "author@example.org", ""},
		{nil, "", ""},
	} {
		out := outFile(t)
		d := mail("A1", "bob")
		d.Envelope.ReversePath, d.Envelope.From = test.reversePath, test.from
		run(newAgent(t, `printf '<%s>' '%F' >"$OUT"`), d)
		expectFile(t, out, "<"+test.want+">")
	}
}

func TestNamesThatAreRefused(t *testing.T) {
	out := outFile(t)
	src := run(newAgent(t, `echo %T >>"$OUT"`), mail("A1", "-d", "", "a\nb", "a\x00", "a\x7f", "bob"), mail("A2", "--"))
	src.expectLog(t, "next A1", "done A1",
		"  -d failed 5.1.3 recipient", "   failed 5.1.3 recipient", "  a\nb failed 5.1.3 recipient",
		"  a\x00 failed 5.1.3 recipient", "  a\x7f failed 5.1.3 recipient",
		"sending A1 bob", "done A1", "  bob delivered 2.0.0",
		"next A2", "done A2", "  -- failed 5.1.3 recipient")
	expectFile(t, out, "bob\n")
}

// No sender keeps mail from the person it is for. One that looks like an option or would break a
// line is not handed over as an argument.
func TestOddSenders(t *testing.T) {
	for _, test := range []struct{ sender, argument, field string }{
		{"ann@example.org", "ann@example.org", "ann@example.org"},
		{"", "", ""},
		{"-x@example.org", "", "-x@example.org"},
		{"a\nBcc: b", "", ""},
		{"a\x00b", "", ""},
		{"A@example.net.", "A@example.net.", "A@example.net."},
		{"foo bar@example.net", "foo bar@example.net", "foo bar@example.net"},
	} {
		out := outFile(t)
		d := mail("A1", "bob")
		d.Envelope.ReversePath = &test.sender
		run(newAgent(t, `printf '<%s> ' %F >"$OUT"; head -n 1 >>"$OUT"`), d).expectLog(t, "next A1", "sending A1", "done A1", "  bob delivered 2.0.0")
		expectFile(t, out, "<"+test.argument+"> Return-Path: <"+test.field+">\n")
	}
}

// The agent gets a name as the user is called, not as an address has to spell it.
func TestQuotedNames(t *testing.T) {
	for address, want := range map[string]string{
		`"{a..c}"`: "{a..c}", `"a b"`: "a b", `"a\"b\\c"`: `a"b\c`, `""`: "", `"a b"@localhost`: "a b@localhost", "o'brien": "o'brien", `"open`: `"open`, `"open\`: `"open\`,
	} {
		out := outFile(t)
		src := run(newAgent(t, `printf '<%s>%d' %T $# >"$OUT"`), mail("A1", address))
		if want == "" {
			src.expectLog(t, "next A1", "done A1", "  "+address+" failed 5.1.3 recipient")
			continue
		}
		expectFile(t, out, "<"+want+">1")
	}
	run(newAgent(t, `: %T`), mail("A1", `"-x"`, `"a`+"\n"+`b"`)).expectLog(t, "next A1", "done A1", "  \"-x\" failed 5.1.3 recipient", "  \"a\nb\" failed 5.1.3 recipient")
}

// A program that is missing in a pipeline leaves an empty message to those behind it, which say that
// all is well. This is no delivery.
func TestUnreadMessage(t *testing.T) {
	large := &fakeContent{text: strings.Repeat("x\n", 1<<20)}
	for _, test := range []struct{ command, want string }{
		{`exit 0`, "delayed 4.3.0 recipient"},
		{`exec <&-; exit 0`, "delayed 4.3.0 recipient"},
		{`nosuchfilter | cat`, "delayed"}, // the status depends on the shell
		{`nosuchfilter | (cat; exit 0)`, "delayed"},
		{`cat </dev/null`, "delayed 4.3.0 recipient"},
		{`exit 67`, "failed 5.1.1 recipient"},
		{`head -c 1`, "delivered 2.0.0"},
		{`read line`, "delivered 2.0.0"},
		{`exec 4<&0; (sleep 0.2; cat <&4 >/dev/null) & exit 0`, "delivered 2.0.0"},
		{`cat | cat >/dev/null`, "delivered 2.0.0"},
	} {
		for _, content := range []queue.Content{large, mail("A1").Content} {
			d := mail("A1", "bob")
			d.Content = content
			a := newAgent(t, test.command)
			a.Unread = false
			r := run(a, d).reports[0]
			if got := describe(r); !strings.HasPrefix(got, test.want) || r.Unsure {
				t.Errorf("%s: %s, want %s", test.command, got, test.want)
			}
			if test.want == "delayed" && !strings.Contains(r.Text, "nosuchfilter") {
				t.Errorf("%s: %s", test.command, r.Text)
			}
		}
	}
}

func TestDeafAgentIsBelieved(t *testing.T) {
	large := &fakeContent{text: strings.Repeat("x\n", 1<<20)}
	for _, test := range []struct{ command, want string }{
		{`exit 0`, "delivered 2.0.0"},
		{`exec <&-; exit 0`, "delivered 2.0.0"},
		{`exit 67`, "failed 5.1.1 recipient"},
		{`kill -KILL $$`, "delayed 4.3.0 recipient"},
	} {
		d := mail("A1", "bob")
		d.Content = large
		src := run(newAgent(t, test.command), d)
		if got := describe(src.reports[0]); got != test.want {
			t.Errorf("%s: %s, want %s", test.command, got, test.want)
		}
	}
}

func TestDamagedMessageIsNotBegun(t *testing.T) {
	out := outFile(t)
	damaged := mail("A1", "bob", "ann")
	damaged.Content = &fakeContent{text: message, damagedAt: 1}
	src := run(newAgent(t, `echo called %T >>"$OUT"`), damaged, mail("A2", "joe"))
	src.expectLog(t,
		"next A1", "done A1", "  bob delayed 4.3.0 message", "  ann delayed 4.3.0 message",
		"next A2", "sending A2", "done A2", "  joe delivered 2.0.0")
	expectFile(t, out, "called joe\n")
}

// A disk can go bad between the first and the second reading. Then the agent is killed while its
// input is still open, so that it cannot take the part for the whole.
func TestDamageOnTheWayIsNoEnd(t *testing.T) {
	for _, command := range []string{
		`cat >/dev/null; echo end >"$OUT"`,
		`trap '' TERM HUP; cat >/dev/null; echo end >"$OUT"`,
		`(cat >/dev/null; echo end >"$OUT")`,
		`exec 4<&0; (cat <&4 >/dev/null; echo end >"$OUT") & exit 0`,
	} {
		out := outFile(t)
		d := mail("A1", "bob")
		d.Content = &fakeContent{text: message, damagedAt: 2}
		src := run(newAgent(t, command), d)
		r := src.reports[0]
		if r.Action != queue.Delayed || r.Scope != queue.ScopeMessage || !strings.Contains(r.Text, queue.ErrDamaged.Error()) {
			t.Errorf("%s: %s: %s", command, describe(r), r.Text)
		}
		if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the agent saw an end of the message", command)
		}
	}
}

func TestAgentThatDoesNotFinish(t *testing.T) {
	a := newAgent(t, "cat >/dev/null; echo working; sleep 600")
	a.Timeout = 100 * time.Millisecond
	r := run(a, mail("A1", "bob")).reports[0]
	if r.Action != queue.Delayed || r.Status != "4.3.0" || r.Scope != queue.ScopeRecipient ||
		!strings.HasPrefix(r.Text, "the local delivery agent had not finished after 100ms and was stopped") {
		t.Errorf("%s: %s", describe(r), r.Text)
	}
}

func TestAgentIsStoppedWithItsGroup(t *testing.T) {
	for _, command := range []string{
		`sleep 600 & echo ready >&3; wait`,
		`trap '' TERM; echo ready >&3; while :; do sleep 600; done`, // ignores SIGTERM
		`(trap '' TERM; sleep 600) & echo ready >&3; wait`,          // its child does not
		`cat | (echo ready >&3; sleep 600)`,
	} {
		fifo := makeFIFO(t)
		ctx, cancel := context.WithCancel(t.Context())
		src := &fakeSource{deliveries: []*queue.Delivery{mail("A1", "bob", "ann"), mail("A2", "joe")}}
		done := make(chan struct{})
		go func() {
			newAgent(t, fmt.Sprintf("exec 3>'%s'; : %%T; echo last words; %s", fifo, command)).Run(ctx, src)
			close(done)
		}()
		if got := readFIFO(t, fifo, cancel); got != "ready\n" {
			t.Errorf("%s: wrote %q", command, got)
		}
		<-done
		if len(src.reports) != 2 || len(src.deliveries) != 1 {
			t.Fatalf("%s: %q", command, src.log)
		}
		first, second := src.reports[0], src.reports[1]
		if first.Action != queue.Delayed || !strings.HasPrefix(first.Text, "the local delivery agent was stopped: last words") {
			t.Errorf("%s: %s: %s", command, describe(first), first.Text)
		}
		if got := describe(second); got != "delayed 4.3.0 session" {
			t.Errorf("%s: the recipient that was not begun: %s", command, got)
		}
	}
}

// An agent may start a process that outlives it and keeps its output open.
func TestBackgroundIsLeftAlone(t *testing.T) {
	goOn, back := makeFIFO(t), makeFIFO(t)
	src := run(newAgent(t, fmt.Sprintf("{ read word <'%s'; echo $word >'%s'; } & exit 0", goOn, back)), mail("A1", "bob"))
	src.expectLog(t, "next A1", "sending A1", "done A1", "  bob delivered 2.0.0")
	go os.WriteFile(goOn, []byte("alive\n"), 0)
	if got := readFIFO(t, back, func() {}); got != "alive\n" {
		t.Errorf("the background wrote %q", got)
	}
}

func TestOurOwnSetUpEndsTheRun(t *testing.T) {
	a := newAgent(t, `case %T in (bob) exit 0;; esac; /nonexistent/mda`)
	src := run(a, mail("A1", "bob", "ann", "joe"), mail("A2", "bob"))
	src.expectLog(t, "next A1", "sending A1 bob", "done A1", "  bob delivered 2.0.0",
		"sending A1 ann", "done A1", "  ann delayed 4.3.5 identity", "  joe delayed 4.3.5 identity")
	if text := src.reports[1].Text; !strings.Contains(text, "/nonexistent/mda") || !strings.Contains(text, "exit status 127") {
		t.Errorf("text %q", text)
	}
}

func TestProgressThatCannotBeRecorded(t *testing.T) {
	out := outFile(t)
	full := errors.New("no space")
	src := &fakeSource{deliveries: []*queue.Delivery{mail("A1", "bob")}, sendingErr: full}
	newAgent(t, `echo called >"$OUT"`).Run(t.Context(), src)
	src.expectLog(t, "next A1", "sending A1", "done A1", "  bob delayed 4.3.0 session")
	if _, err := os.Stat(out); err == nil {
		t.Error("the agent was called")
	}
	src = &fakeSource{deliveries: []*queue.Delivery{mail("A1", "bob"), mail("A2", "bob")}, recordErr: full}
	newAgent(t, `exit 0`).Run(t.Context(), src)
	src.expectLog(t, "next A1", "sending A1", "done A1", "  bob delivered 2.0.0")
}

func TestSurroundingsOfTheAgent(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := syscall.Dup(int(file.Fd())) // a duplicate stays open on exec
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	for _, command := range []string{
		fmt.Sprintf("test ! -e /dev/fd/%d", fd),
		`test "$(pwd -P)" = "$(cd "$HOME" && pwd -P)"`,
		`test "$PWD" = "$HOME"`,
		`! (: </dev/tty) 2>/dev/null`, // no terminal to ask at
		`echo out && echo err >&2`,
	} {
		if r := run(newAgent(t, command), mail("A1", "bob")).reports[0]; r.Action != queue.Delivered {
			t.Errorf("%s: %s: %s", command, describe(r), r.Text)
		}
	}
	t.Setenv("HOME", home+"/gone")
	if r := run(newAgent(t, `test "$(pwd)" = /`), mail("A1", "bob")).reports[0]; r.Action != queue.Delivered {
		t.Errorf("without a home: %s: %s", describe(r), r.Text)
	}
}

func TestOutputIsShown(t *testing.T) {
	var shown []string
	a := newAgent(t, `echo delivering to %T; echo 'nosuchfilter: not found' >&2`)
	a.Trace = func(line string) { shown = append(shown, line) }
	run(a, mail("A1", "bob", "ann"))
	want := []string{"delivering to bob", "nosuchfilter: not found", "exit status 0", "delivering to ann", "nosuchfilter: not found", "exit status 0"}
	if !slices.Equal(shown, want) {
		t.Errorf("shown: %q", shown)
	}
}
