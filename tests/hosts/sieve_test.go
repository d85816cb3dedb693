package hosts

import (
	"fmt"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

const sieveConf = `protocols =
ssl = no
log_path = /var/mail/me/log
hostname = laptop.example.org
postmaster_address = postmaster@example.org
mail_location = maildir:~/Maildir
sendmail_path = /var/lib/esmtpq/sendmail
protocol lda {
  mail_plugins = sieve
}
plugin {
  sieve = file:~/.dovecot.sieve
}
`

const sieveScript = `require ["copy", "vacation"];
redirect :copy "friend@example.net";
vacation :addresses ["me@example.org"] "I am on the train.";
`

// The script that delivers a mail by Dovecot's agent, whose Pigeonhole calls our sendmail with no
// environment at all; first while our configuration is broken.
const sieveRun = `mkdir -p /var/lib/dovecot /var/lib/esmtpq
chmod 755 /var/lib /var/mail
cp %[1]s/esmtpq /var/lib/esmtpq/
for name in sendmail mailq; do ln -s esmtpq /var/lib/esmtpq/$name; done
install -d -o me -g me -m 700 /var/mail/me
as() { setpriv --reuid=me --regid=me --clear-groups env -i PATH=/usr/bin:/bin HOME=/var/mail/me "$@"; }
as sh -c 'cd; cp /etc/sieve .dovecot.sieve; mkdir -p .config/esmtpq; echo "nonsense: [" >.config/esmtpq/config.yaml'
lda() { as /usr/lib/dovecot/dovecot-lda -f author@example.net -a me@example.org </etc/mail-to-me || echo "lda: $?"; }
lda
as sh -c 'cd; find Maildir -type f -path "*/new/*" | wc -l; umask 077; cat /etc/esmtpq.yaml >.config/esmtpq/config.yaml'
lda
until [ "$(as /var/lib/esmtpq/mailq --count)" = 0 ]; do sleep 0.1; done
cd /var/mail/me
cat Maildir/new/* | grep -c '^to myself$'
cat asked
`

// Pigeonhole's redirect and vacation send by our sendmail, which they call with an empty environment. While
// that cannot take mail, the agent keeps its mail for later, and then all of it goes out, once.
func TestPigeonhole(t *testing.T) {
	root := unpacked(t, "dovecot", "usr/lib/dovecot/modules/lib90_sieve_plugin.so")
	cert := stage.NewCertificate(t)
	host := stage.NewSmartHost(t, stage.WithTLS(cert))
	m := newMachine(t, cert, root, "dovecot", "dovenull", "me")
	m.write("passwd", strings.Replace(stage.Read(t, m.etc+"/passwd"), "me:x:64902:64902::/nonexistent", "me:x:64902:64902::/var/mail/me", 1))
	m.write("dovecot/dovecot.conf", sieveConf)
	m.write("sieve", sieveScript)
	m.write("mail-to-me", "From: author@example.net\nTo: me@example.org\nSubject: s\nMessage-ID: <1@example.net>\n\nto myself\n")
	m.write("tls/ca.pem", stage.Read(t, cert.Authority))
	m.write("esmtpq.yaml", fmt.Sprintf("batch_delay: 0s\nidentities:\n- name: me@example.org\n  default: true\n  host: localhost:%s\n  tls: starttls\n  ca_file: /etc/tls/ca.pem\n"+
		"  username: %s\n  password_command: 'printenv HOME USER LOGNAME >$HOME/asked; printenv PATH >/dev/null && echo \"%s\"'\n", host.Port, stage.User, stage.Password))
	r := stage.Finish(t, m.command(fmt.Sprintf(sieveRun, stage.BinDir(t))), "")
	if want := "lda: 75\n0\n1\n/var/mail/me\nme\nme\n"; r.Code != 0 || r.Stdout != want {
		t.Errorf("exit %d, got\n%s\nwant\n%s\n%s", r.Code, r.Stdout, want, r.Stderr)
	}
	replied, redirected := 0, 0
	for _, mail := range host.Received() {
		switch {
		case mail.From == "" && mail.To[0] == "author@example.net" && strings.Contains(mail.Content, "I am on the train."):
			replied++
		case mail.From == "author@example.net" && mail.To[0] == "friend@example.net" && strings.Contains(mail.Content, "to myself"):
			redirected++
		default:
			t.Errorf("unexpected: %+v", mail)
		}
	}
	if replied != 1 || redirected != 1 {
		t.Errorf("%d replies, %d redirected", replied, redirected)
	}
}
