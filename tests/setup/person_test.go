package setup

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"esmtpq/tests/stage"
)

const config = ".config/esmtpq/config.yaml"

// A turn of a conversation: what is awaited, and what is typed then.
type turn struct{ awaits, types string }

// talk has a conversation at a terminal.
func talk(t *testing.T, cmd *exec.Cmd, turns ...turn) (code int, screen string) {
	t.Helper()
	term := stage.AtTerminal(t, cmd)
	for i, one := range turns {
		stage.Await(t, one.awaits, func() bool { return strings.Count(term.Screen(), one.awaits) >= times(turns[:i+1], one.awaits) })
		term.Type(one.types)
	}
	return term.End()
}

// times counts how often something has been awaited.
func times(turns []turn, text string) (n int) {
	for _, one := range turns {
		if one.awaits == text {
			n++
		}
	}
	return n
}

// Typing errors in the address, the answers and the password lead to another question.
func TestTypingErrors(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	me := w.newcomer(t)
	code, screen := talk(t, me.Command("esmtpq", "setup"),
		turn{"Your mail address: ", "nina"},
		turn{"Your mail address: ", "nina@auto test"},
		turn{"Your mail address: ", "Nina <nina@auto.test>"},
		turn{"Is that right? [Y/n]", "x"},
		turn{"Please type y or n.", "y"},
		turn{"1, 2 or 3", "1"},
		turn{"1, 2 or 3", "3"},
		turn{"Password of", "correct-horse"},
		turn{"Password of", stage.Password},
		turn{"Send a test mail", "n"},
	)
	if code != 0 || !strings.Contains(screen, "535") || strings.Contains(screen, "horse") {
		t.Errorf("exit %d, screen:\n%s", code, screen)
	}
	me.Run("", "esmtpq", "probe")

	me = w.newcomer(t)
	code, screen = talk(t, me.Command("esmtpq", "setup", "nina@gmial.com"),
		turn{"Is nina@gmail.com meant?", "n"}, turn{"The host that takes mail from you", ""})
	if code != 69 || !strings.Contains(screen, "There is no domain gmial.com") || stage.Exists(me.Path(config)) {
		t.Errorf("exit %d, screen:\n%s", code, screen)
	}
	// Three wrong passwords are enough: hosts lock accounts.
	me = w.newcomer(t)
	code, screen = talk(t, me.Command("esmtpq", "setup", "--in-clear", "nina@auto.test"),
		turn{"Is that right?", "y"}, turn{"Password of", "a"}, turn{"Password of", "b"}, turn{"Password of", "c"})
	if code != 77 || !strings.Contains(screen, "nothing has been saved") || stage.Exists(me.Path(config)) {
		t.Errorf("exit %d, screen:\n%s", code, screen)
	}
}

// Everything can be typed by hand, also where nothing is found; a port that goes nowhere is passed over.
func TestByHand(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	me := w.newcomer(t)
	code, screen := talk(t, me.Command("esmtpq", "setup", "nina@typo.test"),
		turn{"The host that takes mail from you", "smtp.gone.test"},
		turn{"Which host", "smtp.auto.test"},
		turn{"User name there [nina@typo.test]", ""},
		turn{"1, 2 or 3", "2"},
		turn{"The command", "echo '" + stage.Password + "'"},
		turn{"Send a test mail", "n"},
	)
	if code != 0 {
		t.Errorf("exit %d, screen:\n%s", code, screen)
	}
	me.Run("", "esmtpq", "probe")

	me = w.newcomer(t)
	r := me.Try("", "esmtpq", "setup", "--non-interactive", "--password-command", "echo '"+stage.Password+"'", "nina@hole.test")
	if r.Code != 0 {
		t.Errorf("465 goes nowhere: %+v", r)
	}
	if b, _ := os.ReadFile(me.Path(config)); !strings.Contains(string(b), "host: smtp.auto.test\n") || !strings.Contains(string(b), "password_command") {
		t.Errorf("configuration:\n%s", b)
	}
}

// Without a network, or a name server, nothing is said about the domain.
func TestOffline(t *testing.T) {
	w := theWorld(t)
	for _, conf := range []string{"nameserver 127.0.1.7\n", "nameserver 192.0.2.1\n"} {
		resolv(t, conf)
		me := w.newcomer(t)
		r := me.Try(stage.Password+"\n", "esmtpq", "setup", "--non-interactive", "--in-clear", "nina@auto.test")
		if r.Code != 75 || !strings.Contains(r.Stderr, "no network, or no name server") || stage.Exists(me.Path(config)) {
			t.Errorf("%q: %+v", conf, r)
		}
		// What the table knows needs no network; the login does.
		r = me.Try(stage.Password+"\n", "esmtpq", "setup", "--non-interactive", "--in-clear", "nina@gmail.com")
		if r.Code != 75 || !strings.Contains(r.Stderr, "can be reached") || stage.Exists(me.Path(config)) {
			t.Errorf("%q: %+v", conf, r)
		}
	}
}

// A refused password, none, and no place for it end without a trace.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	for _, test := range []struct {
		stdin string
		args  []string
		code  int
		says  string
	}{
		{"wrong horse\n", []string{"--in-clear"}, 77, "535"},
		{"", []string{"--in-clear"}, 66, "first line of standard input"},
		{"\n", []string{"--in-clear"}, 65, "the password is empty"},
		{stage.Password + "\n", nil, 64, "--password-command, or --in-clear"},
		{stage.Password + "\n", []string{"--keyring"}, 75, "nothing has been saved"},
		{"", []string{"--password-command", "exit 3"}, 75, "password unavailable"},
		{"", []string{"--oauth", "google"}, 64, "--client-id"},
		{"", []string{"--oauth", "https://127.0.1.8", "--client-id", "x"}, 75, "refused"},
		{"", []string{"--in-clear", "--keyring"}, 64, "only one of"},
		{"", []string{"--bogus"}, 64, "unknown option --bogus"},
	} {
		me := w.newcomer(t)
		r := me.Try(test.stdin, "esmtpq", append(append([]string{"setup", "--non-interactive"}, test.args...), "nina@auto.test")...)
		if r.Code != test.code || !strings.Contains(r.Stderr, test.says) || strings.Contains(r.Stderr, "horse") || stage.Exists(me.Path(config)) {
			t.Errorf("%q: exit %d, want %d and %q: %s", test.args, r.Code, test.code, test.says, r.Stderr)
		}
	}
}

// What is there already is added to and stays; what cannot be added to is left alone, with a reason.
func TestExisting(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	const first = "# mine\nidentities:\n- name: ann@example.org   # the first\n  host: smtp.example.org\n\nmda: /bin/cat >/dev/null\n"
	me := w.newcomer(t)
	me.Write(config, first)
	add := func() stage.Result {
		return me.Try(stage.Password+"\n", "esmtpq", "setup", "--non-interactive", "--in-clear", "nina@auto.test")
	}
	if r := add(); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	b, _ := os.ReadFile(me.Path(config))
	for _, line := range strings.SplitAfter(first, "\n") {
		if !strings.Contains(string(b), line) {
			t.Errorf("the line %q is gone:\n%s", line, b)
		}
	}
	if out := me.Run("", "esmtpq", "explain", "-f", "other@example.net", "x@example.net"); !strings.Contains(out, "ann@example.org") {
		t.Errorf("the default has changed:\n%s", out)
	}
	me.Run("", "esmtpq", "probe", "nina@auto.test")
	if r := add(); r.Code != 0 {
		t.Errorf("again: %+v", r)
	}
	if again, _ := os.ReadFile(me.Path(config)); string(again) != string(b) {
		t.Errorf("a second call has changed it:\n%s", again)
	}
	for _, test := range []struct{ name, content, says string }{
		{config, "identities:\n  - name: ann@example.org\n    hots: x\n", "unknown key"},
		{config, "identities: [{name: ann@example.org, host: smtp.example.org}]\n", "by hand"},
		{".esmtprc", "hostname = smtp.example.org\n", "esmtpq import --apply"},
	} {
		me := w.newcomer(t)
		me.Write(test.name, test.content)
		r := me.Try(stage.Password+"\n", "esmtpq", "setup", "--non-interactive", "--in-clear", "nina@auto.test")
		b, _ := os.ReadFile(me.Path(test.name))
		if r.Code != 78 || !strings.Contains(r.Stderr, test.says) || string(b) != test.content || strings.Contains(r.Stderr, "horse") {
			t.Errorf("%q: %+v\n%s", test.content, r, b)
		}
	}
}

// A full disk leaves what was there.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	for _, before := range []string{"", "identities:\n  - name: ann@example.org\n    host: smtp.example.org\n"} {
		me := w.newcomer(t)
		dir := me.Path(".config/esmtpq")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8k,mode=700"); err != nil {
			t.Skipf("no file system to be had: %v", err)
		}
		t.Cleanup(func() { syscall.Unmount(dir, 0) })
		if before != "" {
			me.Write(config, before)
		}
		for name, n := "fill", 4096; n > 0; n /= 2 {
			name += "x"
			os.WriteFile(dir+"/"+name, make([]byte, n), 0o600)
		}
		r := me.Try(stage.Password+"\n", "esmtpq", "setup", "--non-interactive", "--in-clear", "nina@auto.test")
		b, _ := os.ReadFile(me.Path(config))
		files, _ := os.ReadDir(dir)
		if r.Code != 75 || !strings.Contains(r.Stderr, "free some space") || string(b) != before {
			t.Errorf("%+v, and the file is %q, with %d files", r, b, len(files))
		}
		for _, f := range files {
			if !strings.HasPrefix(f.Name(), "fill") && f.Name() != "config.yaml" {
				t.Errorf("%s was left behind", f.Name())
			}
		}
	}
}

// An interrupt at the password leaves the terminal as it was, and nothing else.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	me := w.newcomer(t)
	cmd := me.Command("esmtpq", "setup", "--in-clear", "nina@auto.test")
	term := stage.AtTerminal(t, cmd)
	term.Await(t, "Is that right?")
	term.Type("y")
	term.Await(t, "Password of")
	cmd.Process.Signal(os.Interrupt)
	code, screen := term.End()
	if code != 75 || !strings.Contains(screen, "interrupted") || stage.Exists(me.Path(config)) {
		t.Errorf("exit %d, screen:\n%s", code, screen)
	}
}

// The keyring of the desktop keeps the password; a locked one that nobody opens is told, and the question
// comes again.
func TestKeyring(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	stage.Needs(t, "dbus-run-session", "gnome-keyring-daemon", "secret-tool")
	me := w.newcomer(t)
	r := me.Try("", "dbus-run-session", "--", "sh", "-c", `
echo | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
printf '%s\n' '`+stage.Password+`' | esmtpq setup --non-interactive nina@auto.test && esmtpq probe`)
	b, _ := os.ReadFile(me.Path(config))
	if r.Code != 0 || !strings.Contains(string(b), "password_keyring: true") || strings.Contains(string(b), "horse") {
		t.Errorf("%+v\n%s", r, b)
	}
	me = w.newcomer(t)
	r = me.Try("", "dbus-run-session", "--", "sh", "-c", `printf '%s\n' '`+stage.Password+`' | esmtpq setup --non-interactive nina@auto.test`)
	if r.Code != 75 || !strings.Contains(r.Stderr, "keyring") || stage.Exists(me.Path(config)) {
		t.Errorf("%+v", r)
	}
}

// A keyring that is locked, with nobody who could open it, takes nothing: another place is asked for.
func TestLockedKeyring(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	stage.Needs(t, "dbus-run-session", "gnome-keyring-daemon", "secret-tool")
	me := w.newcomer(t)
	me.Try("", "dbus-run-session", "--", "sh", "-c", `
printf lock | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
printf x | secret-tool store --label=first a b`)
	if !stage.Exists(me.Path(".local/share/keyrings/login.keyring")) {
		t.Fatal("there is no keyring")
	}
	code, screen := talk(t, me.Command("dbus-run-session", "--", "sh", "-c", `
gnome-keyring-daemon --start --components=secrets >/dev/null 2>&1
esmtpq setup nina@auto.test`),
		turn{"Is that right?", "y"}, turn{"1, 2 or 3", ""}, turn{"Password of", stage.Password}, turn{"1, 2 or 3", "3"}, turn{"Send a test mail", "n"})
	if code != 0 || !strings.Contains(screen, "locked") || strings.Contains(screen, "horse") {
		t.Errorf("exit %d, screen:\n%s", code, screen)
	}
	me.Run("", "esmtpq", "probe")
}

// Without anybody to ask, the test mail goes out on request.
func TestUnattended(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	me := w.newcomer(t)
	if r := me.Try(stage.Password+"\n", "esmtpq", "setup", "--non-interactive", "--in-clear", "--test", "nina@srv.test"); r.Code != 0 || r.Stdout != "" {
		t.Errorf("%+v", r)
	}
	w.arrived(t, "To: <nina@srv.test>")
}
