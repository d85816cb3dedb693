package identity

import (
	"errors"
	"strings"
	"testing"
	"time"

	"esmtpq/helper"
	"esmtpq/identity/yaml"
)

// Whose configuration it is.
var (
	annsHome = LoadOptions{Home: "/home/ann"}
	noHome   = LoadOptions{}
)

// parseText reads a configuration given as text, in the format of the name.
func parseText(t *testing.T, name, text string) *Config {
	t.Helper()
	c, err := parse(name, []byte(text), annsHome)
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	return c
}

const fullYAML = `# everything there is
batch_delay: 250ms
mda: /usr/bin/procmail -d %T
force_mda: /bin/true
mda_timeout: 2m
local_domains: [example.net, "bücher.example"]
aliases:
  root: ann@example.com
  Postmaster: root
notify: mail-popup --from esmtpq
expire_after: 3d
delay_notice_after: never
keep_failed: 36h
hold_possibly_delivered: true
identities:
  - name: ann@example.com
    match: [ann@example.com, "*@lists.example.com"]
    default: yes
    host: mail.example.com
    port: 587
    tls: starttls
    tls_name: mx.example.com
    username: ann
    password: 0777
    auth: [SCRAM-SHA-256, plain]
    authorize_as: team
    helo: laptop.example.com
    qualify_domain: example.com
    reverse_path: "%u@example.com"
    sender: ann@example.com
    message_id: false
    proxy: socks5://ann@[::1]:1080
    proxy_password: socks
    preconnect: "true"
    postconnect: "false"
    ca_file: ~/ca.pem
    client_certificate: /etc/ssl/ann.pem
    client_key: ~/.ssl/ann.key
    certificate_passphrase: open sesame
    timeout: 90s
    future_release: true
    host_message_id: true
    max_messages_per_session: 50
    relogin_delay: 1m
    sessions: 4
  - name: work
    match:
      - ann@example.org
    host: "[2001:db8::1]:465"
    tunnel: ssh gateway
    protocol: lmtp
    password_command: pass show work
  - name: graph
    transport: command
    command: ~/bin/graph-send %T
    hold_for: 30s
    send_window: [Mon-Fri 08:00-18:00, "sat  22:00-6:00"]
via:
  - match: ["*@corp.example", boss@example.net]
    identity: work
`

func TestYAMLFull(t *testing.T) {
	c := parseText(t, "c.yaml", fullYAML)
	checkEqual(t, c, &Config{
		BatchDelay: 250e6, MDA: "/usr/bin/procmail -d %T", ForceMDA: "/bin/true", MDATimeout: 120e9,
		LocalDomains: []string{"example.net", "bücher.example"},
		Aliases:      map[string]string{"root": "ann@example.com", "postmaster": "root"},
		Notify:       "mail-popup --from esmtpq", ExpireAfter: 72 * time.Hour, DelayNoticeAfter: Never, KeepFailed: 36 * time.Hour,
		Identities: []*Identity{{
			Name: "ann@example.com", Match: []string{"ann@example.com", "*@lists.example.com"}, Default: true,
			Host: "mail.example.com", Port: "587", TLS: TLSStartTLS, TLSName: "mx.example.com",
			Username: "ann", Password: NewSecret("0777"), Mechanisms: []string{"SCRAM-SHA-256", "PLAIN"}, AuthorizeAs: "team", Helo: "laptop.example.com", QualifyDomain: "example.com",
			ReversePath: "%u@example.com", Sender: "ann@example.com", NoMessageID: true,
			Preconnect: "true", Postconnect: "false",
			Proxy: &Proxy{Scheme: "socks5", User: "ann", Host: "::1", Port: "1080"}, ProxyPassword: NewSecret("socks"),
			CAFile: "/home/ann/ca.pem", ClientCertificate: "/etc/ssl/ann.pem", ClientKey: "/home/ann/.ssl/ann.key",
			CertificatePassphrase: NewSecret("open sesame"), FutureRelease: true, RenamesMail: true, Timeout: 90e9,
			MaxMessagesPerSession: 50, ReloginDelay: 60e9, Sessions: 4,
		}, {
			Name: "work", Match: []string{"ann@example.org"}, Host: "2001:db8::1", Port: "465", TLS: TLSImplicit,
			Tunnel: "ssh gateway", LMTP: true, PasswordCommand: "pass show work",
		}, {
			Name: "graph", Command: "~/bin/graph-send %T", HoldFor: 30e9, SendWindow: Window{
				{days: [7]bool{false, true, true, true, true, true}, from: 480, to: 1080, text: "Mon-Fri 08:00-18:00"},
				{days: [7]bool{6: true}, from: 1320, to: 360, text: "sat 22:00-6:00"},
			},
		}},
		Vias: []Via{{Match: []string{"*@corp.example", "boss@example.net"}, Identity: &Identity{Name: "work"}}},
	})
	if c.Default != c.Identities[0] || len(c.Warnings) > 0 {
		t.Errorf("default %v, warnings %q", c.Default, c.Warnings)
	}
}

// What is left out of a YAML file, and what then holds.
func TestYAMLDefaults(t *testing.T) {
	tests := []struct{ settings, host, port, tls string }{
		{"host: mail.example.com", "mail.example.com", "587", "starttls"},
		{"host: mail.example.com:25", "mail.example.com", "25", "starttls"},
		{"host: mail.example.com, port: 465", "mail.example.com", "465", "implicit"},
		{"host: mail.example.com, port: submissions", "mail.example.com", "submissions", "implicit"},
		{"host: mail.example.com, tls: implicit", "mail.example.com", "465", "implicit"},
		{"host: mail.example.com, tls: off", "mail.example.com", "587", "off"},
		{"host: mail.example.com, tls: opportunistic", "mail.example.com", "587", "opportunistic"},
		{"host: mail.example.com, tunnel: ssh gateway", "mail.example.com", "587", "starttls"},
		{"host: localhost, tunnel: ssh gateway", "localhost", "587", "off"},
		{"host: 'localhost:2525', preconnect: 'ssh -f -L 2525:localhost:25 gateway sleep 5'", "localhost", "2525", "off"},
		{"host: 'localhost:2525', preconnect: 'ssh -fNL 127.0.0.1:2525:mail.example.com:25 gateway'", "localhost", "2525", "starttls"},
		{"host: 'localhost:2525', preconnect: 'ssh -f -L2525:mail.example.com:465 gateway sleep 5'", "localhost", "2525", "implicit"},
		{"host: mail.example.com, port: 465, tunnel: ssh gateway", "mail.example.com", "465", "implicit"},
		{"host: localhost", "localhost", "587", "off"},
		{"host: LOCALHOST., port: 2525", "LOCALHOST.", "2525", "off"},
		{"host: 127.0.0.1:25", "127.0.0.1", "25", "off"},
		{`host: "[::1]:25"`, "::1", "25", "off"},
		{`host: "::1"`, "::1", "587", "off"},
		{`host: "[2001:db8::1]"`, "2001:db8::1", "587", "starttls"},
		{"host: localhost.example.com", "localhost.example.com", "587", "starttls"},
		{"host: /run/smtp", "/run/smtp", "", "off"},
		{"host: /run/smtp, tls: starttls, tls_name: mail.example.com", "/run/smtp", "", "starttls"},
		{"host: mail.example.com, proxy: 'socks5://localhost:1080'", "mail.example.com", "587", "starttls"},
		{"host: localhost, proxy: 'socks5://localhost:1080'", "localhost", "587", "off"},
		{"host: localhost, proxy: 'http://proxy.example.com:3128'", "localhost", "587", "starttls"},
	}
	for _, test := range tests {
		c := parseText(t, "c.yaml", "identities: [{name: ann@example.com, "+test.settings+"}]")
		id := c.Identities[0]
		if id.Host != test.host || id.Port != test.port || id.TLS.String() != test.tls {
			t.Errorf("%s: %s %s %s, want %s %s %s", test.settings, id.Host, id.Port, id.TLS, test.host, test.port, test.tls)
		}
		if c.Default != id || !id.Default {
			t.Errorf("%s: the only identity is not the default", test.settings)
		}
		if len(id.Match) != 1 || id.Match[0] != "ann@example.com" {
			t.Errorf("%s: matches %q", test.settings, id.Match)
		}
	}
}

// Times that are long enough to be given in days.
func TestYAMLPeriods(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5d": 120 * time.Hour, "1.5d": 36 * time.Hour, "90m": 90 * time.Minute, "never": Never,
	} {
		c := parseText(t, "c.yaml", "expire_after: "+text+"\nidentities: [{name: a, host: h}]")
		if c.ExpireAfter != want {
			t.Errorf("%s: got %v, want %v", text, c.ExpireAfter, want)
		}
	}
	for _, text := range []string{"0", "0d", "-1d", "d", "5", "5 d", "999999999999999999d", "[5d]", "soon", "~", "'never '"} {
		c, err := parseYAML("c.yaml", []byte("keep_failed: "+text+"\nidentities: [{name: a, host: h}]"), noHome)
		if err == nil || !strings.Contains(err.Error(), "keep_failed should be a time with its unit, such as 30d or never") {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
}

func TestYAMLNames(t *testing.T) {
	c := parseText(t, "c.yml", `identities:
- {name: work, host: a.example}
- {match: ["*@example.org"], host: a.example}
- {name: b@example.org, match: [], host: a.example}
`)
	if c.Default != nil {
		t.Error("one of several identities became the default by itself")
	}
	for i, want := range []string{"work|", "*@example.org|*@example.org", "b@example.org|"} {
		if got := c.Identities[i].Name + "|" + strings.Join(c.Identities[i].Match, ","); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// canary stands where a secret may stand. No error may show it.
const canary = "hunter2xyzzy"

func TestYAMLErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "c.yaml: is empty: see man esmtpq.yaml"},
		{"only comments", "# hello\n", "c.yaml: no identities: "},
		{"no identities", "batch_delay: 1s\n", "c.yaml: no identities: "},
		{"empty list", "identities: []\n", "c.yaml: no identities: "},
		{"null list", "identities:\n", "c.yaml:1: identities should be a list"},
		{"not a mapping", canary + "\n", `c.yaml:1: the file should be made of lines like "key: value"`},
		{"a list", "- " + canary + "\n", `c.yaml:1: the file should be made of lines`},
		{"unknown key at the top", "colour: red\nidentities: [{name: a@b.example, host: h}]", "c.yaml:1: unknown key (not shown)"},
		{"unknown keys, all of them", "identities:\n- name: a@b.example\n  host: h\n  hots: x\n  hist: y\n",
			"c.yaml:4: unknown key identities[0].hots; is it host?; c.yaml:5: unknown key identities[0].hist; is it host?"},
		{"a keyword of esmtprc", "identities:\n- name: a@b.example\n  hostname: " + canary + "\n", "c.yaml:3: unknown key identities[0].hostname; it is called host here"},
		{"a password as key", "identities:\n- name: a@b.example\n  host: h\n  " + canary + ": x\n", "c.yaml:4: unknown key identities[0].(not shown)"},
		{"words as key", "identities:\n- name: a@b.example\n  host: h\n  correcthorse: battery\n", "c.yaml:4: unknown key identities[0].(not shown)"},
		{"words as key, twice", "correcthorse: x\ncorrecthorse: y\nidentities: [{name: a@b.example, host: h}]", "c.yaml:1: unknown key (not shown); c.yaml:2: (not shown) is given twice"},
		{"a key with a slip", "identities:\n- name: a@b.example\n  host: h\n  pasword_comand: " + canary + "\n", "c.yaml:4: unknown key identities[0].pasword_comand; is it password_command?"},
		{"a key of the top in an identity", "identities:\n- name: a@b.example\n  host: h\n  mda: x\n", "c.yaml:4: unknown key identities[0]."},
		{"merge key", "x: &x {host: h}\nidentities:\n- <<: *x\n", "c.yaml:1: unknown key (not shown)"},
		{"twice", "identities:\n- name: a@b.example\n  host: h\n  password: x\n  password: " + canary + "\n", "c.yaml:5: identities[0].password is given twice, first in line 4"},
		{"second document", "identities: [{name: a@b.example, host: h}]\n---\nx: " + canary + "\n", "c.yaml:2: a second document"},
		{"list as text", "identities:\n- name: a@b.example\n  host: h\n  password: [" + canary + "]\n", "c.yaml:4: identities[0].password should be a single text"},
		{"null", "identities:\n- name: a@b.example\n  host: h\n  password:\n", "c.yaml:4: identities[0].password has no value"},
		{"tilde", "identities:\n- name: a@b.example\n  host: h\n  password: ~\n", "c.yaml:4: identities[0].password has no value"},
		{"empty text", "identities:\n- name: a@b.example\n  host: h\n  helo: ''\n", "c.yaml:4: identities[0].helo has no value"},
		{"tag", "identities:\n- name: a@b.example\n  host: h\n  password: !secret " + canary + "\n", "c.yaml:4: identities[0].password should be a single text"},
		{"placeholder", "identities:\n- name: a@b.example\n  host: h\n  password: '********'\n", "c.yaml:4: identities[0].password is the placeholder"},
		{"boolean", "identities:\n- name: a@b.example\n  host: h\n  default: " + canary + "\n", "c.yaml:4: identities[0].default should be true or false"},
		{"tls", "identities:\n- name: a@b.example\n  host: h\n  tls: " + canary + "\n", "c.yaml:4: identities[0].tls should be implicit, starttls, opportunistic or off"},
		{"duration", "batch_delay: " + canary + "\nidentities: [{name: a@b.example, host: h}]", "c.yaml:1: batch_delay should be a time with its unit, such as 5s or never"},
		{"duration without unit", "mda_timeout: 5\nidentities: [{name: a@b.example, host: h}]", "c.yaml:1: mda_timeout should be a time with its unit"},
		{"negative duration", "batch_delay: -1s\nidentities: [{name: a@b.example, host: h}]", "c.yaml:1: batch_delay should be a time"},
		{"no messages a session", "identities: [{name: a@b.example, host: h, max_messages_per_session: 0}]", "c.yaml:1: identities[0].max_messages_per_session should be a number from 1 to 1000000"},
		{"too many sessions", "identities: [{name: a@b.example, host: h, sessions: 1000}]", "c.yaml:1: identities[0].sessions should be a number from 1 to 100"},
		{"sessions that are no number", "identities: [{name: a@b.example, host: h, sessions: [2]}]", "c.yaml:1: identities[0].sessions should be a number from 1 to 100"},
		{"a long pause", "identities: [{name: a@b.example, host: h, relogin_delay: 2h}]", "c.yaml:1: identities[0].relogin_delay should be an hour at most"},
		{"never elsewhere", "mda_timeout: never\nidentities: [{name: a@b.example, host: h}]", "c.yaml:1: mda_timeout should be a time"},
		{"match is no list", "identities:\n- name: a@b.example\n  host: h\n  match: {" + canary + ": x}\n", "c.yaml:4: identities[0].match should be a list"},
		{"brackets in match", "identities:\n- {name: a, host: h, match: ['Ann <a@b.example>']}\n", "c.yaml:2: identities[0].match[0] should be an address or pattern alone"},
		{"no host", "identities:\n- name: a@b.example\n", "c.yaml:2: identities[0] has no host"},
		{"no name", "identities:\n- host: h\n", "c.yaml:2: identities[0] needs a name"},
		{"same name", "identities:\n- {name: a, host: h}\n- {name: a, host: h}\n", "c.yaml:3: this identity has the name of the one in line 2"},
		{"two defaults", "identities:\n- {name: a, host: h, default: true}\n- {name: b, host: h, default: true}\n", "c.yaml:3: a second identity with default: true; the first is in line 2"},
		{"two ports", "identities:\n- {name: a, host: 'h:25', port: 26}\n", "c.yaml:2: identities[0] has a port here and another one in host"},
		{"bad port", "identities:\n- name: a\n  host: h\n  port: 65536\n", "c.yaml:4: identities[0].port has a port that is not between"},
		{"bad brackets", "identities:\n- {name: a, host: '[h]:25'}\n", "c.yaml:2: identities[0].host should have an IPv6 address between its brackets"},
		{"user in host", "identities:\n- {name: a, host: 'ann:" + canary + "@h'}\n", "c.yaml:2: identities[0].host has a port that is neither"},
		{"control character", "identities:\n- name: a\n  host: h\n  helo: \"x\\r\\nDATA\"\n", "c.yaml:4: identities[0].helo holds a control character"},
		{"password and token", "identities:\n- name: a\n  host: h\n  username: u\n  token_command: x\n  password_command: pass\n", "c.yaml:5: identities[0] has both password_command and token_command"},
		{"a token without a user name", "identities:\n- name: a\n  host: h\n  token_command: x\n", "c.yaml:4: identities[0] has a token_command and no username"},
		{"a mechanism that is none", "identities:\n- name: a\n  host: h\n  auth: [plain, " + canary + "]\n", "c.yaml:4: identities[0].auth should name mechanisms such as scram-sha-256, plain or xoauth2"},
		{"a mechanism that is not supported", "identities:\n- name: a\n  host: h\n  auth: gssapi\n", "c.yaml:4: identities[0].auth: that mechanism is not supported; see auth in esmtpq.yaml(5)"},
		{"no provider", "identities:\n- name: a\n  host: h\n  username: u\n  oauth: " + canary + "\n", "c.yaml:5: identities[0].oauth should be google, microsoft,"},
		{"an issuer in clear", "identities:\n- name: a\n  host: h\n  username: u\n  oauth:\n    provider: http://example.org\n", "c.yaml:6: identities[0].oauth should be google, microsoft,"},
		{"a secret without its client", "identities:\n- name: a@x\n  oauth:\n    provider: google\n    client_secret: " + canary + "\n", "c.yaml:4: identities[0].oauth has a client_secret and no client_id"},
		{"two clients", "identities:\n- name: a@x\n  oauth:\n    provider: google\n    client_id: i\n    client_id_command: c\n", "c.yaml:4: identities[0].oauth has a client_id_command and beside it"},
		{"a tenant that leads elsewhere", "identities:\n- name: a@x\n  oauth:\n    provider: microsoft\n    tenant: a/../b\n", "c.yaml:4: identities[0].oauth.tenant should be a domain or an ID"},
		{"a token endpoint in clear", "identities:\n- name: a@x\n  oauth:\n    provider: google\n    token_url: http://example.org\n", "c.yaml:4: identities[0].oauth: an address should begin with https"},
		{"an unknown key of oauth", "identities:\n- name: a@x\n  oauth:\n    provider: google\n    secret: " + canary + "\n", "c.yaml:5: unknown key identities[0].oauth.(not shown)"},
		{"oauth and a password", "identities:\n- name: a@x\n  oauth: google\n  password: " + canary + "\n", "c.yaml:3: identities[0] has both password and oauth"},
		{"oauth without a host", "identities:\n- name: a@x\n  oauth: https://example.org\n", "c.yaml:2: identities[0] has no host"},
		{"keyring and netrc", "identities:\n- name: a\n  host: h\n  username: u\n  password_keyring: true\n  password_credential: x\n", "c.yaml:6: identities[0] has both password_keyring and password_credential"},
		{"a keyring without a user name", "identities:\n- name: a\n  host: h\n  password_keyring: true\n", "c.yaml:2: identities[0] says where its password is and has no username"},
		{"two passwords", "identities:\n- name: a\n  host: h\n  password: " + canary + "\n  password_command: pass\n", "c.yaml:5: identities[0] has both password and password_command"},
		{"key without certificate", "identities:\n- name: a\n  host: h\n  client_key: /k\n", "c.yaml:4: identities[0] has a client_key and no client_certificate"},
		{"relative file", "identities:\n- name: a\n  host: h\n  ca_file: ca.pem\n", "c.yaml:4: identities[0].ca_file should begin with / or ~/"},
		{"alias of a command", "aliases:\n  root: '|" + canary + "'\nidentities: [{name: a, host: h}]", "c.yaml:2: aliases: what a name stands for should be an address"},
		{"alias of a file", "aliases:\n  root: /" + canary + "\nidentities: [{name: a, host: h}]", "c.yaml:2: aliases: what a name stands for should be an address"},
		{"alias of nothing", "aliases:\n  root: 'no address'\nidentities: [{name: a, host: h}]", "c.yaml:2: aliases: what a name stands for should be one address"},
		{"alias of a list", "aliases:\n  root: [a@b.example, c@d.example]\nidentities: [{name: a, host: h}]", "c.yaml:2: aliases should be a single text"},
		{"alias of an address", "aliases:\n  root@example.org: a@b.example\nidentities: [{name: a, host: h}]", "c.yaml:2: aliases should be lines of a local name"},
		{"alias twice", "aliases:\n  root: a@b.example\n  Root: c@d.example\nidentities: [{name: a, host: h}]", "c.yaml:3: aliases has this name twice, first in line 2"},
		{"a circle of aliases", "aliases:\n  a: b\n  b: c@localhost\n  c: A\nidentities: [{name: a, host: h}]", "c.yaml:2: aliases: this name leads back to itself"},
		{"an alias of itself", "local_domains: x.example\naliases: {a: a@x.example}\nidentities: [{name: a, host: h}]", "c.yaml:2: aliases: this name leads back to itself"},
		{"aliases that are none", "aliases: [a, b]\nidentities: [{name: a, host: h}]", "c.yaml:1: aliases should be made of lines like"},
		{"a local domain of a dot", "local_domains: [.]\nidentities: [{name: a, host: h}]", "c.yaml:1: local_domains is no domain"},
		{"a local domain that is none", "local_domains: [a@b.example]\nidentities: [{name: a, host: h}]", "c.yaml:1: local_domains is no domain"},
		{"not UTF-8", "identities:\n- name: \"\xe9\"\n", "c.yaml:2: is not UTF-8"},
		{"control octet", "identities:\n- name: a\n  password: \x01" + canary + "\n", "c.yaml:3: is not valid YAML: a control character"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { checkYAMLError(t, test.text, test.want) })
	}
}

// Syntax errors: the line, and what to do, in our words.
func TestYAMLSyntaxErrors(t *testing.T) {
	const head = "identities:\n- name: a\n  host: h\n"
	tests := []struct{ name, text, want string }{
		{"line 1", "a: b: " + canary + "\n", "c.yaml:1: is not valid YAML: a colon where none can be"},
		{"colon", head + "  password: x: " + canary + "\n", "c.yaml:4: is not valid YAML: a colon where none can be"},
		{"pattern", head + "  match:\n  - *@example.com\n", "c.yaml:5: is not valid YAML: an unquoted value begins with \"*\""},
		{"alias", head + "  password: *" + canary + "\n", "c.yaml:4: is not valid YAML: an unquoted value begins with \"*\""},
		{"percent", head + "  password: %" + canary + "\n", "c.yaml:4: is not valid YAML: an unquoted value begins with a special character"},
		{"at", head + "  password: @" + canary + "\n", "c.yaml:4: is not valid YAML: an unquoted value begins with a special character"},
		{"backtick", head + "  password: `" + canary + "\n", "c.yaml:4: is not valid YAML: an unquoted value begins with a special character"},
		{"tab", head + "\tpassword: " + canary + "\n", "c.yaml:4: is not valid YAML: "},
		{"escape", head + "  password: \"\\q" + canary + "\"\n", "c.yaml:4: is not valid YAML: an unknown escape"},
		{"open quote", head + "  password: \"" + canary + "\n", "c.yaml:4: is not valid YAML: a quotation mark is missing"},
		{"text after quote", head + "  password: \"x\" " + canary + "\n", "c.yaml:4: is not valid YAML: "},
		{"indentation", head + " password: " + canary + "\n", "c.yaml:4: is not valid YAML: "},
		{"no colon", head + "  " + canary + "\n  helo: x\n", "c.yaml:4: is not valid YAML: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { checkYAMLError(t, test.text, test.want) })
	}
}

func checkYAMLError(t *testing.T, text, want string) {
	t.Helper()
	c, err := parse("c.yaml", []byte(text), annsHome)
	if err == nil {
		t.Fatalf("accepted: %+v", c)
	}
	var ce *ConfigError
	if !errors.As(err, &ce) {
		t.Errorf("not a ConfigError: %T", err)
	} else if strings.Contains(ce.Hint, canary) {
		t.Errorf("the hint shows the secret: %s", ce.Hint)
	}
	if got := err.Error(); !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	} else if strings.Contains(got, canary) {
		t.Errorf("shows the secret: %s", got)
	}
}

func TestYAMLWarnings(t *testing.T) {
	tests := []struct{ settings, want string }{
		{"password: abc #def", `c.yaml:4: identities[0].password ends before the "#"; if that belongs to it, put it in quotes`},
		{"password: 'abc' # from the provider", ""},
		{"port: 465\n  tls: starttls", "c.yaml:5: identities[0]: port 465 speaks TLS from the start; tls should be implicit"},
		{"tls: off\n  password: x", "c.yaml:4: the password is never sent without TLS; write tls: starttls"},
		{"tls: off\n  password: x\n  tunnel: ssh gateway", "c.yaml:4: the password is never sent without TLS; write tls: starttls"},
		{"tls: off\n  password: x\n  proxy: socks5://localhost:1080", "c.yaml:4: the password is never sent without TLS; write tls: starttls"},
	}
	for _, test := range tests {
		c := parseText(t, "c.yaml", "identities:\n- name: a\n  host: h\n  "+test.settings+"\n")
		if got := strings.Join(c.Warnings, "|"); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.settings, got, test.want)
		}
	}
}

// A provider brings its host, and the user name is the identity's.
func TestOAuthSettings(t *testing.T) {
	c := parseText(t, "c.yaml", `identities:
  - name: ann@example.org
    oauth: google
  - name: work
    match: [ann@example.com]
    username: ann@example.com
    host: relay.example.com
    oauth:
      provider: microsoft
      tenant: example.com
      client_id: i
      client_secret: s
      scope: mail offline_access
      redirect_url: http://127.0.0.1/back
`)
	google, work := c.Identities[0], c.Identities[1]
	if google.Host != "smtp.gmail.com" || google.Port != "465" || google.TLS != TLSImplicit || google.Username != "ann@example.org" || !google.UsesToken() {
		t.Errorf("%+v", google)
	}
	if work.Host != "relay.example.com" || work.TLS != TLSStartTLS || work.OAuth.ClientSecret.Reveal() != "s" || !c.holdsSecret() {
		t.Errorf("%+v %+v", work, work.OAuth)
	}
	root, _ := c.Tree()
	var b strings.Builder
	if err := yaml.Write(&b, root, ""); err != nil || strings.Contains(b.String(), "client_secret: s") {
		t.Errorf("%v\n%s", err, b.String())
	}
	again := parseText(t, "c.yaml", strings.ReplaceAll(b.String(), Mask, "s"))
	if *again.Identities[1].OAuth != (OAuth{Provider: "microsoft", Tenant: "example.com", ClientID: "i", ClientSecret: again.Identities[1].OAuth.ClientSecret,
		Scope: "mail offline_access", RedirectURL: "http://127.0.0.1/back"}) {
		t.Errorf("%+v\n%s", again.Identities[1].OAuth, b.String())
	}
}

// The client may come from a command.
func TestOAuthClient(t *testing.T) {
	id := &Identity{Name: "work", Run: helper.Output, OAuth: &OAuth{ClientIDCommand: "echo an-id; echo a-secret"}}
	if i, s, err := id.OAuthClient(t.Context()); i != "an-id" || s != "a-secret" || err != nil {
		t.Errorf("%q %q %v", i, s, err)
	}
	id.OAuth.ClientIDCommand = "exit 2"
	if _, _, err := id.OAuthClient(t.Context()); err == nil || err.Error() != "the client_id_command failed: exit status 2" {
		t.Error(err)
	}
}
