package command

import (
	"strings"
	"testing"
)

func TestCommandArguments(t *testing.T) {
	const ours = "-T|-o|BatchMode=yes|-o|ClearAllForwardings=yes|-W|"
	for _, test := range []struct{ line, host, port, want string }{
		{`ssh gw`, "mail.test", "25", "ssh|" + ours + "mail.test:25|gw"},
		{`ssh -p 2222 -i 'my key' me@gw`, "mail.test", "587", "ssh|" + ours + "mail.test:587|-p|2222|-i|my key|me@gw"},
		{`/opt/bin/ssh gw`, "::1", "25", "/opt/bin/ssh|" + ours + "[::1]:25|gw"},
		// The percent signs are ssh's here ...
		{`ssh -o ControlPath=~/.ssh/%h-%p gw`, "m", "25", "ssh|" + ours + "m:25|-o|ControlPath=~/.ssh/%h-%p|gw"},
		{`ssh -S %h -F x gw`, "m", "25", "ssh|" + ours + "m:25|-S|%h|-F|x|gw"},
		{`ssh -oControlPath=%h gw`, "m", "25", "ssh|" + ours + "m:25|-oControlPath=%h|gw"},
		// ... and ours here.
		{`ssh -S %h -W %h:%p gw`, "m", "25", "ssh|-S|%h|-W|m:25|gw"},
		{`ssh -W%h:%p gw`, "::1", "25", "ssh|-W[::1]:25|gw"},
		{`ssh gw 'nc %h %p'`, "m", "25", "ssh|gw|nc m 25"},
		{`nc -X 5 -x localhost:9050 %h %p`, "m.test", "25", "nc|-X|5|-x|localhost:9050|m.test|25"},
		{`nc -o %h %p`, "::1", "smtp", "nc|-o|::1|smtp"},
		{`connect %s %% [%h]:%p %h`, "::1", "25", "connect|%s|%%|[::1]:25|::1"},
		{`fixed --port %p`, "m", "25", "fixed|--port|25"},
	} {
		c, err := Parse(test.line)
		if err != nil {
			t.Errorf("Parse(%q): %v", test.line, err)
			continue
		}
		argv, err := c.Argv(test.host, test.port)
		if got := strings.Join(argv, "|"); err != nil || got != test.want {
			t.Errorf("%q to %s port %s runs %s, %v, want %s", test.line, test.host, test.port, got, err, test.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{``, "no command"},
		{`  `, "no command"},
		{`ssh`, "needs the host"},
		{`ssh 'gw`, "never closed"},
		{`nc mail.test 25`, "%h and %p"},
		{`sshx gw`, "neither ssh"},
		{`"" gw`, "neither ssh"},
	} {
		c, err := Parse(test.line)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Parse(%q) = %v, %v, want an error with %q", test.line, c, err, test.want)
		}
	}
}

func TestHostsThatAreNone(t *testing.T) {
	c, err := Parse("nc %h %p")
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range [][2]string{{"", "25"}, {"m", ""}, {"-e", "25"}, {"m", "-1"}, {"a b", "25"}, {"a\nb", "25"}, {"a\x00", "25"}} {
		if argv, err := c.Argv(addr[0], addr[1]); err == nil {
			t.Errorf("host %q port %q: would run %q", addr[0], addr[1], argv)
		}
	}
}
