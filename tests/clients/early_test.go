package clients

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

const plainMail = "From: Me <me@example.org>\nTo: friend@example.net, other@example.net\nBcc: third@example.net\nDate: Thu, 1 Jan 2026 00:00:00 +0000\nMessage-ID: <1@example.org>\n\ntext\n"

const (
	plainRC   = "identity = me@example.org\nhostname = smtp.example.org:587\nmda = \"/usr/bin/procmail -d %T\"\n"
	plainYAML = "# mine\nidentities:\n  - name: me@example.org\n    match: [me@example.org, \"*@example.com\"]\n    host: smtp.example.org\n    tunnel: ssh gateway\n"
	otherYAML = "identities:\n  - name: &me me@example.org\n    match: [*me]\n    host: smtp.example.org\n"
)

const yamlFile = ".config/esmtpq/config.yaml"

// The packages that are initialised for a message, according to the Go runtime: if the
// configuration is plain, none that a submission does not need.
func TestSubmissionIsEarly(t *testing.T) {
	for _, test := range []struct {
		early        bool
		config, text string
		args         string
	}{
		{true, ".esmtprc", plainRC, "sendmail friend@example.net"},
		{true, ".esmtprc", plainRC, "sendmail -oi -f me@example.org -t"},
		{true, ".esmtprc", plainRC, "sendmail local"},
		{true, ".esmtprc", plainRC, "sendmail -odq -L tag friend@example.net"},
		{true, yamlFile, plainYAML, "sendmail friend@example.net"},
		{true, "other.yaml", plainYAML, "sendmail -C other.yaml friend@example.net"},
		{true, yamlFile, strings.Replace(plainYAML, "smtp.example.org", "127.0.0.1:25", 1), "sendmail friend@example.net"},
		{true, yamlFile, strings.Replace(plainYAML, "smtp.example.org", "\"[::1]:25\"", 1), "sendmail friend@example.net"},

		{false, yamlFile, otherYAML, "sendmail friend@example.net"},
		{false, ".esmtprc", plainRC, "sendmail -v friend@example.net"},
		{false, ".esmtprc", plainRC, "sendmail -X dialogue friend@example.net"},
		{false, ".esmtprc", plainRC, "esmtpq sendmail friend@example.net"},
	} {
		t.Run(test.args, func(t *testing.T) {
			me := stage.NewPerson(t)
			me.Write(test.config, test.text)
			me.Setenv("GODEBUG=inittrace=1")
			me.Setenv("ESMTPQ_TIMEOUT=1ms")
			words := strings.Fields(test.args)
			r := me.Try(plainMail, words[0], words[1:]...)
			if r.Code != 0 || !strings.Contains(r.Stderr, "init os ") {
				t.Fatalf("%+v", r)
			}
			for _, name := range []string{"github.com/emersion/go-smtp", "net", "crypto/tls", "gopkg.in/yaml%2ev3"} {
				if done := strings.Contains(r.Stderr, "init "+name+" "); done == test.early {
					t.Errorf("%s was initialised: %t", name, done)
				}
			}
			if n := len(entries(me)); n != 1 {
				t.Errorf("%d messages are in the queue", n)
			}
		})
	}
}

// entries returns the content of the queue without times, and with only the domains of
// Message-IDs.
func entries(p *stage.Person) []string {
	p.T.Helper()
	dirs, err := filepath.Glob(p.Path(".esmtp_queue/[0-9A-F]*"))
	if err != nil {
		p.T.Fatal(err)
	}
	var all []string
	for _, dir := range dirs {
		file, err := os.Open(filepath.Join(dir, "envelope"))
		if err != nil {
			p.T.Fatal(err)
		}
		defer file.Close()
		var env map[string]any
		if err := json.NewDecoder(file).Decode(&env); err != nil {
			p.T.Fatal(err)
		}
		content := volatile.ReplaceAllString(stage.Read(p.T, filepath.Join(dir, "mail")), "$1 ...$2")
		for _, key := range []string{"arrival", "origin", "sha256", "size"} {
			if env[key] == nil {
				p.T.Errorf("%v: no %s", env, key)
			}
			delete(env, key)
		}
		all = append(all, fmt.Sprint(env, "\n", content))
	}
	slices.Sort(all)
	return all
}

var volatile = regexp.MustCompile(`(?m)^(Date:|Message-ID:).*?(@.*)?$`)

const bareMail = "Subject: nothing else\n\ntext\n"

// Command lines of sendmail with their input: the first are accepted, the rest are refused.
var bothWays = []struct{ args, mail string }{
	{"friend@example.net", plainMail},
	{"friend@example.net", bareMail},
	{"friend@example.net friend@EXAMPLE.net other@example.net", bareMail},
	{"-t", plainMail},
	{"-t first@example.net friend@example.net", plainMail},
	{"-t", strings.Replace(plainMail, "other@", "other@@", 1)},
	{"-f <> friend@example.net", bareMail},
	{"-f cron -F Full friend@example.net", bareMail},
	{"-B8BITMIME -N never -R hdrs -V id friend@example.net", bareMail},
	{"-C rc2 friend@example.net", bareMail},
	{"local", bareMail},
	{"-odq friend@example.net", bareMail},
	{"-L\x1b[31mname friend@example.net", ""},
	{"-i friend@example.net", "text without a header\n"},
	{"-i" + strings.Repeat(" friend@example.net", 9000), bareMail},
	// Refused.
	{"", plainMail},
	{"-t", bareMail},
	{"-t", "To: @@\n\n"},
	{"a@@b", plainMail},
	{"-f a@@b friend@example.net", plainMail},
	{"-L tag -f a@@b friend@example.net", plainMail},
	{"-Z friend@example.net", plainMail},
	{"-f", plainMail},
	{"-C none friend@example.net", plainMail},
	{"-C broken.yaml friend@example.net", plainMail},
	{"-C broken friend@example.net", plainMail},
	{"-C nobody.yaml -f you@example.net friend@example.net", plainMail},
	{"-C tunnel.yaml friend@example.net", plainMail},
	{"-C readable friend@example.net", plainMail},
	{"-- --help", plainMail},
	{"--help", plainMail},
	{"-h", plainMail},
	{"--version", plainMail},
	{"-bh", plainMail},
	{"-f --help friend@example.net", plainMail},
	{"-t -F --help", plainMail},
	{"-L -h friend@example.net", plainMail},
	{"-V --version friend@example.net", plainMail},
	{"-oi -O -bh friend@example.net", plainMail},
	{"-C --help friend@example.net", plainMail},
	{"-f --help friend@example.net --help", plainMail},
}

// Both ways to sendmail take the same, refuse the same, and say the same.
func TestBothWaysAreOne(t *testing.T) {
	for _, test := range bothWays {
		t.Run(test.args[:min(len(test.args), 60)], func(t *testing.T) {
			var results [2]string
			for i, name := range []string{"sendmail", "esmtpq"} {
				me := stage.NewPerson(t, strings.TrimSuffix(plainRC, "\n"))
				me.Write("rc2", plainRC+"qualifydomain = example.com\n")
				me.Write("broken", "hostname = \n")
				me.Write("broken.yaml", plainYAML+"    unknown: x\n")
				me.Write("nobody.yaml", plainYAML+"  - name: b\n    host: h\n")
				me.Write("tunnel.yaml", strings.Replace(plainYAML, "ssh gateway", "nc gateway", 1))
				me.Write("readable", plainRC+"password = secret\n")
				if err := os.Chmod(me.Path("readable"), 0o644); err != nil {
					t.Fatal(err)
				}
				args := strings.Fields(test.args)
				if name == "esmtpq" {
					args = append([]string{"sendmail"}, args...)
				}
				r := me.Try(test.mail, name, args...)
				results[i] = strings.ReplaceAll(fmt.Sprintf("exit %d\n%s\n%s\n%q", r.Code, r.Stdout, r.Stderr, entries(me)), me.Home, "~")
			}
			if results[0] != results[1] {
				t.Errorf("as sendmail:\n%s\nas esmtpq sendmail:\n%s", results[0], results[1])
			}
		})
	}
}
