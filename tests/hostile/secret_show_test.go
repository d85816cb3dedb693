package hostile

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// A password must not show anywhere but in the file that it was written to.

// spellings are the forms of the canary: as it is, and as AUTH sends it.
var spellings = []string{
	canary,
	base64.StdEncoding.EncodeToString([]byte(canary)),
	base64.StdEncoding.EncodeToString([]byte("\x00me\x00" + canary)),
	fmt.Sprintf("%x", canary),
	base64.StdEncoding.EncodeToString([]byte("user=me\x01auth=Bearer " + canary + "\x01\x01")),
}

// silentAbout checks that a text does not contain the password.
func silentAbout(t testing.TB, what, text string) {
	t.Helper()
	for _, s := range spellings {
		if strings.Contains(text, s) {
			t.Errorf("%s tells the password: %.300q", what, text)
		}
	}
}

// Configurations with the password in each possible place. %s is the smart host.
var secretConfigurations = []struct{ name, file, text string }{
	{"esmtprc", ".esmtprc", "identity = me@example.org\nhostname = %s\nusername = me\npassword = " + canary + "\nmda = '/bin/cat >>mailbox'\n"},
	{"YAML", ".config/esmtpq/config.yaml", "identities:\n- name: me@example.org\n  host: %s\n  tls: off\n  username: me\n  password: " + canary + "\nmda: /bin/cat >>mailbox\n"},
	{"command", ".config/esmtpq/config.yaml", "identities:\n- name: me@example.org\n  host: %s\n  tls: off\n  username: me\n  password_command: cat ~/secret\nmda: /bin/cat >>mailbox\n"},
	{"command that fails", ".config/esmtpq/config.yaml", "identities:\n- name: me@example.org\n  host: %s\n  tls: off\n  username: me\n  password_command: cat ~/secret; echo the secret is `cat ~/secret` >&2; exit 1\nmda: /bin/cat >>mailbox\n"},
	{"token command", ".config/esmtpq/config.yaml", "identities:\n- name: me@example.org\n  host: %s\n  tls: off\n  username: me\n  token_command: cat ~/secret\nmda: /bin/cat >>mailbox\n"},
	{"netrc", ".config/esmtpq/config.yaml", "identities:\n- name: me@example.org\n  host: %s\n  tls: off\n  username: me\nmda: /bin/cat >>mailbox\n"},
	{"OAuth", ".config/esmtpq/config.yaml", "identities:\n- name: me@example.org\n  host: %s\n  tls: off\n  username: me\n  oauth: http://127.0.0.1:1\nmda: /bin/cat >>mailbox\n"},
}

// tokenFile is where the tokens of OAuth are, and tokenText what is in it.
const (
	tokenFile = ".local/state/esmtpq/oauth/me@example.org.json"
	tokenText = `{"version":1,"provider":"http://127.0.0.1:1","client_id":"c","token_url":"http://127.0.0.1:1/token","expires":"2999-01-01T00:00:00Z",` +
		`"obtained":"2020-01-01T00:00:00Z","access_token":"` + canary + `","refresh_token":"` + canary + `"}`
)

// Endings of a session, each of which leaves other traces.
var secretEndings = []struct{ name, step, script string }{
	{"accepted", "", ""},
	{"wrong password", "AUTH", "S: 535 5.7.8 no"},
	{"echoed", "AUTH", "S: 535 5.7.8 no login as me with " + canary},
	{"echoed as sent", "AUTH", "S: 535-5.7.8 " + base64.StdEncoding.EncodeToString([]byte("\x00me\x00"+canary)) + "\nS: 535 5.7.8 " + base64.StdEncoding.EncodeToString([]byte(canary))},
	{"lost at AUTH", "AUTH", "! close"},
	{"garbage at AUTH", "AUTH", "S: 250-ok\nS: 334 ok\n! hang"},
	{"refused", "RCPT", "S: 550 5.1.1 nobody"},
	{"lost at the end", "final", "! close"},
}

// secretArtefacts searches everything that a session leaves, for every way to configure a
// password and every ending.
func secretArtefacts(t *testing.T, fig *hostileFigures) {
	for _, c := range secretConfigurations {
		for _, end := range secretEndings {
			t.Run(c.name+"/"+end.name, func(t *testing.T) {
				fig.dialogues.Add(1)
				host := newHostileHost(t, "AUTH PLAIN LOGIN XOAUTH2")
				me := stage.NewPerson(t)
				me.Setenv("ESMTPQ_TIMEOUT=2s")
				me.Write(c.file, fmt.Sprintf(c.text, host.addr))
				me.Write("secret", canary+"\nsecond line\n")
				me.Write(tokenFile, tokenText)
				me.Write(".netrc", "default login me password "+canary+"\n")
				host.attack(end.step, end.script, "")
				me.Run("text\n", "sendmail", "-i", "friend@example.net")
				for _, args := range [][]string{
					{"sendmail", "-v", "-X", "transcript", "-i", "second@example.net"}, {"deliver", "-v", "-X", "transcript"}, {"mailq", "-v"}, {"mailq", "--json"},
					{"esmtpq", "show", "all"}, {"esmtpq", "config"}, {"esmtpq", "oauth", "status"}, {"esmtpq", "explain", "friend@example.net"}, {"sendmail", "-bv", "friend@example.net"}, {"deliver"},
				} {
					r := me.Try("text\n", args[0], args[1:]...)
					silentAbout(t, strings.Join(args, " "), r.Stdout+r.Stderr)
				}
				if c.name != "command that fails" && len(host.said("AUTH")) == 0 {
					t.Error("nobody logged in")
				}
				searchHome(me, c.file, "secret", tokenFile, ".netrc")
			})
		}
	}
}

// searchHome searches every file for the password, except for those that are meant to contain it.
func searchHome(p *stage.Person, except ...string) {
	p.T.Helper()
	files := 0
	err := filepath.WalkDir(p.Home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		for _, name := range except {
			if path == p.Path(name) {
				return nil
			}
		}
		files++
		silentAbout(p.T, path, stage.Read(p.T, path))
		return nil
	})
	if err != nil || files == 0 {
		p.T.Errorf("%d files looked at: %v", files, err)
	}
}

// misplacedSecrets puts the password in place of every word and every line of a configuration:
// errors about the file must not quote it.
func misplacedSecrets(t *testing.T, fig *hostileFigures) {
	esmtprc := "# remark\nidentity = me@example.org\n  default\n  hostname = localhost:25\n  username = me\n  password = \"x\"\n  starttls = enabled\n  force_reverse_path = a@example.org\n  qualifydomain = example.org\n  preconnect = 'true'\nmda = '/bin/true %T'\n"
	yaml := "batch_delay: 5s\nmda: /bin/true %T\nidentities:\n- name: me\n  match: [me@example.org, \"*@example.com\"]\n  host: localhost\n  port: 25\n  tls: off\n  username: me\n  password: x\n  timeout: 2m\n  message_id: true\n- name: third\n  host: localhost\n  username: me\n  auth: [plain]\n  oauth:\n    provider: google\n    client_id: i\n    client_secret: x\n- name: other\n  host: localhost\n  default: true\n"
	for file, text := range map[string]string{".esmtprc": esmtprc, ".config/esmtpq/config.yaml": yaml} {
		var broken []string
		add := func(from, to int) {
			for _, with := range []string{canary, " " + canary + " ", "\"" + canary, "'" + canary + "'", canary + ":", "\n" + canary + "\n", "\n- " + canary + "\n", "=" + canary, "{" + canary, "*" + canary, "!" + canary + " ", "\t" + canary} {
				broken = append(broken, text[:from]+with+text[to:])
			}
		}
		at := 0
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \n\t=:,[]\"'", r) }) {
			at += strings.Index(text[at:], word)
			add(at, at+len(word))
			add(at+len(word), at+len(word))
			at += len(word)
		}
		me := stage.NewPerson(t)
		refused := 0
		for _, text := range broken {
			fig.arguments.Add(1)
			me.Write(file, text)
			if r := me.Try("", "esmtpq", "config"); r.Code != 0 {
				refused++
				silentAbout(t, fmt.Sprintf("the error about %q", text), r.Stdout+r.Stderr)
			}
		}
		if refused < len(broken)/4 {
			t.Errorf("of %d broken files %d were refused", len(broken), refused)
		}
		if err := os.Remove(me.Path(file)); err != nil {
			t.Error(err)
		}
	}
}

// openSecrets: a configuration with a password that others can read is refused, with the command
// to type.
func openSecrets(t *testing.T, fig *hostileFigures) {
	for _, c := range secretConfigurations[:2] {
		for mode := fs.FileMode(0o600); mode < 0o700; mode++ {
			me := stage.NewPerson(t)
			me.Write(c.file, fmt.Sprintf(c.text, "localhost"))
			if err := os.Chmod(me.Path(c.file), mode); err != nil {
				t.Fatal(err)
			}
			fig.arguments.Add(1)
			r := me.Try("text\n", "sendmail", "-i", "friend@example.net")
			silentAbout(t, "sendmail", r.Stderr)
			open := mode&0o046 != 0
			if open != (r.Code == 78) || open && !strings.Contains(r.Stderr, "chmod ") || open && !strings.Contains(r.Stderr, me.Path(c.file)) {
				t.Errorf("%s with mode %o: %+v", c.name, mode, r)
			}
		}
	}
	if !asRoot() {
		return
	}
	me := stage.NewPerson(t)
	me.Write(".esmtprc", fmt.Sprintf(secretConfigurations[0].text, "localhost"))
	if err := os.Chown(me.Path(".esmtprc"), 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if r := me.Try("text\n", "sendmail", "-i", "friend@example.net"); r.Code != 78 || !strings.Contains(r.Stderr, "12345") {
		t.Errorf("a configuration of another user's: %+v", r)
	}
}
