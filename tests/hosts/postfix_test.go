package hosts

import (
	"esmtpq/tests/stage"
	"fmt"
	"testing"
)

func TestPostfixChecks(t *testing.T) { startPostfix(t, "postfix", "").checks(t) }

// Postfix closes with 421 at the twenty-first error, and each refused recipient is an error. Its
// replies until then count, so that a second session can do the rest.
func TestPostfixManyRefused(t *testing.T) {
	startPostfix(t, "postfix", stage.Pick("", pauses)).manyRefused(t)
}

// Postfix 3.10 closes if more is sent in one write with EHLO, DATA and the like.
func TestPostfixNext(t *testing.T) {
	onlyLong(t)
	startPostfix(t, "postfix-next", "").checks(t)
}

const postfixConf = `compatibility_level = 3.6
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = smarthost.test
mydestination =
relay_domains = example.net
mynetworks = 192.0.2.0/24
relayhost = [127.0.0.1]:%s
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtp_host_lookup = native
maillog_file = /dev/stdout
smtpd_recipient_restrictions = check_recipient_access regexp:/etc/postfix/bad
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
smtpd_tls_cert_file = /etc/tls/cert.pem
smtpd_tls_key_file = /etc/tls/key.pem
smtpd_error_sleep_time = 0
`

const postfixServices = `%s inet n - n - - smtpd
%s inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
cleanup unix n - n - 0 cleanup
flush unix n - n 1000? 0 flush
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
scache unix - - n - 1 scache
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
smtp unix - - n - - smtp
relay unix - - n - - smtp
postlog unix-dgram n - n - 1 postlogd
`

// By default Postfix waits for a second at each error from the eleventh of a session on.
const pauses = "smtpd_error_sleep_time = 1s\n"

// startPostfix starts one that does not wait at errors, unless more of its configuration says so.
func startPostfix(t *testing.T, packages, more string) *host {
	t.Helper()
	root := unpacked(t, packages, "usr/lib/postfix/sbin/master")
	h := newHost(t, packages)
	h.refuse = "Recipient address rejected"
	h.size, h.line, h.errors = 10240000, altered, 20
	m := newMachine(t, h.cert, root, "postfix", "postdrop", h.user)
	m.write("postfix/main.cf", fmt.Sprintf(postfixConf, h.sink.port())+more)
	m.write("postfix/master.cf", fmt.Sprintf(postfixServices, h.addr, h.secure))
	m.write("postfix/bad", "/^bad/ REJECT\n")
	m.write("postfix/sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n") // it offers all that Cyrus SASL has
	m.write("postfix/sasl/saslauthd.conf", "pwcheck_method: saslauthd\n")
	h.awaitReady(t, start(t, m.command(`
echo "`+h.user+`:$(openssl passwd -6 `+h.password+`):19000::::::" >/etc/shadow
mkdir /run/saslauthd
saslauthd -a shadow -m /run/saslauthd -n 1
chmod 755 /run/saslauthd
mkdir -p /var/lib/postfix /var/spool/postfix/pid /var/spool/postfix/maildrop /var/spool/postfix/public
for dir in incoming active bounce corrupt defer deferred flush hold private saved trace; do mkdir /var/spool/postfix/$dir; done
chown postfix /var/lib/postfix /var/spool/postfix/*
chown root /var/spool/postfix/pid
if ! grep -q saslauthd /etc/postfix/main.cf; then
	echo `+h.password+` | saslpasswd2 -p -c -u smarthost.test `+h.user+`
	chgrp postfix /etc/sasldb2; chmod 640 /etc/sasldb2
fi
exec /usr/lib/postfix/sbin/master -d
`)))
	return h
}
