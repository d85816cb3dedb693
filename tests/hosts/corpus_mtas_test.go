package hosts

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// askAll asks the three.
func askAll(t *testing.T, cases []corpusCase, ours []outcome) []comparison {
	t.Helper()
	postfix, sendmail, exim := askPostfix(t, cases), askSendmail(t, cases), askExim(t, cases)
	stored := make([]comparison, len(cases))
	for i, c := range cases {
		stored[i] = comparison{c.name, ours[i], other(ours[i], postfix[i]), other(ours[i], sendmail[i]), other(ours[i], exim[i])}
	}
	return stored
}

// other returns an outcome if it is not the same as ours.
func other(ours, theirs outcome) *outcome {
	if reflect.DeepEqual(ours, theirs) {
		return nil
	}
	return &theirs
}

// submitAll is a shell script that hands over all messages in a directory.
const submitAll = `
cd %s
set -f
i=0
while [ -e $i.in ]; do
	status=0
	timeout 60 %s -f case$i@sender.example.org $(cat $i.args) <$i.in >>log 2>&1 || status=$?
	echo $status >$i.status
	i=$((i+1))
done
touch done
`

// ask runs the setup of a mailer in a machine of its own and hands all messages over to it, and waits
// until no more mail arrives from it.
func ask(t *testing.T, m *machine, s *sink, cases []corpusCase, setup, sendmail string) []outcome {
	t.Helper()
	dir := t.TempDir()
	for i, c := range cases {
		write(t, filepath.Join(dir, fmt.Sprint(i, ".in")), c.in, 0o644)
		write(t, filepath.Join(dir, fmt.Sprint(i, ".args")), strings.Join(c.args, "\n"), 0o644)
	}
	p := start(t, m.command(setup+fmt.Sprintf(submitAll, dir, sendmail)+"sleep 600\n"))
	for began := time.Now(); !stage.Exists(filepath.Join(dir, "done")); time.Sleep(50 * time.Millisecond) {
		if p.ended() || time.Since(began) > 20*time.Minute {
			t.Fatalf("not all messages were handed over: %s", stage.Read(t, p.log))
		}
	}
	arrived := s.await(func([]arrival) bool { return false })
	t.Logf("%d messages arrived", len(arrived))
	if len(arrived) < len(cases)/2 {
		t.Fatalf("so few: %s", tail([]byte(stage.Read(t, p.log)), 3000))
	}
	if said, err := os.ReadFile(filepath.Join(dir, "log")); err == nil {
		t.Logf("said: %s", tail(said, 3000))
	}
	status := make([]int, len(cases))
	for i := range cases {
		var err error
		if status[i], err = strconv.Atoi(strings.TrimSpace(stage.Read(t, filepath.Join(dir, fmt.Sprint(i, ".status"))))); err != nil {
			t.Fatal(err)
		}
	}
	return outcomes(t, cases, status, arrived)
}

func askPostfix(t *testing.T, cases []corpusCase) []outcome {
	t.Helper()
	root := unpacked(t, "postfix", "usr/lib/postfix/sbin/master")
	s := newSink(t)
	m := newMachine(t, stage.NewCertificate(t), root, "postfix", "postdrop")
	m.write("postfix/main.cf", fmt.Sprintf(postfixConf, s.port()))
	_, services, _ := strings.Cut(postfixServices, "permit_sasl_authenticated,reject\n") // it need not listen
	m.write("postfix/master.cf", "pickup unix n - n 60 1 pickup\n"+services)
	m.write("postfix/bad", "")
	return ask(t, m, s, cases, `
mkdir -p /var/lib/postfix /var/spool/postfix/pid /var/spool/postfix/maildrop /var/spool/postfix/public /var/spool/postfix/private
for dir in incoming active bounce corrupt defer deferred flush hold saved trace; do mkdir /var/spool/postfix/$dir; done
chown postfix /var/lib/postfix /var/spool/postfix/*
chown root /var/spool/postfix/pid
chgrp postdrop /var/spool/postfix/maildrop /var/spool/postfix/public
chmod 730 /var/spool/postfix/maildrop
chmod 710 /var/spool/postfix/public
/usr/lib/postfix/sbin/master -d &
until [ -S /var/spool/postfix/public/pickup ]; do sleep 0.1; done
`, "/usr/sbin/sendmail")
}

func askExim(t *testing.T, cases []corpusCase) []outcome {
	t.Helper()
	root := unpacked(t, "exim", "usr/sbin/exim4")
	s := newSink(t)
	m := newMachine(t, stage.NewCertificate(t), root, "Debian-exim")
	m.write("exim4/exim4.conf", fmt.Sprintf(eximConf, "1", "2", s.port(), ""))
	return ask(t, m, s, cases, `
chmod 640 /etc/tls/key.pem; chgrp Debian-exim /etc/tls/key.pem
for dir in /var/spool/exim4 /var/log/exim4 /run/exim4; do mkdir -p $dir; chown Debian-exim:Debian-exim $dir; done
`, "exim4 -odf")
}

// sendmailConf makes a configuration that passes everything on.
const sendmailConf = `include(` + "`/usr/share/sendmail/cf/m4/cf.m4'" + `)dnl
OSTYPE(` + "`debian'" + `)dnl
define(` + "`confDOMAIN_NAME', `smarthost.test'" + `)dnl
define(` + "`RELAY_MAILER_ARGS', `TCP $h %s'" + `)dnl
define(` + "`SMART_HOST', `relay:[127.0.0.1]'" + `)dnl
define(` + "`MAIL_HUB', `relay:[127.0.0.1]'" + `)dnl
define(` + "`confQUEUE_LA', `1000'" + `)dnl
define(` + "`confREFUSE_LA', `1000'" + `)dnl
define(` + "`confDELAY_LA', `1000'" + `)dnl
define(` + "`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch'" + `)dnl
define(` + "`confBIND_OPTS', `-DNSRCH -DEFNAMES'" + `)dnl
define(` + "`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe,NonRootSafeAddr'" + `)dnl
undefine(` + "`ALIAS_FILE'" + `)dnl
FEATURE(` + "`nocanonify'" + `)dnl
FEATURE(` + "`accept_unresolvable_domains'" + `)dnl
MAILER(` + "`smtp'" + `)dnl
`

func askSendmail(t *testing.T, cases []corpusCase) []outcome {
	t.Helper()
	root := unpacked(t, "sendmail", "usr/libexec/sendmail/sendmail")
	s := newSink(t)
	m := newMachine(t, stage.NewCertificate(t), root, "smmta", "smmsp")
	m.write("mail/test.mc", fmt.Sprintf(sendmailConf, s.port()))
	m.write("mail/service.switch", "hosts files\naliases files\npasswd files\n") // no DNS
	m.write("mail/local-host-names", "smarthost.test\n")
	m.write("mail/trusted-users", "root\n")
	return ask(t, m, s, cases, `
mkdir -p /var/spool/mqueue /var/lib/sendmail/host_status; chmod 700 /var/spool/mqueue
m4 /etc/mail/test.mc >/etc/mail/test.cf 2>/etc/mail/m4.log || cat /etc/mail/m4.log
`, root+"/usr/libexec/sendmail/sendmail -Am -C /etc/mail/test.cf -odi")
}
