package hosts

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// logsIn configures what a person logs in with, in YAML.
func (p *person) logsIn(lines ...string) {
	p.t.Helper()
	text := fmt.Sprintf("identities:\n- name: me@example.org\n  host: localhost:%s\n  tls: starttls\n  username: %s\n", p.port, p.host.user)
	for _, line := range lines {
		text += "  " + line + "\n"
	}
	p.Write(".config/esmtpq/config.yaml", text)
}

// mechanism sends a mail that must arrive at once, and returns the AUTH commands of the dialogue.
func (p *person) mechanism() string {
	p.t.Helper()
	mails := p.host.newMails(1)
	p.send(mails...)
	r := p.Try("", "deliver", "-v")
	var tried []string
	for _, line := range strings.Split(r.Stdout+r.Stderr, "\n") {
		if _, auth, ok := strings.Cut(line, "> AUTH "); ok {
			tried = append(tried, auth)
		}
	}
	p.once(mails)
	return strings.Join(tried, ", ")
}

// Each mechanism that Dovecot knows, as it is asked for, and the best one by itself.
func TestDovecotMechanisms(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		active := strings.HasPrefix(r.Form.Get("token"), "good")
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"active": active, "sub": "user", "username": "user", "scope": "mail"})
	}))
	defer server.Close()
	checkMechanisms(t, startDovecot(t, "dovecot", `auth_mechanisms = plain login scram-sha-1 scram-sha-256 cram-md5 xoauth2 oauthbearer
auth_failure_delay = 0
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /etc/dovecot/oauth2
}
`, "introspection_url = "+server.URL+"\nintrospection_mode = post\nusername_attribute = sub\nactive_attribute = active\nactive_value = true\n"))
}

func checkMechanisms(t *testing.T, h *host) {
	password, long := "password: "+h.password, "good"+strings.Repeat("-token", 500)
	for _, c := range []struct{ name, secret, auth, tried string }{
		{"by itself", password, "", "SCRAM-SHA-256 ***"},
		{"SCRAM-SHA-1", password, "scram-sha-1", "SCRAM-SHA-1 ***"},
		{"PLAIN", password, "plain", "PLAIN ***"},
		{"LOGIN", password, "login", "LOGIN"},
		{"CRAM-MD5", password, "[cram-md5, plain]", "CRAM-MD5"},
		{"token", "token_command: echo good-token", "", "OAUTHBEARER ***"},
		{"XOAUTH2", "token_command: echo good-token", "xoauth2", "XOAUTH2 ***"},
		{"long token", "token_command: echo " + long, "", "OAUTHBEARER"},
		{"long XOAUTH2", "token_command: echo " + long, "xoauth2", "XOAUTH2"},
		// A token that is refused is asked for once more.
		{"token renewed", "token_command: 'test -e bad && echo good-token || { touch bad; echo bad-token; }'", "xoauth2", "XOAUTH2 ***, XOAUTH2 ***"},
	} {
		t.Run(c.name, func(t *testing.T) {
			me := newSecurePerson(t, h, h.password)
			lines := []string{c.secret}
			if c.auth != "" {
				lines = append(lines, "auth: "+c.auth)
			}
			me.logsIn(lines...)
			if tried := me.mechanism(); tried != c.tried {
				t.Errorf("tried %s, want %s", tried, c.tried)
			}
			me.connects(1)
		})
	}
}

// Postfix with Cyrus SASL offers SCRAM whether or not it can work: with saslauthd it cannot, since
// nobody there has the password. The login costs two refusals, once.
func TestPostfixMechanisms(t *testing.T) {
	h := startPostfix(t, "postfix", "")
	me := newSecurePerson(t, h, h.password)
	me.logsIn("password: " + h.password)
	for range 2 {
		if tried := me.mechanism(); tried != "SCRAM-SHA-256 ***" {
			t.Errorf("tried %s", tried)
		}
	}
	h = startPostfix(t, "postfix", "smtpd_sasl_path = saslauthd\n")
	me = newSecurePerson(t, h, h.password)
	me.logsIn("password: " + h.password)
	for _, want := range []string{"SCRAM-SHA-256 ***, SCRAM-SHA-256 ***, PLAIN ***", "PLAIN ***"} {
		if tried := me.mechanism(); tried != want {
			t.Errorf("tried %s, want %s", tried, want)
		}
	}
}
