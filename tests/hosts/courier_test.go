package hosts

import (
	"fmt"
	"path/filepath"
	"testing"

	"esmtpq/tests/stage"
)

// Courier loses what is sent behind a final dot, takes a hundred recipients, and gives no number
// with SIZE.
func TestCourierChecks(t *testing.T) {
	onlyLong(t)
	startCourier(t).checks(t)
}

// 534 is not always about a login: Courier answers it to MAIL for a mail of more than 10 MiB.
// That mail fails; the others go out.
func TestCourierTooBig(t *testing.T) {
	onlyLong(t)
	h := startCourier(t)
	for _, me := range []*person{newPerson(t, h), newSecurePerson(t, h, h.password)} {
		mails := h.newMails(4)
		mails[1].fill(11 << 20)
		me.send(mails...)
		me.once([]mail{mails[0], mails[2], mails[3]})
		failed := me.failed()
		if len(failed) != 1 || failed[0].subject != mails[1].id {
			t.Errorf("failed have %v, want the mail of 11 MiB", failed)
		}
	}
}

// startCourier starts a Courier with its defaults, except for the seconds that it waits after
// each error.
func startCourier(t *testing.T) *host {
	t.Helper()
	root := unpacked(t, "courier", "usr/sbin/esmtpd")
	h := newHost(t, "courier")
	h.badDomain, h.refuse = "refused.test", "Relaying denied"
	h.size, h.abroad, h.patient = 10<<20, "elsewhere.test", true
	h.spare, h.sluggish = 2, true
	m := newMachine(t, h.cert, root, "courier")
	m.write("resolv.conf", "nameserver "+newNames(t)+"\n")
	m.link("makedat", "makedat.courier")
	original := func(name string) string { return stage.Read(t, filepath.Join(root, "etc/courier", name)) }
	m.write("environment", "")
	m.write("courier/esmtpd", original("esmtpd")+fmt.Sprintf("\nADDRESS=127.0.0.1\nPORT=%s\nTARPIT=0\nBOFHCHECKDNS=0\n"+
		"TCPDOPTS=\"$TCPDOPTS -nodnslookup\"\nESMTPAUTH_TLS=\"PLAIN LOGIN\"\n", portOf(h.addr)))
	m.write("courier/esmtpd-msa", original("esmtpd-msa")+fmt.Sprintf("\nADDRESS=127.0.0.1\nPORT=%s\nBOFHCHECKDNS=0\nESMTPDSTART=YES\n", portOf(h.secure)))
	m.write("courier/esmtpd.pem", stage.Read(t, h.cert.KeyFile)+stage.Read(t, h.cert.CertFile))
	m.write("courier/dhparams.pem", stage.Read(t, "servers/npm/dhparams.pem"))
	m.write("courier/me", "smarthost.test\n")
	m.write("courier/locals", "localhost\n")
	m.write("courier/defaultdomain", "smarthost.test\n")
	m.write("courier/dsnfrom", "postmaster@smarthost.test\n")
	m.write("courier/esmtproutes", ":[127.0.0.1],"+h.sink.port()+" /SECURITY=NONE\n")
	m.write("courier/esmtpacceptmailfor.dir/all", h.domain+"\n")
	m.write("courier/smtpaccess/default", "127.0.0.1\tallow\n")
	m.write("courier/authdaemonrc", original("authdaemonrc")+"\nauthmodulelist=\"authuserdb\"\n")
	h.awaitReady(t, start(t, m.command(`
cd /var/lib && mkdir -p courier/msgs courier/msgq courier/tmp courier/track courier/filters courier/allfilters courier/faxtmp
chown -R courier:courier courier; chmod 750 courier/*; chmod 770 courier/tmp; cd /
mkdir -p /run/courier/authdaemon; chown -R courier:courier /run/courier
chown root:courier /etc/courier/esmtpd.pem; chmod 640 /etc/courier/esmtpd.pem; chown courier /etc/courier/esmtpd.pem
rm -rf /etc/courier/userdb; mkdir -m 700 /etc/courier/userdb
printf 'user\tuid=64900|gid=64900|home=/var/mail|shell=/bin/sh|systempw=%s|mail=/var/mail/Maildir\n' "$(echo `+h.password+` | userdbpw)" >/etc/courier/userdb/u
chmod 600 /etc/courier/userdb/u
makeuserdb
makeacceptmailfor; makesmtpaccess; makesmtpaccess-msa; makehosteddomains; makealiases
authdaemond start; courierfilter start; courier start; esmtpd start; esmtpd-msa start
exec sleep 3600
`)))
	return h
}
