package main

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func ptr(s string) *string { return &s }

// Every option in every spelling that some program uses; what it must come to.
var commandLines = []struct {
	args string // split at blanks; "''" is the empty argument
	want invocation
}{
	{"bob@x", invocation{operands: []string{"bob@x"}}},
	{"-", invocation{operands: []string{"-"}}},
	// Programs, as recorded.
	{"-oem -oi -- r@x s@x", invocation{ignoreDots: true, operands: []string{"r@x", "s@x"}}},
	{"-oem -oi -B8BITMIME -f f@x -N failure,delay -R hdrs -- r@x", invocation{ignoreDots: true, body: "8BITMIME", reversePath: ptr("f@x"), notify: "FAILURE,DELAY", ret: "HDRS", operands: []string{"r@x"}}},
	{"-FCronDaemon -i -B8BITMIME -oem root", invocation{fullName: "CronDaemon", ignoreDots: true, body: "8BITMIME", operands: []string{"root"}}},
	{"-FCronDaemon -odi -oem -or0s root", invocation{fullName: "CronDaemon", operands: []string{"root"}}},
	{"-oi -f f@x -oem -odb -t", invocation{ignoreDots: true, reversePath: ptr("f@x"), extract: true}},
	{"-oi -oA/aliases -oep -odi -t -N never", invocation{ignoreDots: true, extract: true, notify: "NEVER"}},
	{"-bs -odb -oem -om", invocation{mode: modeSMTP}},
	{"-t -i", invocation{extract: true, ignoreDots: true}},
	{"-ti", invocation{extract: true, ignoreDots: true}},
	{"-itf f@x r@x", invocation{extract: true, ignoreDots: true, reversePath: ptr("f@x"), operands: []string{"r@x"}}},
	{"-itff@x", invocation{extract: true, ignoreDots: true, reversePath: ptr("f@x")}},
	// Envelope sender.
	{"-ff@x r", invocation{reversePath: ptr("f@x"), operands: []string{"r"}}},
	{"-r f@x r", invocation{reversePath: ptr("f@x"), operands: []string{"r"}}},
	{"-f a@x -f b@x r", invocation{reversePath: ptr("b@x"), operands: []string{"r"}}},
	{"-f '' r", invocation{reversePath: ptr(""), operands: []string{"r"}}},
	{"-f <> r", invocation{reversePath: ptr("<>"), operands: []string{"r"}}},
	// Options behind operands, and what "--" does about it.
	{"r@x -i s@x", invocation{ignoreDots: true, operands: []string{"r@x", "s@x"}}},
	{"r@x -- -i", invocation{operands: []string{"r@x", "-i"}}},
	// What is done.
	{"-bm r", invocation{operands: []string{"r"}}},
	{"-bp", invocation{mode: modeList}},
	{"-b p", invocation{mode: modeList}},
	{"-bP", invocation{mode: modeCount}},
	{"-bv r", invocation{mode: modeExplain, operands: []string{"r"}}},
	{"-bi", invocation{mode: modeNewaliases}},
	{"-I", invocation{mode: modeNewaliases}},
	{"-bh", invocation{mode: modeNothing}},
	{"-bH", invocation{mode: modeNothing}},
	// Queue runs: -q takes an attached value alone.
	{"-q", invocation{mode: modeRun}},
	{"-q r", invocation{mode: modeRun, operands: []string{"r"}}},
	{"-q15m", invocation{mode: modeRun}},
	{"-q1h30m", invocation{mode: modeRun}},
	{"-qp15m", invocation{mode: modeRun}},
	{"-qf", invocation{mode: modeRun}},
	{"-qIABC", invocation{mode: modeRun, selections: []selection{{'I', false, "ABC"}}}},
	{"-qRexample.org -q!Sme", invocation{mode: modeRun, selections: []selection{{'R', false, "example.org"}, {'S', true, "me"}}}},
	// The rest that does something.
	{"-B 7bit r", invocation{body: "7BIT", operands: []string{"r"}}},
	{"-R full r", invocation{ret: "FULL", operands: []string{"r"}}},
	{"-V id-1 r", invocation{envid: "id-1", operands: []string{"r"}}},
	{"-C /rc r", invocation{config: "/rc", operands: []string{"r"}}},
	{"-C/rc r", invocation{config: "/rc", operands: []string{"r"}}},
	{"-L tag r", invocation{tag: "tag", operands: []string{"r"}}},
	{"-v r", invocation{verbose: true, operands: []string{"r"}}},
	{"-X log r", invocation{transcript: "log", operands: []string{"r"}}},
	{"-odq r", invocation{queueOnly: true, operands: []string{"r"}}},
	{"-od q r", invocation{operands: []string{"q", "r"}}},
	{"-O DeliveryMode=q r", invocation{queueOnly: true, operands: []string{"r"}}},
	{"-ODeliveryMode=background r", invocation{operands: []string{"r"}}},
	{"-oitrue r", invocation{ignoreDots: true, operands: []string{"r"}}},
	// What is accepted and changes nothing.
	{"-Ac -Am -G -U -m -n -s -x -c r", invocation{operands: []string{"r"}}},
	{"-d -d9 -D log -e m -em -h 3 -T 5 -p SMTP:host r", invocation{operands: []string{"r"}}},
	{"-O QueueDirectory=/tmp -oQ/tmp -o7 -o8 -oo -os -oT -of -oee -oew -oeq -odb -odd r", invocation{operands: []string{"r"}}},
}

func TestCommandLines(t *testing.T) {
	for _, tt := range commandLines {
		args := strings.Fields(tt.args)
		for i := range args {
			if args[i] == "''" {
				args[i] = ""
			}
		}
		got, err := parseSendmail(args)
		if err != nil {
			t.Errorf("sendmail %s: %v", tt.args, err)
			continue
		}
		if !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("sendmail %s:\ngot  %+v\nwant %+v", tt.args, *got, tt.want)
		}
	}
}

func TestCommandLinesRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-Z"}, {"-iZ", "r"}, {"-\xff"}, {"-E"}, {"-J"}, {"-M", "x"}, {"-Q"},
		{"-f"}, {"-t", "-F"}, {"-C", ""},
		{"-ba"}, {"-bC"}, {"-bd"}, {"-bD"}, {"-bl"}, {"-bt"}, {"-bq"}, {"-bz"}, {"-b"},
		{"-B", "9bit", "r"}, {"-N", "sometimes", "r"}, {"-N", "never,success", "r"}, {"-N", "", "r"}, {"-R", "half", "r"},
		{"-V", "", "r"}, {"-V", "a\nb", "r"}, {"-V", "\xe9", "r"}, {"-V", strings.Repeat("x", 101), "r"},
		{"-h", "many"}, {"-F", "a\nBcc: x", "r"}, {"-F", "a\x1b[2J", "r"},
		{"-qX"}, {"-qI"}, {"-q!"}, {"-qG"}, {"-qL"}, {"-qQ"}, {"-q15"[:2] + "x"},
	} {
		_, err := parseSendmail(args)
		if exitCode(err) != exUsage {
			t.Errorf("sendmail %q: exit code %d (%v), want %d", args, exitCode(err), err, exUsage)
		}
	}
}

// Each letter stands in the table once, in the help, and in the manual page.
func TestOptionsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/sendmail.1")
	if err != nil {
		t.Fatal(err)
	}
	_, options, ok := strings.Cut(string(page), ".Sh OPTIONS")
	if !ok {
		t.Fatal("docs/sendmail.1 has no section OPTIONS")
	}
	options, _, _ = strings.Cut(options, "\n.Sh ")
	var seen []byte
	for _, opt := range sendmailOptions {
		if slices.Contains(seen, opt.letter) {
			t.Errorf("-%c stands in the table twice", opt.letter)
		}
		seen = append(seen, opt.letter)
		if !strings.Contains(optionHelp(), fmt.Sprintf("\n  -%c", opt.letter)) && opt.letter != sendmailOptions[0].letter {
			t.Errorf("-%c is not in the help", opt.letter)
		}
		item := fmt.Sprintf("\n.It Fl %c", opt.letter)
		if !strings.Contains(options, item+"\n") && !strings.Contains(options, item+" ") {
			t.Errorf("docs/sendmail.1 has no item for -%c", opt.letter)
		}
	}
}

// Each verb has help, and the manual page names it.
func TestVerbsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/esmtpq.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verbs() {
		if v.help == "" || v.run == nil {
			t.Errorf("verb %s has no help or does nothing", v.name)
		}
		if !strings.Contains(string(page), v.name) {
			t.Errorf("docs/esmtpq.1 does not name %s", v.name)
		}
	}
}

func FuzzCommandLine(f *testing.F) {
	for _, tt := range commandLines {
		f.Add(strings.ReplaceAll(tt.args, " ", "\x00"))
	}
	f.Fuzz(func(t *testing.T, joined string) {
		inv, err := parseSendmail(strings.Split(joined, "\x00"))
		if err != nil && exitCode(err) != exUsage {
			t.Errorf("%q: exit code %d", joined, exitCode(err))
		}
		if err == nil && hasControl(inv.fullName) {
			t.Errorf("%q: a full name with control characters", joined)
		}
	})
}
