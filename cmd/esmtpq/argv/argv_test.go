package argv

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/message"
)

func ptr(s string) *string { return &s }

// Every option in every spelling that some program uses, and what it must mean.
var commandLines = []struct {
	args string // split at blanks; "''" is the empty argument
	want Invocation
}{
	{"bob@x", Invocation{Operands: []string{"bob@x"}}},
	{"-", Invocation{Operands: []string{"-"}}},
	// Programs, as recorded.
	{"-oem -oi -- r@x s@x", Invocation{IgnoreDots: true, Operands: []string{"r@x", "s@x"}}},
	{"-oem -oi -B8BITMIME -f f@x -N failure,delay -R hdrs -- r@x", Invocation{IgnoreDots: true, Body: "8BITMIME", ReversePath: ptr("f@x"), Notify: "FAILURE,DELAY", Return: "HDRS", Operands: []string{"r@x"}}},
	{"-FCronDaemon -i -B8BITMIME -oem root", Invocation{FullName: "CronDaemon", IgnoreDots: true, Body: "8BITMIME", Operands: []string{"root"}}},
	{"-FCronDaemon -odi -oem -or0s root", Invocation{FullName: "CronDaemon", Operands: []string{"root"}}},
	{"-oi -f f@x -oem -odb -t", Invocation{IgnoreDots: true, ReversePath: ptr("f@x"), Extract: true}},
	{"-oi -oA/aliases -oep -odi -t -N never", Invocation{IgnoreDots: true, Extract: true, Notify: "NEVER"}},
	{"-bs -odb -oem -om", Invocation{Mode: SMTP}},
	{"-t -i", Invocation{Extract: true, IgnoreDots: true}},
	{"-ti", Invocation{Extract: true, IgnoreDots: true}},
	{"-itf f@x r@x", Invocation{Extract: true, IgnoreDots: true, ReversePath: ptr("f@x"), Operands: []string{"r@x"}}},
	{"-itff@x", Invocation{Extract: true, IgnoreDots: true, ReversePath: ptr("f@x")}},
	// Envelope sender.
	{"-ff@x r", Invocation{ReversePath: ptr("f@x"), Operands: []string{"r"}}},
	{"-r f@x r", Invocation{ReversePath: ptr("f@x"), Operands: []string{"r"}}},
	{"-f a@x -f b@x r", Invocation{ReversePath: ptr("b@x"), Operands: []string{"r"}}},
	{"-f '' r", Invocation{ReversePath: ptr(""), Operands: []string{"r"}}},
	{"-f <> r", Invocation{ReversePath: ptr("<>"), Operands: []string{"r"}}},
	// Those of msmtp.
	{"-a work r", Invocation{Identity: "work", Operands: []string{"r"}}},
	{"-awork -- r", Invocation{Identity: "work", Operands: []string{"r"}}},
	{"--account=work --read-envelope-from -t", Invocation{Identity: "work", ReadFrom: true, Extract: true}},
	{"--account work --read-recipients", Invocation{Identity: "work", Extract: true}},
	{"--from=f@x --file=c.yaml --debug r", Invocation{ReversePath: ptr("f@x"), Config: "c.yaml", Verbose: true, Operands: []string{"r"}}},
	{"--from f@x --timeout=10 --logfile=log --syslog=on --syslog r", Invocation{ReversePath: ptr("f@x"), Operands: []string{"r"}}},
	{"--dsn-notify=failure,delay --dsn-return=headers --dsn-notify=off --protocol=smtp r", Invocation{Notify: "FAILURE,DELAY", Return: "HDRS", Operands: []string{"r"}}},
	{"--remove-bcc-headers --set-from-header=auto --undisclosed-recipients=off r", Invocation{Operands: []string{"r"}}},
	// Options after operands, and the effect of "--".
	{"r@x -i s@x", Invocation{IgnoreDots: true, Operands: []string{"r@x", "s@x"}}},
	{"r@x -- -i", Invocation{Operands: []string{"r@x", "-i"}}},
	// Modes.
	{"-bm r", Invocation{Operands: []string{"r"}}},
	{"-bp", Invocation{Mode: List}},
	{"-b p", Invocation{Mode: List}},
	{"-bP", Invocation{Mode: Count}},
	{"-bv r", Invocation{Mode: Explain, Operands: []string{"r"}}},
	{"-bi", Invocation{Mode: Newaliases}},
	{"-I", Invocation{Mode: Newaliases}},
	{"-bh", Invocation{Mode: Nothing}},
	{"-bH", Invocation{Mode: Nothing}},
	// Queue runs: -q only takes an attached value.
	{"-q", Invocation{Mode: Run}},
	{"-q r", Invocation{Mode: Run, Operands: []string{"r"}}},
	{"-q15m", Invocation{Mode: Run}},
	{"-q1h30m", Invocation{Mode: Run}},
	{"-qp15m", Invocation{Mode: Run}},
	{"-qf", Invocation{Mode: Run}},
	{"-qIABC", Invocation{Mode: Run, Selections: []Selection{{'I', false, "ABC"}}}},
	{"-qRexample.org -q!Sme", Invocation{Mode: Run, Selections: []Selection{{'R', false, "example.org"}, {'S', true, "me"}}}},
	// The other options with an effect.
	{"-B 7bit r", Invocation{Body: "7BIT", Operands: []string{"r"}}},
	{"-R full r", Invocation{Return: "FULL", Operands: []string{"r"}}},
	{"-V id-1 r", Invocation{EnvelopeID: "id-1", Operands: []string{"r"}}},
	{"-C /rc r", Invocation{Config: "/rc", Operands: []string{"r"}}},
	{"-C/rc r", Invocation{Config: "/rc", Operands: []string{"r"}}},
	{"-L tag r", Invocation{Tag: "tag", Operands: []string{"r"}}},
	{"-v r", Invocation{Verbose: true, Operands: []string{"r"}}},
	{"-X log r", Invocation{Transcript: "log", Operands: []string{"r"}}},
	{"-odq r", Invocation{QueueOnly: true, Operands: []string{"r"}}},
	{"-od q r", Invocation{Operands: []string{"q", "r"}}},
	{"-O DeliveryMode=q r", Invocation{QueueOnly: true, Operands: []string{"r"}}},
	{"-O requiretls=yes r", Invocation{RequireTLS: true, Operands: []string{"r"}}},
	{"-ORequireTLS=Yes -O requiretls=no r", Invocation{Operands: []string{"r"}}},
	{"-ODeliveryMode=background r", Invocation{Operands: []string{"r"}}},
	{"-oitrue r", Invocation{IgnoreDots: true, Operands: []string{"r"}}},
	// Options that are accepted and change nothing.
	{"-Ac -Am -G -U -m -n -s -x -c r", Invocation{Operands: []string{"r"}}},
	{"-d -d9 -D log -e m -em -h 3 -T 5 -p SMTP:host r", Invocation{Operands: []string{"r"}}},
	{"-O QueueDirectory=/tmp -oQ/tmp -o7 -o8 -oo -os -oT -of -oee -oew -oeq -odb -odd r", Invocation{Operands: []string{"r"}}},
}

func TestCommandLines(t *testing.T) {
	for _, tt := range commandLines {
		args := strings.Fields(tt.args)
		for i := range args {
			if args[i] == "''" {
				args[i] = ""
			}
		}
		got, err := Parse(args)
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
		_, err := Parse(args)
		if exit.Code(err) != exit.Usage {
			t.Errorf("sendmail %q: exit code %d (%v), want %d", args, exit.Code(err), err, exit.Usage)
		}
	}
}

// Each letter is in the table once, and is in the help and in the manual page.
func TestOptionsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/sendmail.1")
	if err != nil {
		t.Fatal(err)
	}
	_, items, ok := strings.Cut(string(page), ".Sh OPTIONS")
	if !ok {
		t.Fatal("docs/sendmail.1 has no section OPTIONS")
	}
	items, _, _ = strings.Cut(items, "\n.Sh ")
	var seen []byte
	for _, opt := range options {
		if slices.Contains(seen, opt.Letter) {
			t.Errorf("-%c stands in the table twice", opt.Letter)
		}
		seen = append(seen, opt.Letter)
		if !strings.Contains(Help(), fmt.Sprintf("\n  -%c", opt.Letter)) && opt.Letter != options[0].Letter {
			t.Errorf("-%c is not in the help", opt.Letter)
		}
		item := fmt.Sprintf("\n.It Fl %c", opt.Letter)
		if !strings.Contains(items, item+"\n") && !strings.Contains(items, item+" ") {
			t.Errorf("docs/sendmail.1 has no item for -%c", opt.Letter)
		}
	}
}

// A value of an option asks for nothing, whichever option it is.
func TestValuesAskForNothing(t *testing.T) {
	for _, opt := range options {
		for _, args := range [][]string{
			{"-" + string(opt.Letter), "--help", "r@x"},
			{"-i" + string(opt.Letter), "--help", "r@x"},
			{"r@x", "-" + string(opt.Letter), "--help"},
		} {
			if asks := AsksHelp(args); asks != (opt.value != needsValue) {
				t.Errorf("sendmail %q asks for help: %t", args, asks)
			}
		}
	}
	for line, want := range map[string]bool{
		"-f --help --help": true, "-f -- --help": true, "-f -f --help": true, "-fx --help": true, "-Zf --help": true,
		"--to --help last": false, "--to=x --help last": true, "-- --help": false, "-f -h": false, "-h": true, "--help": true,
		"-i -h": false, "- --help": true, "-f": false,
	} {
		if asks := AsksHelp(strings.Fields(line), "--to"); asks != want {
			t.Errorf("%s asks for help: %t", line, asks)
		}
	}
}

func FuzzCommandLine(f *testing.F) {
	for _, tt := range commandLines {
		f.Add(strings.ReplaceAll(tt.args, " ", "\x00"))
	}
	f.Fuzz(func(t *testing.T, joined string) {
		inv, err := Parse(strings.Split(joined, "\x00"))
		if err != nil && exit.Code(err) != exit.Usage {
			t.Errorf("%q: exit code %d", joined, exit.Code(err))
		}
		if err == nil && message.HasControl(inv.FullName) {
			t.Errorf("%q: a full name with control characters", joined)
		}
	})
}
