package hosts

import (
	"fmt"
	"testing"
)

// OpenSMTPD offers no PIPELINING: one command at a time.
func TestOpenSMTPDChecks(t *testing.T) { startOpenSMTPD(t, "opensmtpd").checks(t) }

// 452 to MAIL after the limit of messages concerns the session: the rest goes over another one,
// and no mail is charged.
func TestOpenSMTPDMessagesOfASession(t *testing.T) {
	onlyLong(t) // the checks have such a series, too
	messagesOfASession(t, startOpenSMTPD(t, "opensmtpd"))
}

func messagesOfASession(t *testing.T, h *host) {
	me := newPerson(t, h)
	mails := h.newMails(330)
	me.send(mails...)
	me.once(mails)
	me.inOrder(mails)
	me.connects(h.sessions(len(mails)))
}

// The newer ones do TLS, and answer 451 or 452.
func TestOpenSMTPDNext(t *testing.T) {
	onlyLong(t)
	h := startOpenSMTPD(t, "opensmtpd-next")
	t.Run("messages of a session", func(t *testing.T) { messagesOfASession(t, h) })
	h.checks(t)
}

// startOpenSMTPD starts an OpenSMTPD. Debian 12's ends every TLS handshake with an internal
// error, so it takes mail in clear.
func startOpenSMTPD(t *testing.T, packages string) *host {
	t.Helper()
	root := unpacked(t, packages, "usr/sbin/smtpd")
	h := newHost(t, packages)
	h.utf8, h.most = false, 100
	h.size, h.refuse = 35<<20, "Invalid recipient"
	conf := fmt.Sprintf(`listen on 127.0.0.1 port %s hostname smarthost.test
action "relay" relay host "smtp+notls://127.0.0.1:%s"
`, portOf(h.addr), h.sink.port())
	if packages == "opensmtpd" {
		h.secure = ""
	} else {
		conf = fmt.Sprintf(`pki smarthost.test cert "/etc/tls/cert.pem"
pki smarthost.test key "/etc/tls/key.pem"
table creds file:/etc/creds
listen on 127.0.0.1 port %s tls-require pki smarthost.test auth <creds> hostname smarthost.test
`, portOf(h.secure)) + conf + `match auth from any for any action "relay"
`
	}
	m := newMachine(t, h.cert, root, "opensmtpd", "opensmtpq")
	m.write("smtpd.conf", conf+`match from any for rcpt-to regex "^bad" reject
match from any for domain "example.net" action "relay"
`)
	m.write("aliases", "")
	h.awaitReady(t, start(t, m.command(`
mkdir -p /run/empty /var/lib/opensmtpd /var/lib/opensmtpd/empty /var/spool/smtpd /var/empty
chmod 711 /var/spool/smtpd
chmod 600 /etc/tls/key.pem
echo "user $(openssl passwd -6 `+h.password+`)" >/etc/creds
exec smtpd -d -f /etc/smtpd.conf
`)))
	return h
}
