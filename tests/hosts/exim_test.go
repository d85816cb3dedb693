package hosts

import (
	"fmt"
	"strings"
	"testing"
)

// Exim does not close when it answers 421: it goes on answering.
func TestEximChecks(t *testing.T) { startExim(t, "exim", 0).checks(t) }

// After its limit of messages in a connection Exim answers 421 to MAIL, and goes on answering:
// everything sent after that gets a refusal of its own, and nothing is in doubt.
func TestEximMessagesOfAConnection(t *testing.T) {
	h := startExim(t, "exim", 40)
	me := newPerson(t, h)
	for _, n := range []int{130, 100} {
		mails := h.newMails(n)
		me.send(mails...)
		me.run()
		me.noDoubt()
		me.settled(1)
		h.check(t, mails, 0)
	}
	me.connects(4 + 3)
}

// RSETs without an accepted message in between are "nonmail commands", of which a connection may
// have ten.
func TestEximNonmailCommands(t *testing.T) {
	h := startExim(t, "exim", 0)
	me := newPerson(t, h)
	for range 2 {
		mails := h.newMails(60)
		for i := range mails[5:55] {
			mails[5+i].to = []string{h.bad(i)}
		}
		me.send(mails...)
		me.run()
		me.noDoubt()
		me.settled(1)
		h.check(t, mails, 0)
		me.refused(mails)
	}
}

// A mail with a line over 998 octets is refused: the reason says which line it is.
func TestEximLongLine(t *testing.T) {
	h := startExim(t, "exim", 0)
	me := newPerson(t, h)
	mails := h.newMails(1)
	mails[0].content = header(mails[0].id, mails[0].to[0]) + "one\ntwo\n" + strings.Repeat("long ", 500) + "\n"
	me.send(mails...)
	me.run()
	me.settled(1)
	failed := me.failed()
	if len(failed) != 1 {
		t.Fatalf("failed have %v, want the mail with the long line", failed)
	}
	number := strings.Count(mails[0].content, "\n")
	if want := fmt.Sprintf("line %d", number); !strings.Contains(failed[0].reason, want) {
		t.Errorf("failed with %q, want %q in it", failed[0].reason, want)
	}
}

// Exim 4.98 says beforehand how many messages it takes: LIMITS MAILMAX=1000, of which 1,100 are
// sent.
func TestEximNext(t *testing.T) {
	onlyLong(t)
	h := startExim(t, "exim-next", 0)
	t.Run("MAILMAX", func(t *testing.T) {
		me := newPerson(t, h)
		mails := h.newMails(1100)
		me.send(mails...)
		me.run()
		me.noDoubt()
		me.settled(1)
		h.check(t, mails, 0)
		me.connects(2)
		if _, received := me.tap.said(); !strings.Contains(string(received), "MAILMAX=1000") || strings.Contains(string(received), "421 ") {
			t.Error("the host was asked for more than it had said it takes, or has not said it")
		}
	})
	h.checks(t)
}

const eximConf = `primary_hostname = smarthost.test
domainlist local_domains =
daemon_smtp_ports = %[1]s : %[2]s
local_interfaces = 127.0.0.1
smtp_accept_max = 50
smtp_accept_queue_per_connection = 0
acl_smtp_rcpt = rcpt
acl_smtp_data = content
tls_advertise_hosts = ${if eq{$received_port}{%[2]s}{*}}
tls_certificate = /etc/tls/cert.pem
tls_privatekey = /etc/tls/key.pem
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
log_file_path = /var/log/exim4/%%slog
qualify_domain = smarthost.test
never_users =
host_lookup =
keep_environment =
message_size_limit = 20M
%[4]s

begin acl
rcpt:
  deny message = Access denied: no such user
       local_parts = ^bad
  accept condition = ${if !eq{$received_port}{%[2]s}}
  accept authenticated = *
  deny message = relay not permitted

content:
  deny message = maximum allowed line length is 998 octets, got $max_received_linelength
       condition = ${if > {$max_received_linelength}{998}}
  accept

begin routers
sink:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = sink

begin transports
sink:
  driver = smtp
  port = %[3]s
  allow_localhost
  hosts_avoid_tls = *

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and {{eq{$auth2}{user}}{eq{$auth3}{correct-horse}}}}
  server_set_id = $auth2
`

// startExim starts an Exim that takes this many messages in a connection; 0 is its default.
func startExim(t *testing.T, packages string, messages int) *host {
	t.Helper()
	more := ""
	if messages > 0 {
		more = fmt.Sprintf("smtp_accept_max_per_connection = %d", messages)
	}
	h := startEximWith(t, packages, more)
	if messages > 0 {
		h.most = messages
	}
	return h
}

// startEximWith starts an Exim with more in its configuration.
func startEximWith(t *testing.T, packages, more string) *host {
	t.Helper()
	root := unpacked(t, packages, "usr/sbin/exim4")
	h := newHost(t, packages)
	h.most = 1000
	h.size = 20 << 20
	h.refuse = "no such user"
	h.line, h.strict = refused, true
	m := newMachine(t, h.cert, root, "Debian-exim")
	m.write("exim4/exim4.conf", fmt.Sprintf(eximConf, portOf(h.addr), portOf(h.secure), h.sink.port(), more))
	h.awaitReady(t, start(t, m.command(`
chmod 640 /etc/tls/key.pem; chgrp Debian-exim /etc/tls/key.pem
for dir in /var/spool/exim4 /var/log/exim4 /run/exim4; do mkdir -p $dir; chown Debian-exim:Debian-exim $dir; done
exec exim4 -bdf -q10s
`)))
	return h
}
