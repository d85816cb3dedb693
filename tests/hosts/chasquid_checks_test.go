package hosts

import (
	"fmt"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

func TestChasquidChecks(t *testing.T) { startChasquidHost(t, "chasquid").checks(t) }

// chasquid closes at the third error of a connection, and each refused recipient is an error.
func TestChasquidManyRefused(t *testing.T) { startChasquidHost(t, "chasquid").manyRefused(t) }

// Of 102 recipients chasquid takes 101, and soon closes.
func TestChasquidTooManyRecipients(t *testing.T) {
	h := startChasquidHost(t, "chasquid")
	for _, n := range []int{101, 102, 150} {
		me := newPerson(t, h)
		mails := h.newMails(1)
		for i := 1; i < n; i++ {
			mails[0].to = append(mails[0].to, h.good(i))
		}
		me.send(mails...)
		me.once(mails)
		me.connects(2) // it loses what is sent behind a final dot
	}
}

// Of many refusals in one flight the first is the reason, and not what chasquid says when it
// closes.
func TestChasquidReason(t *testing.T) {
	h := startChasquidHost(t, "chasquid")
	me := newSecurePerson(t, h, "")
	me.configure("starttls = required")
	mails := h.newMails(3)
	for i := range 5 {
		mails[1].to = append(mails[1].to, h.good(10+i))
	}
	me.send(mails...)
	me.run()
	waiting := me.waiting()
	if len(waiting) != 8 {
		t.Errorf("%d recipients wait, want 8", len(waiting))
	}
	var other []queued
	for _, q := range waiting {
		if said := q.message + q.reason; strings.Contains(said, "Too many errors") || !strings.Contains(said, "5.7.9") {
			other = append(other, q)
		}
	}
	complain(t, "do not have the first refusal, 550 5.7.9, for a reason", other)
}

// startChasquidHost starts a chasquid that passes mail on through an agent.
func startChasquidHost(t *testing.T, packages string) *host {
	t.Helper()
	root := unpacked(t, packages, "usr/bin/chasquid")
	h := newHost(t, packages)
	h.user, h.refuse, h.size = "user@example.net", "does not exist", 50<<20
	h.errors, h.spare, h.patient = 3, 5, true
	agent := h.sink.withAgent()
	h.sink.mark = "-x" // an address without an alias must have a user
	m := newMachine(t, h.cert, root)
	m.write("chasquid/chasquid.conf", fmt.Sprintf(`hostname: "smarthost.test"
smtp_address: "%s"
submission_address: "%s"
mail_delivery_agent_bin: "%s"
mail_delivery_agent_args: "%%from%%"
mail_delivery_agent_args: "%%to%%"
mail_log_path: "<stderr>"
data_dir: "/var/lib/chasquid"
`, h.addr, h.secure, agent))
	m.write("chasquid/certs/smarthost.test/fullchain.pem", stage.Read(t, h.cert.CertFile))
	m.write("chasquid/certs/smarthost.test/privkey.pem", stage.Read(t, h.cert.KeyFile))
	var aliases strings.Builder
	for i := range 1600 {
		fmt.Fprintf(&aliases, "friend%d: friend%[1]d-x@example.net\n", i)
	}
	aliases.WriteString("grüße: grüße-x@example.net\n")
	m.write("chasquid/domains/example.net/aliases", aliases.String())
	h.awaitReady(t, start(t, m.command(`
mkdir -p /var/lib/chasquid
chasquid-util --configdir=/etc/chasquid user-add `+h.user+` --password=`+h.password+`
exec chasquid -config_dir=/etc/chasquid
`)))
	return h
}
