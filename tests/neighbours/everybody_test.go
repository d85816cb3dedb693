package neighbours

import (
	"os"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// The users of a machine: one with a home, one whose home is root's, one without, one who wants to do
// harm.
const manyUsers = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
ann:x:64911:64911:Ann:/home/ann:/bin/sh
www:x:64912:64912:web:/srv/www:/usr/sbin/nologin
_cron-failure:x:64913:64913:cron:/no-such-home:/usr/sbin/nologin
mallory:x:64914:64914:Mallory:/home/mallory:/bin/sh
`

// The script that makes the machine. The program is where everybody can run it.
const manyUsersMachine = `
mkdir -p etc/esmtpq; cp users etc/passwd; cp system.yaml etc/esmtpq/config.yaml; chmod 644 etc/passwd etc/esmtpq/config.yaml
mount -t overlay overlay -o "lowerdir=$PWD/etc:/etc" /etc
for dir in /home /srv /var/spool /mnt /root; do mount -t tmpfs -o mode=755 tmpfs $dir; done
cp "$BIN/esmtpq" /mnt/esmtpq; for name in sendmail deliver mailq; do ln -s esmtpq /mnt/$name; done
for user in ann mallory; do install -d -o $user -g $(id -g $user) /home/$user; done
mkdir /srv/www
as() { u=$1 h=$2; shift 2; setpriv --reuid=$u --regid=$u --clear-groups env -i PATH=/mnt:/usr/bin:/bin ESMTPQ_DELAY=never HOME=$h "$@"; }
`

// inMachine runs a script there.
func inMachine(t *testing.T, host *stage.SmartHost, system, script string) stage.Result {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can make such a machine")
	}
	stage.Needs(t, "setpriv")
	me := stage.NewPerson(t)
	me.Setenv("BIN=" + stage.BinDir(t))
	me.Write("users", manyUsers)
	me.Write("system.yaml", system+"identities:\n- {name: machine@example.org, default: true, host: 127.0.0.1, port: "+portOf(host)+", tls: off, qualify_domain: example.org}\n")
	return stage.Finish(t, me.RoomOfOwn("cd "+me.Home+manyUsersMachine+script, "true"), "")
}

func portOf(host *stage.SmartHost) string { return host.Addr[strings.LastIndexByte(host.Addr, ':')+1:] }

// What Debian 13's systemd-cron says of a job that failed.
const failedJob = `printf 'From: root (systemd-cron)\nTo: ann\nSubject: [vm] job failed\n\ntext\n' | as 64913 /no-such-home LOGNAME=_cron-failure USER=_cron-failure sendmail -i -B 8BITMIME ann
`

// An account without a home has a queue where the administrator has said so, and hears what to write
// where not.
func TestAccountWithoutHome(t *testing.T) {
	host := stage.NewSmartHost(t)
	r := inMachine(t, host, "", failedJob)
	if r.Code != 78 || !strings.Contains(r.Stderr, "queue: /var/spool/esmtpq/%u") || !stage.OneLine(r.Stderr) {
		t.Errorf("without a queue: %+v", r)
	}
	const system = "queue: /var/spool/esmtpq/%u\n"
	for _, c := range []struct{ prepare, want string }{
		{"", "install -d -m 1733"},
		{"install -d -m 1777 /var/spool/esmtpq; install -d -o 64914 /var/spool/esmtpq/_cron-failure;", "belongs to somebody else"},
		{"install -d -m 1777 /var/spool/esmtpq; ln -s /home/ann /var/spool/esmtpq/_cron-failure;", "no directory"},
		{"install -d -m 777 /var/spool/esmtpq;", "others can replace"},
		{"install -d -m 1777 -o 64914 /var/spool/esmtpq;", "not root's"},
	} {
		if r := inMachine(t, host, system, c.prepare+failedJob); r.Code != 78 || !strings.Contains(r.Stderr, c.want) || !stage.OneLine(r.Stderr) {
			t.Errorf("after %s: %+v", c.prepare, r)
		}
	}
	const prepare = "install -d -m 1733 /var/spool/esmtpq\n"
	r = inMachine(t, host, system, prepare+failedJob+`
printf 'Subject: web\n\ntext\n' | as 64912 /srv/www sendmail -i ann
as 64912 /srv/www mailq --count
as 64913 /no-such-home LOGNAME=../../tmp deliver
as 64912 /no-such-home deliver
ls -A /srv/www /no-such-home 2>&1 || true; stat -c '%a %u' /var/spool/esmtpq/*`)
	if r.Code != 0 || !strings.Contains(r.Stdout, "1\n") || strings.Count(r.Stdout, "700 6491") != 2 {
		t.Errorf("with a queue: %+v", r)
	}
	mails := host.Received()
	if len(mails) != 2 {
		t.Fatalf("arrived: %+v", mails)
	}
	for _, mail := range mails {
		mail.Is(t, mail.From, "ann@example.org")
	}
}

// A sweep delivers for all users, each with the rights of that user alone.
func TestAllUsers(t *testing.T) {
	host := stage.NewSmartHost(t)
	r := inMachine(t, host, "queue: /var/spool/esmtpq/%u\nmda: 'cat >/dev/null; echo $(id -u):$(id -G) $HOME >>/var/spool/seen/$(id -u)'\n", `
install -d -m 1733 /var/spool/esmtpq; install -d -m 1777 /var/spool/seen
for user in 0:/root 64911:/home/ann 64912:/srv/www 64913:/no-such-home; do
	printf 'From: machine@example.org\nSubject: of %s\n\ntext\n' $user | as ${user%:*} ${user#*:} sendmail -i friend@example.net
done
sed 's/, qualify_domain: example.org//' /etc/esmtpq/config.yaml >/mnt/system.yaml; mount --bind /mnt/system.yaml /etc/esmtpq/config.yaml
printf 'From: machine@example.org\n\nlocal\n' | as 64911 /home/ann sendmail -i ann
ln -s /root/.esmtp_queue /home/mallory/.esmtp_queue
as 64911 /home/ann deliver --all-users && exit 1
as 64911 /home/ann mailq --count
ESMTPQ_CONFIG=/home/mallory/config deliver --all-users || echo $?
cat /var/spool/seen/*
as 64911 /home/ann mailq --count
rm /home/mallory/.esmtp_queue
deliver --all-users`)
	if r.Code != 0 || r.Stdout != "2\n73\n64911:64911 /home/ann\n0\n" || !strings.Contains(r.Stderr, "is for root") || !strings.Contains(r.Stderr, "deliver: mallory: ") {
		t.Errorf("%+v", r)
	}
	if mails := host.Received(); len(mails) != 4 {
		t.Errorf("arrived: %+v", mails)
	}
}
