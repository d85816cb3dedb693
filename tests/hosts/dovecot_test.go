package hosts

import (
	"testing"
)

// Dovecot's submission service passes on while it is spoken to: what its relay answers to RCPT and to the end is what
// it says itself.
func TestDovecotChecks(t *testing.T) { startDovecot(t, "dovecot").checks(t) }

// Of two mails the first came twice, each time: the session's process of Dovecot 2.3 dies of an envelope behind
// a final dot, the mail before it passed on and not answered. (H12)
func TestDovecotTwoMails(t *testing.T) {
	h := startDovecot(t, "dovecot")
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

// startDovecot starts one: the packages are in this directory of the cache.
func startDovecot(t *testing.T, packages string) *host {
	t.Helper()
	root := unpacked(t, packages, "usr/sbin/dovecot")
	h := newHost(t, packages)
	h.secure = h.addr
	h.login, h.utf8 = true, false
	h.size = 41943040 // said behind the login
	h.refuse = "No such user here"
	m := newMachine(t, h.cert, root, "dovecot", "dovenull", "vmail")
	m.write("dovecot/dovecot.conf", "protocols = submission\nlisten = 127.0.0.1\nhostname = smarthost.test\nssl = yes\n"+
		"log_path = /dev/stderr\nmail_location = maildir:~/Maildir\n"+
		"ssl_cert = </etc/tls/cert.pem\nssl_key = </etc/tls/key.pem\n"+
		"submission_relay_host = 127.0.0.1\nsubmission_relay_port = "+h.sink.port()+"\n"+
		"service submission-login {\n  inet_listener submission {\n    port = "+portOf(h.addr)+"\n  }\n}\n"+
		"passdb {\n  driver = static\n  args = password="+h.password+"\n}\n"+
		"userdb {\n  driver = static\n  args = uid=vmail gid=vmail home=/var/mail/%u\n}\n")
	h.awaitReady(t, start(t, m.command("chmod 777 /var/mail\nmkdir -p /var/lib/dovecot\nexec dovecot -F\n")))
	return h
}
