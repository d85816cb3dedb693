package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"esmtpq/tests/stage"
)

// Texts that callers put into arguments, headers and names in the hope that they become commands.

// evilTexts are those texts; pwned is a file that none of them may make.
var evilTexts = []string{
	"\r\nRCPT TO:<evil@example.net>", "\nRCPT TO:<evil@example.net>", "\rRCPT TO:<evil@example.net>",
	"a@example.net\r\nRCPT TO:<evil@example.net>", "a@example.net\nBcc: evil@example.net", "a@example.net\rBcc: evil@example.net",
	"a@example.net> RCPT TO:<evil@example.net", "a@example.net>\r\nDATA\r\n.\r\n", "<a@example.net> SIZE=1", "a@example.net SIZE=1", "a@example.net>SIZE=1",
	"a@example.net NOTIFY=NEVER", "a@example.net\tORCPT=rfc822;evil@example.net", "<<a@example.net>>", "a@example.net,evil@example.net>",
	`"a\r\nRCPT TO:<evil@example.net>"@example.net`, "\"a\r\n\"@example.net", "\"a\x01b\"@example.net", `"a> RCPT TO:<evil@example.net"@example.net`,
	"a@[127.0.0.1]", "a@[127.0.0.1\r\n]", "a@example.net\x1b]0;owned\x07", "a\x7f@example.net", "a\u202eb@example.net", "\xff\xfe@example.net",
	"-oQ/tmp/pwned", "-Xpwned", "-X/tmp", "-C/etc/passwd", "-be", "--", "-", "", " ", "@", "@example.net", "a@", "a@@b", ".@.", "a@b..c",
	"$(touch pwned)", "`touch pwned`", "a;touch pwned", "a|touch pwned", "|touch pwned", `"|touch pwned"`, "a' touch pwned '", `"a\" ; touch pwned ; \""`,
	`"$(touch pwned)"@example.net`, "$(touch${IFS}pwned)@example.net", "../../../pwned", "/pwned", ":include:/etc/passwd", "%s%n%s", "${HOME}", "~root",
	strings.Repeat("a", 64<<10) + "@example.net", "a@" + strings.Repeat("b.", 32<<10) + "net", `"` + strings.Repeat("a", 64<<10), strings.Repeat("(", 64<<10), strings.Repeat("<", 10<<10),
}

// evilPlaces are the places for such a text, which replaces %s in an argument.
var evilPlaces = [][]string{
	{"-f", "%s", "friend@example.net"}, {"-r", "%s", "friend@example.net"}, {"-f%s", "friend@example.net"},
	{"-F", "%s", "friend@example.net"}, {"-N", "%s", "friend@example.net"}, {"-V", "%s", "friend@example.net"},
	{"-R", "%s", "friend@example.net"}, {"-B", "%s", "friend@example.net"}, {"-L", "%s", "friend@example.net"},
	{"-h", "%s", "friend@example.net"}, {"-O", "%s", "friend@example.net"}, {"-o", "%s", "friend@example.net"}, {"-p", "%s", "friend@example.net"},
	{"-b", "%s", "friend@example.net"}, {"-q%s"}, {"-C", "%s", "friend@example.net"}, {"-X", "%s", "friend@example.net"},
	{"--", "%s"}, {"friend@example.net", "%s"}, {"%s"},
}

// The only commands that a host may hear.
var heardInOrder = regexp.MustCompile(`^(EHLO \S+|STARTTLS|DATA|RSET|QUIT|` +
	`MAIL FROM:<` + aPath + `?>( (SIZE=\d+|BODY=(7BIT|8BITMIME)|SMTPUTF8|RET=(FULL|HDRS)|ENVID=[!-~]+))*|` +
	`RCPT TO:<` + aPath + `>( (NOTIFY=[A-Z,]+|ORCPT=(rfc822|utf-8);[!-~]+))*)$`)

// aPath is a local part, which may be in quotes and then contain almost anything, and a domain.
const aPath = `(("([^"\\\x00-\x1f]|\\[ -~])*"|[^<>"\x00- ]+)(@[^<>"\x00- ]+)?)`

// An evilArgument is one command line with its header.
type evilArgument struct {
	place, text string
	args        []string
	message     string
}

func evilArguments() []evilArgument {
	var list []evilArgument
	for _, place := range evilPlaces {
		for i, text := range evilTexts {
			args := []string{"-i"}
			for _, arg := range place {
				args = append(args, strings.ReplaceAll(arg, "%s", text))
			}
			list = append(list, evilArgument{strings.Join(place, " "), fmt.Sprint(i), args, "Subject: honest\n\ntext\n"})
		}
	}
	for _, field := range []string{"To", "Cc", "Bcc", "From", "Sender", "Subject", "Message-ID", "Date"} {
		for i, text := range evilTexts {
			message := "To: friend@example.net\n" + field + ": " + text + "\nX-Next: field\n\ntext\n"
			list = append(list, evilArgument{field, fmt.Sprint(i), []string{"-t", "-i"}, message})
		}
	}
	return list
}

// evilCommandLines calls sendmail with each text in each place. sendmail may refuse. Mail that it
// takes must only go to people who were named, and the host may only hear the commands that a
// message needs.
func evilCommandLines(t *testing.T, fig *hostileFigures) {
	host := newHostileHost(t, "PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10000000", "DSN")
	mda := `cat >>mailbox; printf '%s|' %T %F >>names; touch ran`
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr, "mda = '"+strings.ReplaceAll(mda, "'", `"`)+"'")
	work := me.Path("so/deep/that/dots/stay/inside")
	if err := os.MkdirAll(work, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove("/pwned") }) // a transcript, which root may write anywhere
	all := evilArguments()
	sideBySide(t, 4, all, func(e evilArgument) string { return e.place + "/" + e.text }, func(t *testing.T, e evilArgument) {
		fig.arguments.Add(1)
		cmd := me.Command("sendmail", e.args...)
		cmd.Dir = work
		r := stage.Finish(t, cmd, e.message)
		showsPrintable(t, r.Stderr+r.Stdout)
		if len(r.Stderr) > 5000 {
			t.Errorf("sendmail says %d octets", len(r.Stderr))
		}
		if r.Code != 0 && !strings.HasSuffix(r.Stderr, "\n") {
			t.Errorf("refused in silence: %+v", r)
		}
	})
	onlyTranscripts(t, work)
	listing := me.Run("", "mailq")
	r := me.Try("", "deliver")
	showsPrintable(t, listing+r.Stdout+r.Stderr+me.Run("", "mailq"))
	if stage.Exists(me.Path("pwned")) || stage.Exists("pwned") {
		t.Error("a text became a command")
	}
	if !stage.Exists(me.Path("ran")) {
		t.Error("the MDA never ran")
	}
	host.settle()
	nothingEvil(t, host)
}

// onlyTranscripts checks that nothing was made in a directory except the files that -X asks for.
func onlyTranscripts(t *testing.T, dir string) {
	t.Helper()
	left, _ := filepath.Glob(dir + "/*")
	for _, file := range left {
		// -X makes its file, if the caller may.
		if st, err := os.Lstat(file); err != nil || !st.Mode().IsRegular() || st.Size() > 0 && !strings.Contains(stage.Read(t, file), " > QUIT") {
			t.Errorf("%q was made", file)
		}
	}
}

// nothingEvil checks what a host was told and given.
func nothingEvil(t *testing.T, host *hostileHost) {
	t.Helper()
	for _, line := range host.heard {
		if !heardInOrder.MatchString(line) {
			t.Errorf("the host was told %.200q", line)
		}
		if line == "RCPT TO:<evil@example.net>" {
			t.Error("mail went to somebody who was not named")
		}
	}
	for _, m := range host.mails() {
		strictWire(t, m, false)
		if header, _, _ := strings.Cut(m.content, "\r\n\r\n"); strings.Contains("\r\n"+header, "\r\nBcc:") {
			t.Errorf("a blind copy shows in %.300q", header)
		}
	}
}

// transcriptPaths: -X only appends to a regular file of its caller.
func transcriptPaths(t *testing.T, fig *hostileFigures) {
	host := newHostileHost(t)
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
	me.Write("victim", "precious\n")
	if err := os.Symlink("victim", me.Path("link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(me.Path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"link", "fifo", ".", "/dev/null", "/dev/tty", "no/such/directory", ".esmtp_queue"} {
		fig.arguments.Add(1)
		r := me.Try("text\n", "sendmail", "-i", "-X", path, "friend@example.net")
		if r.Code != 73 || !stage.OneLine(r.Stderr) {
			t.Errorf("-X %s: %+v, want 73", path, r)
		}
		if r := me.Try("", "deliver", "-X", path); r.Code != 73 && me.Run("", "mailq", "--count") != "0\n" {
			t.Errorf("deliver -X %s: %+v, want 73", path, r)
		}
	}
	if text := stage.Read(t, me.Path("victim")); text != "precious\n" {
		t.Errorf("the file behind the link holds %q", text)
	}
	if n := len(host.mails()); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
}

// crowdedEnvelope: a hundred thousand recipients, in a header and as arguments, take no more time
// and memory than their number explains; more are refused.
func crowdedEnvelope(t *testing.T, fig *hostileFigures) {
	host := newHostileHost(t, "PIPELINING")
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
	bcc := func(n int) string {
		var b strings.Builder
		b.WriteString("Subject: to all\nBcc: first@example.net")
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, ",\n u%d@example.net", i)
		}
		return b.String() + "\n\ntext\n"
	}
	if r := me.Try(bcc(100_001), "sendmail", "-t"); r.Code == 0 || !stage.OneLine(r.Stderr) {
		t.Errorf("100001 recipients: %+v", r)
	}
	if r := staysSmaller(me, me.Command("sendmail", "-t"), bcc(100_000), 256<<10); r.Code != 0 {
		t.Fatalf("100000 recipients: %+v", r)
	}
	// 230 MB; on a busy machine the collector comes later.
	if r := staysSmaller(me, me.Command("deliver"), "", 384<<10); r.Code != 0 {
		t.Errorf("deliver: %+v", r)
	}
	copies := host.copies()
	if len(copies) != 100_000 {
		t.Errorf("%d recipients got it", len(copies))
	}
	for to, n := range copies {
		if n != 1 {
			t.Errorf("%s got %d copies", to, n)
		}
	}
	fig.arguments.Add(2)
}
