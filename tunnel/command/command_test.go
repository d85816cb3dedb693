package command

import (
	"strings"
	"testing"
)

func TestCommandArguments(t *testing.T) {
	const ours = "-T|-o|BatchMode=yes|-o|ClearAllForwardings=yes|-o|ControlMaster=no|-W|"
	const limits = "|-o|ConnectTimeout=30|-o|ServerAliveInterval=15|-o|ServerAliveCountMax=3"
	for _, test := range []struct{ line, host, port, want string }{
		{`ssh gw`, "mail.test", "25", "ssh|" + ours + "mail.test:25|gw" + limits},
		{`ssh -p 2222 -i 'my key' me@gw`, "mail.test", "587", "ssh|" + ours + "mail.test:587|-p|2222|-i|my key|me@gw" + limits},
		{`/opt/bin/ssh gw`, "::1", "25", "/opt/bin/ssh|" + ours + "[::1]:25|gw" + limits},
		// The percent signs are ssh's here ...
		{`ssh -o ControlPath=~/.ssh/%h-%p gw`, "m", "25", "ssh|" + ours + "m:25|-o|ControlPath=~/.ssh/%h-%p|gw" + limits},
		{`ssh -S %h -F x gw`, "m", "25", "ssh|" + ours + "m:25|-S|%h|-F|x|gw" + limits},
		{`ssh -oControlPath=%h gw`, "m", "25", "ssh|" + ours + "m:25|-oControlPath=%h|gw" + limits},
		// ... and ours here.
		{`ssh -S %h -W %h:%p gw`, "m", "25", "ssh|-o|ControlMaster=no|-S|%h|-W|m:25|gw"},
		{`ssh -W%h:%p gw`, "::1", "25", "ssh|-o|ControlMaster=no|-W[::1]:25|gw"},
		{`ssh gw 'nc %h %p'`, "m", "25", "ssh|-o|ControlMaster=no|gw|nc m 25"},
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

func TestRemarks(t *testing.T) {
	for line, want := range map[string]string{
		"ssh gw": "", "ssh -i key gw": "", "ncat %h %p": "", "ncat -T x %h %p": "", "socat - TCP:%h:%p": "", "socat -t 10 - TCP:%h:%p": "",
		"nc.openbsd %h %p": "may not notice", "/bin/nc -X 5 -x h:9050 %h %p": "may not notice", "nc -w 3 %h %p": "-w cuts", "nc -w3 %h %p": "-w cuts",
		"ncat -i 5s %h %p": "-i cuts", "ncat --idle-timeout=5 %h %p": "cuts", "socat -T 60 - TCP:%h:%p": "-T cuts",
		"openssl s_client -connect %h:%p": "tls: implicit",
	} {
		c, err := Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.Remarks(), " "); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
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
