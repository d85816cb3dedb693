package hosts

import (
	"esmtpq/tests/stage"
	"fmt"
	"testing"
)

const postfixMain = `compatibility_level = 3.6
queue_directory = /run/postfix
data_directory = /run/postfix-data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = smarthost.test
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
default_transport = capture
smtputf8_enable = yes
maillog_file = /dev/stdout
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = %s, %s
`

const postfixMaster = `127.0.0.1:%s inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
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
postlog unix-dgram n - n - 1 postlogd
capture unix - n n - 1 pipe flags=q user=nobody argv=%s
`

// Postfix, with TLS, PIPELINING and CHUNKING, in a namespace where it is installed.
func TestPostfix(t *testing.T) {
	root := stage.Debian(t, "usr/lib/postfix/sbin/master")
	me := stage.NewPerson(t)
	cert := stage.NewCertificate(t)
	agent, dir := receives(me)
	port := stage.FreePort(t)
	ns := me.NewNamespace(root)
	me.Write("namespace/etc/postfix/main.cf", fmt.Sprintf(postfixMain, cert.KeyFile, cert.CertFile))
	me.Write("namespace/etc/postfix/master.cf", fmt.Sprintf(postfixMaster, port, agent))
	ns.Script(`
cd /
mkdir -p /run/postfix-data /run/postfix/pid /run/postfix/maildrop /run/postfix/public
for dir in incoming active bounce corrupt defer deferred flush hold private saved trace; do mkdir -p /run/postfix/$dir; done
chown postfix /run/postfix-data /run/postfix/*
chown root /run/postfix/pid
exec /usr/lib/postfix/sbin/master -d`)
	ns.Start(ns.Command())
	stage.AwaitPort(t, port)

	me.Setenv("SSL_CERT_FILE=" + cert.Authority)
	me.Write(".esmtprc", "identity = me@example.org\nhostname = localhost:"+port+"\nstarttls = required\n")
	sendSeries(me, 20, dir)
}
