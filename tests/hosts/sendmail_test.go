package hosts

import (
	"fmt"
	"strings"
	"testing"
)

// sendmail offers a login in clear, gives no number with SIZE, and refuses a NUL.
func TestSendmailChecks(t *testing.T) { startSendmail(t).checks(t) }

// sendmailListens lets it take mail at two ports, at the second one only with TLS and a login.
const sendmailListens = "FEATURE(`no_default_msa')dnl\n" +
	"FEATURE(`access_db', `hash -T<TMPF> /etc/mail/access')dnl\nFEATURE(`blocklist_recipients')dnl\n" +
	"DAEMON_OPTIONS(`Port=%[1]s, Addr=127.0.0.1, Name=MTA, M=A')dnl\n" +
	"DAEMON_OPTIONS(`Port=%[2]s, Addr=127.0.0.1, Name=MSA, M=a')dnl\n" +
	"define(`confCACERT_PATH', `/etc/tls')dnl\ndefine(`confCACERT', `/etc/tls/cert.pem')dnl\n" +
	"define(`confSERVER_CERT', `/etc/tls/cert.pem')dnl\ndefine(`confSERVER_KEY', `/etc/tls/key.pem')dnl\n" +
	"TRUST_AUTH_MECH(`PLAIN LOGIN')dnl\ndefine(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl\n" +
	"define(`confMAX_MESSAGE_SIZE', `20971520')dnl\n" +
	"LOCAL_CONFIG\nFR-o /etc/mail/relay-domains\n"

// startSendmail starts one with what Debian's configuration has in common with any.
func startSendmail(t *testing.T) *host {
	t.Helper()
	root := unpacked(t, "sendmail", "usr/sbin/saslpasswd2")
	h := newHost(t, "sendmail")
	h.badDomain, h.refuse, h.abroad = "refused.test", "No such user", "elsewhere.test"
	h.size, h.utf8, h.line, h.fleeting = 20<<20, false, altered, true
	m := newMachine(t, h.cert, root, "smmta", "smmsp")
	conf := fmt.Sprintf(strings.Replace(sendmailConf, "MAILER(", "%[2]sMAILER(", 1), h.sink.port(),
		fmt.Sprintf(sendmailListens, portOf(h.addr), portOf(h.secure)))
	m.write("mail/test.mc", conf)
	m.write("mail/service.switch", "hosts files\naliases files\npasswd files\n") // no DNS
	m.write("mail/local-host-names", "smarthost.test\n")
	m.write("mail/trusted-users", "root\n")
	m.write("mail/relay-domains", h.domain+"\n")
	m.write("mail/access", "To:"+h.badDomain+"\tERROR:5.1.1:550 No such user\n")
	m.write("sasl2/Sendmail.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n")
	h.awaitReady(t, start(t, m.command(`
chmod 600 /etc/tls/key.pem
mkdir -p /var/spool/mqueue /var/lib/sendmail/host_status /run/sendmail/mta; chmod 700 /var/spool/mqueue
echo `+h.password+` | saslpasswd2 -p -c -u smarthost.test `+h.user+`
chmod 600 /etc/sasldb2
cd /etc/mail
PATH=$PATH:`+root+`/usr/libexec/sendmail:`+root+`/usr/sbin
m4 test.mc >test.cf 2>m4.log || cat m4.log
makemap -C test.cf hash access <access
exec `+root+`/usr/libexec/sendmail/sendmail -bD -q5s -C /etc/mail/test.cf
`)))
	return h
}
