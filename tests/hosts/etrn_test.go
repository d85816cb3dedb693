package hosts

import (
	"fmt"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// An etrnCase is what esmtpq etrn makes of a host's answer.
type etrnCase struct {
	args []string
	code int
	text string // on standard error
}

// etrn asks the person's host.
func (p *person) etrn(cases ...etrnCase) {
	p.t.Helper()
	for _, c := range cases {
		r := p.Try("", "esmtpq", append([]string{"etrn", "localhost:" + p.port}, c.args...)...)
		if r.Code != c.code || r.Stdout != "" || (c.text == "") != (r.Stderr == "") || !strings.Contains(r.Stderr, c.text) {
			p.t.Errorf("%s, etrn %q: %+v, want %d and %q", p.host.name, c.args, r, c.code, c.text)
		}
	}
}

// tenDomains are more than may be asked for in one session.
func tenDomains(format string) (all []string) {
	for i := range 10 {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

// Postfix takes domains that it relays for, also with TLS and a login; at others it sleeps.
func TestPostfixEtrn(t *testing.T) {
	h := startPostfix(t, "postfix", "")
	me := newPerson(t, h)
	me.etrn(
		etrnCase{[]string{"example.net"}, 0, ""},
		etrnCase{[]string{"example.org"}, 77, "not eligible there"},
		etrnCase{[]string{"example.org", "example.net"}, 77, "example.org: localhost answered 459"},
		etrnCase{tenDomains("d%d.example.net"), 0, ""},
	)
	if sent, _ := me.tap.said(); strings.Count(string(sent), "QUIT\r\n") != 5 {
		t.Errorf("ten domains take two sessions:\n%s", sent)
	}
	me = newSecurePerson(t, h, h.password)
	me.etrn(etrnCase{[]string{"example.net"}, 0, ""})
	me.signIn("wrong")
	me.etrn(etrnCase{[]string{"example.net"}, 77, "535"})
	me.Setenv("SSL_CERT_FILE=/dev/null")
	me.etrn(etrnCase{[]string{"example.net"}, 75, "certificate"})
	me = newPerson(t, h)
	me.configure("starttls = disabled", "username = "+h.user, "password = "+h.password)
	me.etrn(etrnCase{[]string{"example.net"}, 0, ""}) // this port offers no login
	me.configure("starttls = required")
	me.etrn(etrnCase{[]string{"example.net"}, 78, "STARTTLS"})
}

// Exim knows ETRN if an access list says so, and then takes everything.
func TestEximEtrn(t *testing.T) {
	h := startExim(t, "exim", 0)
	newPerson(t, h).etrn(etrnCase{[]string{"example.net"}, 69, "does not offer ETRN"})
	h = startEximWith(t, "exim", `acl_smtp_etrn = ${if match{$smtp_command_argument}{denied}{deny}{accept}}
smtp_etrn_command = /bin/sleep 2`)
	me := newPerson(t, h)
	me.etrn(
		etrnCase{[]string{"example.net"}, 0, ""},
		etrnCase{[]string{"example.net"}, 75, "458 Already processing"},
		etrnCase{[]string{"denied.example.net"}, 75, "458 Administrative prohibition"},
		etrnCase{tenDomains("d%d.example.net"), 0, ""},
	)
	h = startEximWith(t, "exim", "acl_smtp_etrn = accept")
	newPerson(t, h).etrn(etrnCase{[]string{"example.net"}, 69, "501"})
}

// sendmail says yes to everything; on the port for submissions Debian's offers nothing.
func TestSendmailEtrn(t *testing.T) {
	root := unpacked(t, "sendmail", "usr/libexec/sendmail/sendmail")
	h := newHost(t, "sendmail")
	h.secure = freeAddress(t)
	m := newMachine(t, h.cert, root, "smmta", "smmsp")
	m.write("mail/test.mc", fmt.Sprintf(strings.Replace(sendmailConf, "MAILER(",
		"FEATURE(`no_default_msa')dnl\nDAEMON_OPTIONS(`Port=%s, Addr=127.0.0.1, Name=MTA')dnl\nDAEMON_OPTIONS(`Port=%s, Addr=127.0.0.1, Name=MSA, M=E')dnl\nMAILER(", 1),
		h.sink.port(), portOf(h.addr), portOf(h.secure)))
	m.write("mail/service.switch", "hosts files\naliases files\npasswd files\n") // no DNS
	m.write("mail/local-host-names", "smarthost.test\n")
	m.write("mail/trusted-users", "root\n")
	h.awaitReady(t, start(t, m.command(`
mkdir -p /var/spool/mqueue /var/lib/sendmail/host_status /run/sendmail/mta; chmod 700 /var/spool/mqueue
m4 /etc/mail/test.mc >/etc/mail/test.cf 2>/etc/mail/m4.log || cat /etc/mail/m4.log
exec `+root+`/usr/libexec/sendmail/sendmail -bD -q1h -C /etc/mail/test.cf
`)))
	me := newPerson(t, h)
	me.etrn(
		etrnCase{[]string{"example.net", "unknown.example"}, 0, ""},
		etrnCase{[]string{"@example.net"}, 0, ""},
		etrnCase{[]string{"#mqueue"}, 0, ""},
		etrnCase{[]string{"#nosuch"}, 77, "459"},
		etrnCase{tenDomains("d%d.example.net"), 0, ""},
	)
	me.listenTo(h.secure)
	me.configure("starttls = disabled")
	me.etrn(etrnCase{[]string{"example.net"}, 69, "most hosts do so on port 25"})
}

// What is no domain is not asked for.
func TestEtrnWords(t *testing.T) {
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = localhost:1", "starttls = disabled")
	for _, c := range []etrnCase{
		{nil, 64, "which host"},
		{[]string{"localhost"}, 64, "which host"},
		{[]string{"localhost:99999", "example.net"}, 64, "port"},
		{[]string{"localhost", "foo bar"}, 64, "no domain"},
		{[]string{"localhost", "a@example.net"}, 64, "no domain"},
		{[]string{"localhost", "127.0.0.1"}, 64, "no domain"},
		{[]string{"localhost", "grün.example"}, 64, "xn--"},
		{[]string{"localhost", "#"}, 64, "queue"},
		{[]string{"localhost", "-x.example"}, 64, ""}, // an option that is none
		{[]string{"localhost", "x..example"}, 64, "no domain"},
		{[]string{"localhost", "x\r\nQUIT"}, 64, "no domain"},
		{[]string{"mx.example.org", "example.net"}, 78, "no identity"},
		{[]string{"localhost:1", "example.net"}, 75, "refused"},
		{[]string{"me@example.org:1", "example.net"}, 75, "refused"},
	} {
		r := me.Try("", "esmtpq", append([]string{"etrn"}, c.args...)...)
		if r.Code != c.code || !strings.Contains(r.Stderr, c.text) || !stage.OneLine(r.Stderr) {
			t.Errorf("etrn %q: %+v, want %d and %q", c.args, r, c.code, c.text)
		}
	}
}

// Without a port it is 25, whatever the identity's is, through its tunnel, too.
func TestEtrnPort(t *testing.T) {
	me := stage.NewPerson(t)
	tunnel := me.WriteScript("tunnel", "#!/bin/sh\necho \"$1:$2\" >>$HOME/dialled\necho 220 mx ESMTP\nread hello\necho 250 mx\nread quit\necho 221 bye\n")
	me.Write(".config/esmtpq/config.yaml", "identities:\n- {name: me@example.org, host: mx.example.org, port: 465, tls: off, tunnel: "+tunnel+" %h %p}\n")
	for _, word := range []string{"mx.example.org", "me@example.org", "MX.example.org:26", "mx.example.org:465"} {
		if r := me.Try("", "esmtpq", "etrn", word, "example.net"); r.Code != 69 || !strings.Contains(r.Stderr, "does not offer ETRN") {
			t.Errorf("etrn %s: %+v", word, r)
		}
	}
	if dialled := stage.Read(t, me.Path("dialled")); dialled != "mx.example.org:25\nmx.example.org:25\nmx.example.org:26\nmx.example.org:465\n" {
		t.Errorf("dialled:\n%s", dialled)
	}
}
