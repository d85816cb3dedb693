package hosts

import (
	"esmtpq/tests/stage"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMoxChecks(t *testing.T) {
	onlyLong(t)
	startMox(t, 100_000).checks(t)
}

// When a login of mox has used up its new recipients, each mail is refused at its end, for a day.
// After a refused content mox keeps the envelope, which the next one must not join.
func TestMoxLimit(t *testing.T) {
	onlyLong(t)
	h := startMox(t, 20)
	me := newSecurePerson(t, h, h.password)
	mails := h.newMails(40)
	me.send(mails...)
	me.run()
	h.check(t, mails[:20], 0)
	for _, a := range h.sink.all() {
		if id := messageID.FindStringSubmatch(a.content); id == nil || !slices.Contains(ids(mails[:20]), id[1]) || len(a.to) != 1 {
			t.Errorf("arrived for %v: %q", a.to, cut(a.content))
		}
	}
	me.connects(1)

	// After three mails the identity waits: the others are not charged.
	waiting := me.waiting()
	if len(waiting) != 20 {
		t.Fatalf("%d recipients wait, want 20", len(waiting))
	}
	charged := 0
	for _, q := range waiting {
		charged += q.attempts
		if q.action == "possibly delivered" {
			t.Errorf("in doubt, though the host has refused it: %s", q)
		}
	}
	if charged > 4 {
		t.Errorf("%d attempts were charged, want three or so", charged)
	}
	if all := fmt.Sprint(waiting); !strings.Contains(all, "first-time recipients") {
		t.Errorf("the reason does not have the host's words: %s", first(waiting))
	}
	sent := me.tap.octets()
	me.run()
	if again := me.tap.octets() - sent; again > 8000 {
		t.Errorf("the next run sends %d octets to be refused, want no more than a few mails", again)
	}
}

// startMox starts a mox whose user may write to this many new recipients in a day. It takes
// nothing without a login.
func startMox(t *testing.T, recipients int) *host {
	t.Helper()
	program := program(t, "mox")
	h := newHost(t, "mox")
	h.secure, h.login, h.user = h.addr, true, "me@example.org"
	h.badDomain, h.refuse = "example.org", "no such user"
	h.size, h.sluggish = 100<<20, true
	m := newMachine(t, h.cert, "", "mox")
	m.write("resolv.conf", "nameserver "+newNames(t)+"\n") // it does not read /etc/hosts
	m.write("nsswitch.conf", "passwd: files\ngroup: files\nhosts: dns\n")
	m.write("mox/mox.conf", strings.ReplaceAll(fmt.Sprintf(`DataDir: /var/lib/mox
LogLevel: info
User: mox
Hostname: smarthost.test
Listeners:
	local:
		IPs:
			- 127.0.0.1
		TLS:
			KeyCerts:
				-
					CertFile: /etc/tls/cert.pem
					KeyFile: /etc/tls/key.pem
		Submission:
			Enabled: true
			Port: %s
			NoRequireSTARTTLS: true
Postmaster:
	Account: me
	Mailbox: Inbox
Transports:
	sink:
		SMTP:
			Host: localhost
			Port: %s
			NoSTARTTLS: true
`, portOf(h.addr), h.sink.port()), "    ", "\t"))
	m.write("mox/domains.conf", fmt.Sprintf(`Domains:
	example.org:
		LocalpartCaseSensitive: false
Accounts:
	me:
		Domain: example.org
		Destinations:
			me@example.org:
				Mailbox: Inbox
		MaxOutgoingMessagesPerDay: 100000
		MaxFirstTimeRecipientsPerDay: %d
Routes:
	-
		Transport: sink
`, recipients))
	p := start(t, m.command(`
mkdir -p /var/lib/mox
cd /var/lib
mox() { `+program+` -config /etc/mox/mox.conf "$@"; }
mox serve &
until echo `+h.password+` | mox setaccountpassword me; do sleep 0.2; done
touch /etc/ready
wait
`))
	h.awaitReady(t, p)
	stage.Await(t, "given a password", func() bool { return stage.Exists(filepath.Join(m.dir, "upper/ready")) })
	return h
}

// What is handed to mox ahead of its time is held there, and goes on then; a limit that is too short, and
// mail that is named, do without.
func TestMoxHolds(t *testing.T) {
	onlyLong(t)
	h := startMox(t, 100_000)
	me := newPerson(t, h)
	if err := os.Remove(me.Path(".esmtprc")); err != nil {
		t.Fatal(err)
	}
	me.Write(".config/esmtpq/config.yaml", fmt.Sprintf("batch_delay: never\nidentities:\n  - name: me@example.org\n    host: localhost:%s\n    tls: off\n    username: %s\n    password: %s\n    future_release: true\n",
		me.port, h.user, h.password))
	me.Run("Subject: held\n\n", "esmtpq", "send", "--at", "+75s", "a@example.net")
	me.Run("Subject: too far\n\n", "esmtpq", "send", "--at", "+100d", "b@example.net")
	me.run()
	if n := len(h.sink.all()); n != 0 {
		t.Errorf("mox has passed %d on at once", n)
	}
	if out := me.Run("", "mailq"); strings.Contains(out, "a@example.net") || !strings.Contains(out, "b@example.net") || !strings.Contains(out, "holds mail for ") {
		t.Errorf("%s", out)
	}
	if out := me.Run("", "esmtpq", "log", "a@example.net"); !strings.Contains(out, "the host holds it until ") {
		t.Errorf("%s", out)
	}
	stage.Await(t, "passed on at its time", func() bool { return len(h.sink.all()) == 1 })
	if me.run(); len(h.sink.all()) != 1 {
		t.Error("sent twice")
	}
}
