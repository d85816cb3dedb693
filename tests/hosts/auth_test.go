package hosts

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"esmtpq/tests/stage"
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

// introspection starts a server that knows tokens by their first letters, and returns its address.
func introspection(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		active := strings.HasPrefix(r.Form.Get("token"), "good")
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"active": active, "sub": "user", "username": "user", "scope": "mail"})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Each mechanism that Dovecot knows, as it is asked for, and the best one by itself.
func TestDovecotMechanisms(t *testing.T) {
	checkMechanisms(t, startDovecot(t, "dovecot", `auth_mechanisms = plain login scram-sha-1 scram-sha-256 cram-md5 xoauth2 oauthbearer
auth_failure_delay = 0
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /etc/dovecot/oauth2
}
`, "introspection_url = "+introspection(t)+"\nintrospection_mode = post\nusername_attribute = sub\nactive_attribute = active\nactive_value = true\n"), "SCRAM-SHA-256 ***")
}

// Dovecot 2.4 binds logins to the TLS session, and refuses a client that could do so and does not.
func TestDovecotNextMechanisms(t *testing.T) {
	onlyLong(t)
	h := startDovecot(t, "dovecot-next", `auth_mechanisms = plain login scram-sha-1 scram-sha-1-plus scram-sha-256 scram-sha-256-plus cram-md5 xoauth2 oauthbearer
auth_failure_delay = 0
oauth2 {
  introspection_mode = post
  introspection_url = `+introspection(t)+`
  username_attribute = sub
  active_attribute = active
  active_value = true
}
passdb oauth2 {
  mechanisms_filter = xoauth2 oauthbearer
}
`, "")
	checkMechanisms(t, h, "SCRAM-SHA-256-PLUS ***")
	for _, auth := range []string{"scram-sha-1-plus", "scram-sha-256"} {
		me := newSecurePerson(t, h, h.password)
		me.logsIn("password: "+h.password, "auth: "+auth)
		if tried := me.mechanism(); tried != strings.ToUpper(auth)+" ***" {
			t.Errorf("tried %s", tried)
		}
	}
	// Where a bound login has worked, no other is made.
	me := newSecurePerson(t, h, h.password)
	me.logsIn("password: " + h.password)
	me.mechanism()
	me.logsIn("password: wrong-horse")
	me.send(h.newMails(1)...)
	me.waits("a login bound to the TLS session has worked at this host before")
}

func checkMechanisms(t *testing.T, h *host, best string) {
	password, long := "password: "+h.password, "good"+strings.Repeat("-token", 500)
	for _, c := range []struct{ name, secret, auth, tried string }{
		{"by itself", password, "", best},
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

// TLS 1.2 has another kind of binding.
func TestDovecotNextTLS12(t *testing.T) {
	onlyLong(t)
	h := startDovecot(t, "dovecot-next", "auth_mechanisms = plain scram-sha-256 scram-sha-256-plus\n", "", "ssl/openssl.cnf",
		"openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = old\n[old]\nMaxProtocol = TLSv1.2\n")
	me := newSecurePerson(t, h, h.password)
	me.logsIn("password: " + h.password)
	mails := h.newMails(1)
	me.send(mails...)
	if r := me.Try("", "deliver", "-v"); !strings.Contains(r.Stdout+r.Stderr, "* TLS 1.2") || !strings.Contains(r.Stdout+r.Stderr, "> AUTH SCRAM-SHA-256-PLUS") {
		t.Error(r.Stdout + r.Stderr)
	}
	me.once(mails)
}

// A password in the keyring of the desktop: what waits without a desktop and without the password
// goes out once it is there.
func TestDovecotKeyring(t *testing.T) {
	stage.Needs(t, "dbus-run-session", "gnome-keyring-daemon", "secret-tool")
	h := startDovecot(t, "dovecot", "", "")
	me := newSecurePerson(t, h, "")
	me.logsIn("password_keyring: true")
	mails := h.newMails(2)
	me.send(mails...)
	me.waits("password unavailable: identity me@example.org: there is no session bus to reach the keyring by")
	r := me.Try("", "dbus-run-session", "--", "sh", "-c", `
echo | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
deliver
mailq
printf '%s\n' `+h.password+` | esmtpq secret set me@example.org && deliver`)
	if want := "run: esmtpq secret set me@example.org"; r.Code != 0 || !strings.Contains(r.Stdout, want) {
		t.Errorf("%d %s %s", r.Code, r.Stdout, r.Stderr)
	}
	me.once(mails)
}

// A password in ~/.netrc, where no other is named, and one that systemd hands over.
func TestDovecotNetrc(t *testing.T) {
	h := startDovecot(t, "dovecot", "", "")
	me := newSecurePerson(t, h, "")
	me.logsIn()
	mails := h.newMails(1)
	me.send(mails...)
	me.waits("there is no password: set password_command, password_keyring or password, or write ~/.netrc")
	me.Write(".netrc", "machine localhost login "+h.user+" port "+me.port+" password "+h.password+"\n")
	me.once(mails)

	me.logsIn("password_credential: mail")
	mails = h.newMails(1)
	me.send(mails...)
	me.waits("there are no credentials of systemd here")
	me.Write("credentials/mail", h.password+"\n")
	me.Setenv("CREDENTIALS_DIRECTORY=" + me.Path("credentials"))
	me.once(mails)
}
