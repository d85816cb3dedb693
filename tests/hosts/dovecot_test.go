package hosts

import (
	"fmt"
	"testing"
)

// Dovecot's submission service passes mail on during the session: its replies to RCPT and to the
// end are those of its relay.
func TestDovecotChecks(t *testing.T) { startDovecot(t, "dovecot", "", "").checks(t) }

// The first of two mails came twice, each time: an envelope behind a final dot kills the
// session's process of Dovecot 2.3, with the mail before it passed on and not answered.
func TestDovecotTwoMails(t *testing.T) {
	h := startDovecot(t, "dovecot", "", "")
	for n := 1; n <= 4; n++ {
		me := newSecurePerson(t, h, h.password)
		for range 3 {
			mails := h.newMails(n)
			me.send(mails...)
			me.once(mails)
		}
		me.connects(3)
	}
}

// Dovecot 2.4 offers SMTPUTF8 only after the login.
func TestDovecotNext(t *testing.T) {
	onlyLong(t)
	h := startDovecot(t, "dovecot-next", "", "")
	t.Run("beyond ASCII", func(t *testing.T) {
		me := newSecurePerson(t, h, h.password)
		mails := h.newMails(3)
		mails[1].to = []string{"grüße@example.net"}
		me.send(mails...)
		me.once(mails)
		me.connects(1)
	})
	h.checks(t)
}

const dovecotConf = `protocols = submission
listen = 127.0.0.1
hostname = smarthost.test
ssl = yes
log_path = /dev/stderr
submission_relay_host = 127.0.0.1
submission_relay_port = %[1]s
service submission-login {
  inet_listener submission {
    port = %[2]s
  }
}
`

// From 2.4 on the rest has another syntax.
var dovecotRest = map[string]string{
	"dovecot": `mail_location = maildir:~/Maildir
ssl_cert = </etc/tls/cert.pem
ssl_key = </etc/tls/key.pem
passdb {
  driver = static
  args = password=%[3]s
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/mail/%%u
}
`,
	"dovecot-next": `dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
mail_driver = maildir
mail_path = ~/Maildir
mail_inbox_path =
ssl_server_cert_file = /etc/tls/cert.pem
ssl_server_key_file = /etc/tls/key.pem
passdb static {
  password = %[3]s
}
userdb static {
  fields {
    uid = vmail
    gid = vmail
    home = /var/mail/%%{user}
  }
}
`,
}

// startDovecot starts a Dovecot whose packages are in this directory of the cache, with more lines of
// configuration, settings for tokens, and files below /etc: a name and its content each.
func startDovecot(t *testing.T, packages string, more, oauth2 string, etc ...string) *host {
	t.Helper()
	root := unpacked(t, packages, "usr/sbin/dovecot")
	h := newHost(t, packages)
	h.secure = h.addr
	h.login, h.utf8 = true, packages == "dovecot-next"
	h.size = 41943040 // stated after the login
	h.refuse = "No such user here"
	conf := dovecotConf + dovecotRest[packages]
	if packages == "dovecot-next" {
		conf = dovecotRest[packages] + dovecotConf // the version comes first
	}
	m := newMachine(t, h.cert, root, "dovecot", "dovenull", "vmail")
	m.write("dovecot/dovecot.conf", fmt.Sprintf(conf, h.sink.port(), portOf(h.addr), h.password)+more)
	m.write("dovecot/oauth2", oauth2)
	for i := 0; i+1 < len(etc); i += 2 {
		m.write(etc[i], etc[i+1])
	}
	h.awaitReady(t, start(t, m.command("chmod 777 /var/mail\nmkdir -p /var/lib/dovecot\nexec dovecot -F\n")))
	return h
}
