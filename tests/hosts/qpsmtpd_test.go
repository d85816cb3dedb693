package hosts

import (
	"testing"

	"esmtpq/tests/stage"
)

// qpsmtpd refuses EHLO behind a login, and says 550 where it wants one.
func TestQpsmtpdChecks(t *testing.T) {
	onlyLong(t)
	startQpsmtpd(t).checks(t)
}

// startQpsmtpd starts two, with the plugins of the package but for what asks others about us.
func startQpsmtpd(t *testing.T) *host {
	t.Helper()
	root := unpacked(t, "qpsmtpd", "usr/bin/qpsmtpd-forkserver")
	stage.Needs(t, "perl")
	h := newHost(t, "qpsmtpd")
	h.user, h.utf8, h.login = "user@example.net", false, true
	h.refuse, h.abroad = "not accepted here", "elsewhere.test"
	m := newMachine(t, h.cert, root, "qpsmtpd")
	m.write("qpsmtpd/plugins", "tls /etc/tls/cert.pem /etc/tls/key.pem /etc/tls/cert.pem\nauth/auth_flat_file\nrefuse\nrcpt_ok\nqueue/smtp-forward 127.0.0.1 "+h.sink.port()+"\n")
	m.write("qpsmtpd/plugin_dirs", "/etc/qpsmtpd/ours\n/usr/share/qpsmtpd/plugins\n")
	m.write("qpsmtpd/ours/refuse", `
use Qpsmtpd::Constants;
sub hook_rcpt {
	my ($self, $transaction, $recipient) = @_;
	return $recipient->user =~ /^bad/ ? (DENY, "mail to it is not accepted here") : (DECLINED);
}
`)
	m.write("qpsmtpd/logging", "logging/warn LOGWARN\n")
	m.write("qpsmtpd/rcpthosts", h.domain+"\n")
	m.write("qpsmtpd/me", "smarthost.test\n")
	m.write("qpsmtpd/flat_auth_pw", h.user+":"+h.password+"\n")
	m.write("qpsmtpd/relayclients", "192.0.2.1\n")
	m.write("qpsmtpd/tls_before_auth", "0\n")
	h.awaitReady(t, start(t, m.command(`
mkdir -p /run/qpsmtpd /var/spool/qpsmtpd/tmp
chmod 700 /var/spool/qpsmtpd/tmp
chown -R qpsmtpd /run/qpsmtpd /var/spool/qpsmtpd
chown qpsmtpd /etc/tls/key.pem
export HOME=/var/spool/qpsmtpd QPSMTPD_CONFIG=/etc/qpsmtpd
qpsmtpd-forkserver -l 127.0.0.1 -p `+portOf(h.addr)+` -u qpsmtpd -c 45 -m 45 &
qpsmtpd-forkserver -l 127.0.0.1 -p `+portOf(h.secure)+` -u qpsmtpd -c 45 -m 45 &
wait
`)))
	return h
}
