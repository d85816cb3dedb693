package setup

import (
	"os"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

const digits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// An importCase is a file of another program, and what becomes of it.
type importCase struct {
	file, content string
	yaml          string // without line ends and dashes
	notes         string // parts of what is said, with ";" between
}

var importCases = []importCase{
	{".msmtprc", `defaults
auth on
tls on
tls_trust_file /etc/ssl/certs/ca-certificates.crt
logfile ~/log
account home
host smtp.example.org
port 587
from me@example.org
user me
passwordeval "pass show mail"
account work : home
host mail.example.com
tls_starttls off
from *@example.com
password hushhush
tls_fingerprint 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF
port
defaults
timeout 30
account token
host smtp.gmail.com
from x@gmail.com
auth oauthbearer
user x@gmail.com
passwordeval oama access x@gmail.com
tls_certcheck off
allow_from_override off
proxy_host 127.0.0.1
account plain
host mx.example.net
auth off
tls off
domain laptop.example.net
account default : work
`, `name: home match: me@example.org host: smtp.example.org port: 587 username: me password_command: "pass show mail"
name: work match: "*@example.com" default: true host: mail.example.com port: 465 tls_fingerprint: "sha256:` + digits + `" username: me password: "********"
name: token match: x@gmail.com host: smtp.gmail.com port: 25 username: x@gmail.com token_command: "oama access x@gmail.com" auth: oauthbearer reverse_path: x@gmail.com proxy: "socks5://127.0.0.1:1080" timeout: 30s
name: plain host: mx.example.net port: 25 tls: off helo: laptop.example.net timeout: 30s`,
		"account plain has no from; line 5: logfile means something else here; any certificate was taken; the sender's address chooses"},
	{".muttrc", `set from = "nina@example.org" realname="Nina"
set my_pw=hushhush
set smtp_url="smtp://nina%40example.org@smtp.example.org:587/" \
  smtp_pass = "$my_pw"
account-hook work 'set smtp_url=smtp://x@y'
source ~/more
`, `name: nina@example.org default: true host: smtp.example.org port: 587 username: nina@example.org password: "********"`,
		"line 4: account-hook sets another smtp_url; source: not read; mutt took TLS if it was offered"},
	{"nested/muttrc", "set smtp_url=smtps://nina@smtp.example.org smtp_pass=`pass show nina` smtp_authenticators='plain:gssapi'\n",
		`name: smtp.example.org default: true host: smtp.example.org port: 465 username: nina password_command: "pass show nina" auth: plain`, ""},
	{"accounts.conf", `[Home]
source = imaps://x@y
outgoing = smtp+plain://jo%40example.org:hushhush@smtp.example.org
from = Jo <jo@example.org>
aliases = *@jo.example, "J" <j@example.net>
[Bare]
outgoing = smtp+insecure://jo:hushhush@smtp.example.com:25
from = jo@example.com
outgoing-cred-cmd = pass jo
[Local]
outgoing = /usr/sbin/sendmail
from = a@example.net
`, `name: Home match: jo@example.org "*@jo.example" j@example.net default: true host: smtp.example.org port: 587 username: jo@example.org password: "********" auth: plain
name: Bare match: jo@example.com host: smtp.example.com port: 25 username: jo password_command: "pass jo"`,
		"account Local sends by a command; here TLS is required"},
	{".gitconfig", `[user]
	email = g@example.org
[sendemail]
	smtpServer = smtp.example.org
	smtpServerPort = 587
	smtpEncryption = tls
	smtpUser = "g'%s@example.org"
[sendemail "lists"]
	smtpServer = smtp.example.net
	smtpServerPort = 465
	smtpEncryption = ssl
	smtpPass = hushhush
	smtpBatchSize = 5
	smtpReloginDelay = 2
	from = "G <g@example.net>"
`, `name: g@example.org default: true host: smtp.example.org port: 587 username: "g'%s@example.org" password_command: "printf 'protocol=smtp\\nhost=smtp.example.org:587\\nusername=gs@example.org\\n' | git credential fill | sed -n 's/^password=//p'"
name: lists match: g@example.net host: smtp.example.net port: 465 username: "g'%s@example.org" password: "********" max_messages_per_session: 5 relogin_delay: 2s`,
		"sendemail.sendmailCmd"},
	{"nullmailer/remotes", `# hosts
smtp.example.org smtp --port=465 --ssl --user=u --pass='hush hush' --auth-login
backup.example.org smtp --port=587 --starttls --user=u --pass='hush hush'
other.example.org smtp --user=z --pass=hushhush --insecure
queue.example.org qmqp
`, `name: nullmailer default: true hosts: "smtp.example.org:465" "backup.example.org:587" username: u password: "********" auth: login`,
		"line 4: a further host with another login; the protocol qmqp is not known; took any certificate"},
	{"ssmtp.conf", "root=postmaster\nmailhub=smtp.example.org:587\nAuthUser=u\nAuthPass=hushhush\nUseSTARTTLS=YES\nrewriteDomain=example.org\n",
		`name: ssmtp default: true host: smtp.example.org port: 587 username: u password: "********" qualify_domain: example.org`,
		"line 1: root; ssmtp verified no certificate; FromLineOverride"},
	{".esmtprc", "mda = \"/usr/bin/procmail -d %T\"\nidentity = me@example.org\nhostname = smtp.example.org:587\nusername = me\npassword = \"hushhush\"\nstarttls = required\n",
		`name: me@example.org default: true host: smtp.example.org port: 587 username: me password: "********"`, ""},
}

// What the files of other programs say is said in our words, without secrets; and what means something
// else is named.
func TestImport(t *testing.T) {
	t.Parallel()
	for _, c := range importCases {
		p := stage.NewPerson(t)
		p.Write(c.file, c.content)
		r := p.Try("", "esmtpq", "import", p.Path(c.file))
		_, got, _ := strings.Cut(r.Stdout, "identities:\n")
		got = flat(strings.ReplaceAll(strings.ReplaceAll(got, "- name:", "name:"), " # copy it from the file above, or better use password_command", ""))
		if r.Code != 0 || got != flat(c.yaml) {
			t.Errorf("%s: exit %d\n got %s\nwant %s\nstderr: %s", c.file, r.Code, got, flat(c.yaml), r.Stderr)
		}
		for _, note := range strings.Split(c.notes, "; ") {
			if !strings.Contains(r.Stderr, note) {
				t.Errorf("%s: nothing is said about %q:\n%s", c.file, note, r.Stderr)
			}
		}
		if said := r.Stdout + r.Stderr; strings.Contains(said, "hush") {
			t.Errorf("%s: the password shows:\n%s", c.file, said)
		}
		if stage.Exists(p.Path(config)) {
			t.Errorf("%s: something was saved", c.file)
		}
		// What is added is read, and nothing is added twice.
		if r := p.Try("", "esmtpq", "import", "--apply", p.Path(c.file)); strings.Contains(c.yaml, "****") != (r.Code == 64) {
			t.Errorf("%s: a password without a word where to: %+v", c.file, r)
		}
		if strings.Contains(c.yaml, "****") {
			if r := p.Try("", "esmtpq", "import", "--apply", "--in-clear", p.Path(c.file)); r.Code != 0 || strings.Contains(r.Stderr, "hush") {
				t.Errorf("%s: %+v", c.file, r)
			}
		}
		out := p.Run("", "esmtpq", "config")
		for line := range strings.SplitSeq(c.yaml, "\n") {
			if name := strings.Fields(line)[1]; !strings.Contains(out, "- name: "+name+"\n") {
				t.Errorf("%s: %s was not added:\n%s", c.file, name, out)
			}
		}
		before, _ := os.ReadFile(p.Path(config))
		if r := p.Try("", "esmtpq", "import", "--apply", "--in-clear", p.Path(c.file)); r.Code != 69 || !strings.Contains(r.Stderr, "already") {
			t.Errorf("%s: again: %+v", c.file, r)
		}
		if after, _ := os.ReadFile(p.Path(config)); string(after) != string(before) || strings.Contains(c.content, "hush") != strings.Contains(string(after), "hush") {
			t.Errorf("%s: the file is\n%s", c.file, after)
		}
	}
}

func flat(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(" "+strings.ReplaceAll(s, "\n", " \n "), " - ", " ")), " ")
}

// The files are found where their programs look for them, and mail goes out with what they say.
func TestImportSends(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	me := w.newcomer(t)
	me.Write(".msmtprc", "account default\nhost smtp.auto.test\nport 587\ntls on\nauth on\nuser nina@auto.test\nfrom nina@auto.test\npasswordeval echo '"+stage.Password+"'\n")
	me.Run("", "esmtpq", "import", "--apply")
	me.Run("Subject: as msmtp had it\n\ntext\n", "sendmail", "nina@auto.test")
	me.Deliver()
	w.arrived(t, "Subject: as msmtp had it")
}

// What is in effect is taken along, with all that it says; nothing else replaces it.
func TestImportEsmtprc(t *testing.T) {
	t.Parallel()
	me := stage.NewPerson(t, `mda = "/bin/cat %T"`, "hostname = smtp.example.org", `username = me`, `password = "hush # hush"`, "starttls = required")
	me.Write(".msmtprc", "account a\nhost smtp.example.com\nfrom a@example.com\n")
	if r := me.Try("", "esmtpq", "import", "--apply", me.Path(".msmtprc")); r.Code != 78 || !strings.Contains(r.Stderr, "is in effect now") || stage.Exists(me.Path(config)) {
		t.Errorf("%+v", r)
	}
	before := me.Run("", "esmtpq", "config")
	me.Run("", "esmtpq", "import", "--apply", "--in-clear", me.Path(".esmtprc"))
	after := me.Run("", "esmtpq", "config")
	_, before, _ = strings.Cut(before, "\n")
	if _, after, _ = strings.Cut(after, "\n"); after != before {
		t.Errorf("before:\n%safter:\n%s", before, after)
	}
	if b, _ := os.ReadFile(me.Path(config)); !strings.Contains(string(b), `"hush # hush"`) {
		t.Errorf("the password is not there:\n%s", b)
	}
	// With that there, the other one can be added.
	me.Run("", "esmtpq", "import", "--apply", me.Path(".msmtprc"))
}

// Files of something else end with a reason.
func TestImportNonsense(t *testing.T) {
	t.Parallel()
	me := stage.NewPerson(t)
	if r := me.Try("", "esmtpq", "import"); r.Code != 69 || !strings.Contains(r.Stderr, "nothing to import was found") {
		t.Errorf("%+v", r)
	}
	me.Write("file", "hush")
	me.Write("broken", "[hush")
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"file"}, 64, "--kind"},
		{[]string{"--kind", "msmtp", "gone"}, 66, "no such file"},
		{[]string{"--kind", "msmtp", "."}, 66, "not a regular file"},
		{[]string{"--kind", "git", "broken"}, 66, "git cannot read it"},
		{[]string{"--kind", "esmtp", "file"}, 66, "syntax error"},
		{[]string{"--kind", "msmtp", "file"}, 69, "nothing to import"},
		{[]string{"--kind", "mutt", "file"}, 69, "no smtp_url"},
		{[]string{"--kind", "aerc", "file"}, 69, "nothing to import"},
		{[]string{"--kind", "x", "file"}, 64, "--kind"},
		{[]string{"--keyring", "--in-clear"}, 64, "only one"},
	} {
		r := me.Try("", "esmtpq", append([]string{"import"}, test.args...)...)
		if r.Code != test.code || !strings.Contains(r.Stderr, test.says) || strings.Contains(r.Stderr, "hush") || r.Stdout != "" {
			t.Errorf("%q: want %d and %q: %+v", test.args, test.code, test.says, r)
		}
	}
}
