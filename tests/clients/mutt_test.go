package clients

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// muttrc is that of a person with ~/bin/sendmail, without the machine's settings.
const muttrc = `set sendmail="~/bin/sendmail"
set realname="Me Myself"
set from="me@example.org"
set use_from=yes
set charset=utf-8
set allow_8bit=yes
set copy=no
set record=""
set confirmappend=no
set folder="~"
set spoolfile=/dev/null
`

func TestMuttBatch(t *testing.T)    { muttBatch(t, "mutt") }
func TestNeomuttBatch(t *testing.T) { muttBatch(t, "neomutt") }

func muttBatch(t *testing.T, mutt string) {
	stage.Needs(t, mutt)
	for _, test := range []struct{ name, setting string }{
		{"plain", ""},
		{"envelope", "set use_envelope_from=yes\nset use_8bitmime=yes\nset dsn_notify=\"failure,delay\"\nset dsn_return=hdrs\n"},
		{"options", "set sendmail=\"~/bin/sendmail -oem -oi -f me@example.org\"\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := stage.NewSmartHost(t)
			me := stage.NewPerson(t, stage.Identity(host)...)
			me.Write(".muttrc", muttrc+test.setting)
			out := me.Run(stage.Awkward, mutt, "-F", me.Path(".muttrc"), "-s", "Grüße",
				"-c", "second@example.net", "-b", "hidden@example.net", "--", "first@example.net")
			if out != "" {
				t.Errorf("%s printed %q", mutt, out)
			}
			me.Deliver()
			mail := host.One(t)
			mail.Is(t, "me@example.org", "first@example.net", "second@example.net", "hidden@example.net")
			mail.Says(t, stage.Awkward)
			if strings.Contains(mail.Content, "hidden@") {
				t.Error("the blind copy is named in the content")
			}
		})
	}
}

// A mail is typed in mutt on a terminal. The smart host is a black hole, and mutt is back at the
// prompt while the host still says nothing.
func TestMuttTyped(t *testing.T) {
	stage.Needs(t, "mutt", "tmux")
	hole := stage.NewBlackHole(t)
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+hole.Addr)
	me.Setenv("ESMTPQ_DELAY=0s")
	editor := me.WriteScript("editor", "#!/bin/sh\necho 'typed by hand' >>\"$1\"\n")
	me.Write(".muttrc", muttrc+"set editor=\""+editor+"\"\nset edit_headers=no\n")

	screen := newTerminal(me, "mutt -F ~/.muttrc -s typed friend@example.net; echo prompt is back; cat")
	screen.waitFor("To: friend@example.net")
	screen.press("Enter")
	screen.waitFor("Subject: typed")
	screen.press("Enter")
	screen.waitFor("y:Send")
	pressed := time.Now()
	screen.press("y")
	screen.waitFor("prompt is back")
	t.Logf("prompt back after %v", time.Since(pressed))

	select {
	case <-hole.Connected:
	case <-time.After(stage.Limit):
		t.Fatal("the background run never connected to the smart host")
	}
	if out := me.Run("", "mailq"); !strings.Contains(out, "friend@example.net") || !strings.Contains(out, "in 1 Request.") {
		t.Errorf("mailq while the smart host is silent:\n%s", out)
	}
	hole.Release(me)
}

// A terminal is a tmux session of its own server.
type terminal struct {
	person *stage.Person
	socket string
}

// newTerminal runs a shell command line on a terminal.
func newTerminal(p *stage.Person, command string) *terminal {
	p.T.Helper()
	term := &terminal{p, filepath.Join(p.Home, "tmux.socket")}
	p.T.Cleanup(func() { term.command("kill-server").Run() })
	p.Write("tmux.conf", "set -g status off\n")
	if out, err := term.command("-f", p.Path("tmux.conf"), "-u", "new-session", "-d", "-x", "100", "-y", "30", command).CombinedOutput(); err != nil {
		p.T.Fatalf("tmux: %v: %s", err, out)
	}
	return term
}

func (term *terminal) command(args ...string) *exec.Cmd {
	return term.person.Command("tmux", append([]string{"-S", term.socket}, args...)...)
}

func (term *terminal) press(keys ...string) {
	term.person.T.Helper()
	if out, err := term.command(append([]string{"send-keys"}, keys...)...).CombinedOutput(); err != nil {
		term.person.T.Fatalf("tmux send-keys: %v: %s", err, out)
	}
}

// waitFor looks at the screen until it shows the text.
func (term *terminal) waitFor(text string) {
	term.person.T.Helper()
	var screen []byte
	for end := time.Now().Add(stage.Limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		screen, _ = term.command("capture-pane", "-p").CombinedOutput()
		if strings.Contains(string(screen), text) {
			return
		}
	}
	term.person.T.Fatalf("the screen never showed %q:\n%s", text, screen)
}
