package clients

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Mail that cannot be sent as it is: each state is made by hand, and then seen in the exit status of
// deliver, in mailq with what to do, in JSON, and in one notice.
var unsendableStates = []struct {
	name   string
	config string   // besides the identity, the notify command and the agent
	login  string   // settings of the identity
	args   []string // of sendmail
	to     string
	spoil  func(t *testing.T, me *stage.Person, entry string)
	mailq  string // what it says
	cure   string // and what to do
	queue  string // queue_name in JSON
	notice string // its subject; "" where there is no way to tell but the terminal
}{
	{name: "an octet of the content", spoil: spoil("mail", 20, "X"), mailq: "damaged: content does not match", cure: "esmtpq rm ID", queue: "deferred", notice: "Mail that cannot be sent"},
	{name: "content cut short", spoil: cutShort("mail"), mailq: "damaged: content is not", cure: "esmtpq rm ID", queue: "deferred", notice: "Mail that cannot be sent"},
	{name: "no content", spoil: remove("mail"), mailq: "damaged: the content is missing", cure: "esmtpq rm ID", queue: "deferred", notice: "Mail that cannot be sent"},
	{name: "an octet of the envelope", spoil: spoil("envelope", 30, "X"), mailq: "damaged: envelope does not match", cure: "esmtpq rm ID", queue: "damaged", notice: "Mail that cannot be sent"},
	{name: "envelope cut short", spoil: cutShort("envelope"), mailq: "damaged: envelope", cure: "esmtpq rm ID", queue: "damaged", notice: "Mail that cannot be sent"},
	{name: "no envelope", spoil: remove("envelope"), mailq: "has no envelope", cure: "esmtpq rm ID", queue: "damaged", notice: "Mail that cannot be sent"},
	{name: "its configuration is gone", args: []string{"-C", "own.yaml"}, spoil: func(t *testing.T, me *stage.Person, _ string) { os.Remove(me.Path("own.yaml")) },
		mailq: "own.yaml: ", cure: "own.yaml", queue: "deferred", notice: "Mail that cannot be sent"},
	{name: "a forced address that is none", args: []string{"-C", "own.yaml"}, spoil: func(t *testing.T, me *stage.Person, _ string) {
		me.Write("own.yaml", "identities: [{name: me@example.org, host: 127.0.0.1, tls: off, reverse_path: not an address}]\n")
	}, mailq: "reverse_path", cure: "own.yaml", queue: "deferred", notice: "Mail that cannot be sent"},
	{name: "no agent", config: "mda: /nonexistent/agent\n", to: "joe", mailq: "/nonexistent/agent", cure: "mend mda in CONFIG, then type deliver", queue: "deferred", notice: "Mail waits for you"},
	{name: "no password command", login: "username: me, password_command: /nonexistent/pass", mailq: "/nonexistent/pass",
		cure: "see why the password command fails: CONFIG line 3, then type deliver", queue: "deferred", notice: "Mail waits for you"},
	{name: "a refused password", login: "username: me, password: wrong", mailq: "535", cure: "correct the password in CONFIG:3 for identity me@example.org, then type deliver", queue: "deferred", notice: "Mail waits for you"},
}

func spoil(name string, at int64, b string) func(*testing.T, *stage.Person, string) {
	return func(t *testing.T, _ *stage.Person, entry string) {
		f, err := os.OpenFile(entry+"/"+name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		f.WriteAt([]byte(b), at)
	}
}

func cutShort(name string) func(*testing.T, *stage.Person, string) {
	return func(t *testing.T, _ *stage.Person, entry string) {
		if err := os.Truncate(entry+"/"+name, 50); err != nil {
			t.Fatal(err)
		}
	}
}

func remove(name string) func(*testing.T, *stage.Person, string) {
	return func(t *testing.T, _ *stage.Person, entry string) {
		if err := os.Remove(entry + "/" + name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUnsendableStates(t *testing.T) {
	for _, s := range unsendableStates {
		t.Run(s.name, func(t *testing.T) {
			host := stage.NewSmartHost(t)
			me := stage.NewPerson(t)
			tls := "tls: off"
			if s.login != "" {
				cert := stage.NewCertificate(t)
				host = stage.NewSmartHost(t, stage.WithTLS(cert))
				tls = "tls: starttls, tls_name: localhost, ca_file: " + cert.Authority
			}
			config := me.Path(".config/esmtpq/config.yaml")
			me.Write("own.yaml", fmt.Sprintf("identities: [{name: me@example.org, host: %q, tls: off}]\n", host.Addr))
			me.Write(".config/esmtpq/config.yaml", fmt.Sprintf("notify: cat >> $HOME/notes\n%sidentities:\n- {name: me@example.org, host: %q, %s, %s}\n",
				s.config, host.Addr, tls, s.login))
			if s.to == "" {
				s.to = "friend@example.net"
			}
			me.Run("From: me@example.org\nSubject: hello\n\ntext\n", "sendmail", append(s.args, s.to)...)
			entries, _ := filepath.Glob(me.Path(".esmtp_queue/[0-9A-F]*"))
			if len(entries) != 1 {
				t.Fatal(entries)
			}
			id := filepath.Base(entries[0])
			if s.spoil != nil {
				s.spoil(t, me, entries[0])
			}
			cure := strings.NewReplacer("ID", id, "CONFIG", config).Replace(s.cure)
			for range 3 {
				r := me.Try("", "deliver")
				if r.Code != 75 || !strings.Contains(r.Stderr, s.mailq) {
					t.Fatalf("deliver: %+v", r)
				}
			}
			if out := me.Run("", "mailq"); !strings.Contains(out, s.mailq) || !strings.Contains(out, cure) {
				t.Errorf("mailq says:\n%s", out)
			}
			if out := me.Run("", "mailq", "-v"); s.notice == "Mail waits for you" && (strings.Count(lastLine(out), "deliver") != 1 || strings.Count(out, "then type deliver") > 1) {
				t.Errorf("the cure is not said once:\n%s", out)
			}
			var j struct {
				QueueName string `json:"queue_name"`
				QueueID   string `json:"queue_id"`
				NeedsYou  bool   `json:"needs_you"`
			}
			out := me.Run("", "mailq", "--json")
			if err := json.Unmarshal([]byte(out), &j); err != nil || j.QueueID != id || j.QueueName != s.queue || !j.NeedsYou || !strings.Contains(out, s.mailq) {
				t.Errorf("JSON: %v\n%s", err, out)
			}
			notes, _ := os.ReadFile(me.Path("notes"))
			if strings.Count(string(notes), s.notice+"\n") != 1 || strings.Count(string(notes), "Queue ID: ") != 1 || !strings.Contains(string(notes), id) {
				t.Errorf("told:\n%s", notes)
			}
			if s.queue != "damaged" && !strings.Contains(string(notes), s.mailq) {
				t.Errorf("told:\n%s", notes)
			}
			if s.notice == "Mail waits for you" && strings.Count(string(notes), "then type deliver") != 1 {
				t.Errorf("the cure is not told once:\n%s", notes)
			}
			if r := me.Try("", "esmtpq", "show", id); s.queue != "damaged" && !strings.Contains(r.Stdout, "Recipient:     "+s.to+": ") {
				t.Errorf("show: %+v", r)
			}
			me.Run("", "esmtpq", "rm", "--yes", id)
			if r := me.Try("", "deliver"); r != (stage.Result{}) {
				t.Errorf("removed, and: %+v", r)
			}
		})
	}
}

// lastLine returns the last line of a list that says what mail waits for.
func lastLine(list string) string {
	said, _, _ := strings.Cut(list, "\n\n\t\tTotal")
	return said[strings.LastIndexByte(said, '\n')+1:]
}

// TestMailqAfterChanges: below the list stands what mail waits for now, with what to do, and nothing of
// an identity that was found wanting before the configuration changed.
func TestMailqAfterChanges(t *testing.T) {
	const refused = "connection refused"
	dead := fmt.Sprintf("identities: [{name: me@example.org, host: %q, tls: off}]\n", stage.DeadAddress(t))
	for _, c := range []struct{ name, config, want string }{
		{"gone", "", "no configuration"},
		{"no YAML", "identities: [\n", "config.yaml:1: is not valid YAML"},
		{"an unknown key", "identities: [{name: me@example.org, hst: h}]\n", "hst"},
		{"another identity", fmt.Sprintf("identities: [{name: you@example.org, host: %q, tls: off}]\n", stage.DeadAddress(t)), "you@example.org: cannot connect"},
		{"the same", dead, "me@example.org: cannot connect"},
	} {
		t.Run(c.name, func(t *testing.T) {
			me := stage.NewPerson(t)
			file := ".config/esmtpq/config.yaml"
			me.Write(file, dead)
			me.Run("From: me@example.org\n\ntext\n", "sendmail", "-odq", "friend@example.net")
			me.Try("", "deliver")
			if line := lastLine(me.Run("", "mailq")); !strings.HasPrefix(line, "me@example.org: ") || !strings.Contains(line, refused) {
				t.Fatalf("at first: %s", line)
			}
			me.Write(file, c.config)
			if c.config == "" {
				os.Remove(me.Path(file))
			}
			me.Try("", "deliver")
			out := me.Run("", "mailq")
			waits := strings.Contains(c.want, "cannot connect")
			if line := lastLine(out); !strings.Contains(line, c.want) || waits == strings.HasSuffix(line, ": mend that, then type deliver") ||
				strings.Count(out, "goes out by itself") != map[bool]int{true: 1}[waits] {
				t.Errorf("mailq says:\n%s", out)
			}
			var j struct {
				WaitsFor struct {
					Identity, Reason, Cure string
					NeedsYou               bool `json:"needs_you"`
				} `json:"waits_for"`
			}
			err := json.Unmarshal([]byte(me.Run("", "mailq", "--json")), &j)
			w := j.WaitsFor
			if said := w.Identity + ": " + w.Reason; err != nil || !strings.Contains(said, c.want) || w.NeedsYou == waits || (w.Cure == "") != waits {
				t.Errorf("JSON: %v, %+v", err, j)
			}
		})
	}
}
