package hostile

import (
	"bufio"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// What a host may say in place of a reply.
var hostileActs = []struct {
	name, script string
	yes          bool // in place of a 2xx it counts as consent
}{
	{"close", "! close", false},
	{"reset", "! reset", false},
	{"silence", "! hang", false},
	{"slow", "! trickle", false},
	{"421", "S: 421 4.3.2 closing\n! close", false},
	{"4xx", "S: 451 4.3.0 not now", false},
	{"5xx", "S: 554 5.3.0 never", false},
	{"garbage", "S: +OK POP3 ready\n! hang", false},
	{"empty lines", `S" "\r\n\r\n\r\n"` + "\n! hang", false},
	{"NUL", `S" "250 o\x00k\r\n"` + "\n! hang", false},
	{"bare LF", `S" "250 ok\n"` + "\n! close", true},
	{"200 MB", "! flood", false},
	{"200 MB in a line", "! line", false},
	{"endless", `S" "250-so\r\n250-it\r\n250-goes\r\n"` + "\n! trickle", false},
	{"mixed codes", "S: 250-ok\nS: 550 no\n! hang", false},
	{"half a line", `S" "25"` + "\n! close", false},
	{"half a reply", "S: 250-ok\n! close", false},
	{"no such code", "S: 999 hm\n! hang", false},
	{"another's code", "S: 221 2.0.0 bye\n! close", true},
	{"354 for nothing", "S: 354 go on\n! hang", false},
	{"escapes", `S" "451 \x1b]0;owned\x07\x1b[2J\x9b31m\xe2\x80\xaetxt\r\n"` + "\n! close", false},
	{"more than asked", `S" "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n"` + "\n! close", true},
}

// The steps at which it does so. Within a transaction, it does so to one message: the others must
// go out in the same run.
var hostileSteps = []struct {
	name   string
	offers []string // extensions besides AUTH, with each of which the step is tried
}{
	{"greeting", []string{""}}, {"EHLO", []string{""}}, {"AUTH", []string{""}}, {"QUIT", []string{""}},
	{"MAIL", []string{"", "PIPELINING"}},
	{"RCPT", []string{"", "PIPELINING"}},
	{"DATA", []string{"", "PIPELINING"}},
	{"final", []string{"", "PIPELINING", "PIPELINING CHUNKING"}},
}

type hostileCase struct {
	step, act, script string
	only              string // reverse-path of the one message that the host is hostile to
	offers            string
	logins            int // logins that a run may try
}

func (c hostileCase) String() string {
	return strings.TrimSpace(strings.ToLower(c.offers)+" "+c.step) + "/" + c.act
}

// The messages of every such test: three through the hostile host and one through another.
var hostileMessages = []struct {
	from string
	to   []string
}{
	{"m1@example.org", []string{"a1@example.net", "b1@example.net"}},
	{"m2@example.org", []string{"a2@example.net"}},
	{"m3@example.org", []string{"a3@example.net"}},
	{"other@example.com", []string{"friend@example.net"}},
}

// hostileReplies makes a host say each of these at each step.
func hostileReplies(t *testing.T, fig *hostileFigures) {
	template := queuedMessages(t)
	sideBySide(t, 12, hostileCases(), hostileCase.String, func(t *testing.T, c hostileCase) {
		fig.dialogues.Add(1)
		surviveReplies(t, template, c)
	})
}

func hostileCases() []hostileCase {
	const first = "m1@example.org"
	cases := []hostileCase{
		{"EHLO", "nothing offered", "S: 250 smarthost.test", "", "", 0},
		{"EHLO", "not implemented", "S: 502 5.5.1 what?", "", "", 0},
		{"AUTH", "endless challenges", "! challenge", "", "", 2},
		{"AUTH", "wrong password", "S: 535 5.7.8 no", "", "", 2},
		{"AUTH", "no base64", "S: 334 \x01\x02!!\n! hang", "", "", 2},
		{"DATA", "250 instead of 354", "S: 250 ok", first, "", 3},
		{"DATA", "250 instead of 354", "S: 250 ok", first, "PIPELINING", 3},
		{"DATA", "accepted in advance", `S" "354 go on\r\n250 2.0.0 taken\r\n"` + "\n! hang", first, "", 3},
		{"DATA", "accepted in advance", `S" "354 go on\r\n250 2.0.0 taken\r\n"` + "\n! hang", first, "PIPELINING", 3},
		{"final", "taken, and more", "! take\n" + `S" "250 taken\r\n250 and more\r\n"` + "\n! close", first, "", 3},
	}
	for _, st := range hostileSteps {
		for _, act := range hostileActs {
			for _, offers := range st.offers {
				c := hostileCase{st.name, act.name, act.script, first, offers, 3}
				switch st.name {
				case "greeting", "EHLO", "QUIT":
					c.only = ""
				case "RCPT":
					c.logins = 4 // of two recipients each may end a session, and one is tried alone
				case "AUTH":
					c.only = ""
					if !act.yes {
						c.logins = 2 // one more would bring the login nearer to being locked
					}
				case "final":
					if act.yes {
						c.script = "! take\n" + c.script
					}
					if act.name == "more than asked" && strings.Contains(offers, "CHUNKING") {
						continue // the host has been asked by then, and a lie is as good as an answer
					}
				}
				cases = append(cases, c)
			}
		}
	}
	return cases
}

// queuedMessages returns a queue directory that sendmail has filled with hostileMessages.
func queuedMessages(t *testing.T) string {
	me := stage.NewPerson(t)
	configureHostile(me, "127.0.0.1:1", "127.0.0.1:1", "tls: off")
	for _, m := range hostileMessages {
		me.Run("Subject: from "+m.from+"\n\n.text\n", "sendmail", append([]string{"-i", "-f", m.from, "--"}, m.to...)...)
	}
	return me.Path(".esmtp_queue")
}

// configureHostile writes a configuration of an identity for example.org and of another.
func configureHostile(p *stage.Person, hostile, other string, settings ...string) {
	p.Write(".config/esmtpq/config.yaml", fmt.Sprintf(`
identities:
- name: hostile
  match: ["*@example.org"]
  host: %s
  username: me
  password: %s
  %s
- name: other@example.com
  host: %s
  tls: off
`, hostile, canary, strings.Join(settings, "\n  "), other))
}

// canary is everybody's password here: it must not show anywhere.
const canary = "kumquat-9317"

// takeQueue gives the person a copy of a queue.
func takeQueue(p *stage.Person, template string) {
	p.T.Helper()
	err := filepath.WalkDir(template, func(file string, d fs.DirEntry, err error) error {
		to := p.Path(".esmtp_queue") + strings.TrimPrefix(file, template)
		if err != nil || d.IsDir() {
			return errorOr(err, func() error { return os.Mkdir(to, 0o700) })
		}
		b, err := os.ReadFile(file)
		return errorOr(err, func() error { return os.WriteFile(to, b, 0o600) })
	})
	if err != nil {
		p.T.Fatal(err)
	}
	p.Run("", "esmtpq", "adopt") // or the copies would be held
}

func errorOr(err error, f func() error) error {
	if err != nil {
		return err
	}
	return f()
}

// surviveReplies plays one case: a run while the host is hostile, and one when it is good again.
func surviveReplies(t *testing.T, template string, c hostileCase) {
	bad, other := newHostileHost(t, append(strings.Fields(c.offers), "AUTH PLAIN LOGIN")...), newHostileHost(t)
	me := stage.NewPerson(t)
	configureHostile(me, bad.addr, other.addr, "tls: off")
	takeQueue(me, template)
	bad.attack(c.step, c.script, c.only)

	said := deliverBounded(me)
	bad.settle()
	if n := other.copies()["friend@example.net"]; n != 1 {
		t.Errorf("the mail of the other identity arrived %d times in the same run", n)
	}
	// If chunks are sent back to back, the messages behind a lost one are in doubt and wait for
	// the next run.
	if c.only != "" && !strings.Contains(c.offers, "CHUNKING") {
		for _, to := range []string{"a2@example.net", "a3@example.net"} {
			if n := bad.copies()[to]; n != 1 {
				t.Errorf("%s got %d copies while the host was hostile to another message", to, n)
			}
		}
	}
	if bad.played == 0 {
		t.Error("nothing came to the stage")
	}
	if bad.auths > c.logins {
		t.Errorf("%d logins in one run: %q", bad.auths, bad.heard)
	}
	queue := me.Run("", "mailq")
	showsPrintable(t, said+queue+me.Run("", "esmtpq", "show", "all"))
	bad.attack("", "", "")
	hasOneCopyEach(me, bad, other)
}

// deliverBounded runs deliver and returns its output; deliver must end by itself and stay small.
func deliverBounded(p *stage.Person) string {
	p.T.Helper()
	cmd := p.Command("deliver")
	cmd.Env = append(cmd.Env, "ESMTPQ_TIMEOUT=1s")
	r := staysSmall(p, cmd, "")
	if r.Code != 0 && r.Code != 75 {
		p.T.Errorf("deliver: exit %d, %q", r.Code, r.Stderr)
	}
	return r.Stdout + r.Stderr
}

// staysSmall runs a command to its end and checks how much memory it takes meanwhile. Its rusage
// does not show that: the peak there begins with that of the process that it was forked from.
func staysSmall(p *stage.Person, cmd *exec.Cmd, stdin string) stage.Result {
	p.T.Helper()
	return staysSmaller(p, cmd, stdin, 64<<10)
}

// staysSmaller is staysSmall with a limit of its own, in KB.
func staysSmaller(p *stage.Person, cmd *exec.Cmd, stdin string, most int) stage.Result {
	p.T.Helper()
	peak, stop := make(chan int), make(chan struct{})
	in, out, err := os.Pipe()
	if err != nil {
		p.T.Fatal(err)
	}
	defer in.Close()
	// The shell prints its process ID, which exec keeps.
	sh := exec.Command("/bin/sh", append([]string{"-c", `echo $$ >&3; exec "$0" "$@" 3>&-`, cmd.Path}, cmd.Args[1:]...)...)
	sh.Dir, sh.Env, sh.ExtraFiles = cmd.Dir, cmd.Env, []*os.File{out}
	go func() {
		pid, _ := bufio.NewReader(in).ReadString('\n')
		highest := 0
		for {
			status, _ := os.ReadFile("/proc/" + strings.TrimSpace(pid) + "/status")
			_, hwm, _ := strings.Cut(string(status), "VmHWM:")
			kb := 0
			fmt.Sscan(hwm, &kb)
			highest = max(highest, kb)
			select {
			case <-stop:
				peak <- highest
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	r := stage.Finish(p.T, sh, stdin)
	out.Close()
	close(stop)
	if kb := <-peak; kb > most {
		p.T.Errorf("%q took %d KB", cmd.Args, kb)
	}
	return r
}

// hasOneCopyEach tries everything again with hosts that are good now: in the end each recipient
// must have one copy, and nothing may be left.
func hasOneCopyEach(p *stage.Person, hosts ...*hostileHost) {
	p.T.Helper()
	if p.Run("", "mailq", "--count") != "0\n" {
		if r := p.Try("", "esmtpq", "retry", "all"); r.Code != 0 {
			p.T.Errorf("retry: exit %d, %q", r.Code, r.Stderr)
		}
	}
	if out := p.Run("", "mailq"); out != "Mail queue is empty\n" {
		p.T.Errorf("after all has healed: %s", out)
	}
	got := map[string]int{}
	for _, h := range hosts {
		for to, n := range h.copies() {
			got[to] += n
		}
		for _, m := range h.mails() {
			if want := "\r\nSubject: from " + m.from + "\r\n"; !strings.Contains("\r\n"+m.content, want) || !strings.HasSuffix(m.content, "\r\n\r\n.text\r\n") {
				p.T.Errorf("%s: arrived as %q", m.from, m.content)
			}
		}
	}
	want := map[string]int{}
	for _, m := range hostileMessages {
		for _, to := range m.to {
			want[to] = 1
		}
	}
	if !maps.Equal(got, want) {
		p.T.Errorf("copies: %v, want one for each of %v", got, slices.Sorted(maps.Keys(want)))
	}
}
