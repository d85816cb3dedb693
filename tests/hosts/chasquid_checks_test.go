package hosts

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

func TestChasquidChecks(t *testing.T) { startChasquidHost(t, "chasquid").checks(t) }

// chasquid closes at the third error of a connection, and each refused recipient is an error.
func TestChasquidManyRefused(t *testing.T) { startChasquidHost(t, "chasquid").manyRefused(t) }

// Of 102 recipients chasquid takes 101, and soon closes.
func TestChasquidTooManyRecipients(t *testing.T) {
	h := startChasquidHost(t, "chasquid")
	for _, n := range stage.Pick([]int{102}, []int{101, 102, 150}) {
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

// chasquid 1.11 loses what stands behind a final dot, 1.15 does not: what was learned of a host
// must not be believed for ever.
func TestChasquidMended(t *testing.T) {
	onlyLong(t)
	old, mended := startChasquidHost(t, "chasquid"), startChasquidHost(t, "mended")
	me := newPerson(t, old)
	send := func(h *host) int {
		t.Helper()
		ahead := me.tap.ahead()
		mails := h.newMails(3)
		me.send(mails...)
		me.run()
		me.settled(1)
		h.check(t, mails, 0)
		return me.tap.ahead() - ahead
	}
	if send(old) == 0 {
		t.Fatal("nothing was sent ahead to a host that is not known")
	}
	if n := send(old); n > 0 {
		t.Errorf("%d times something was sent ahead to a host that loses it", n)
	}
	me.tap.turn(mended.addr)
	send(mended)
	me.age(31 * 24 * time.Hour)
	if send(mended) == 0 {
		t.Error("a month later nothing is sent ahead to a host that was mended")
	}
}

// age makes what is known of hosts older.
func (p *person) age(by time.Duration) {
	p.t.Helper()
	name := p.Path(".esmtp_queue/.sessions/hosts")
	dated := regexp.MustCompile(`"time": ?(\d+)`)
	file := stage.Read(p.t, name)
	if !dated.MatchString(file) {
		p.t.Fatalf("there is no time in %q", file)
	}
	p.Write(".esmtp_queue/.sessions/hosts", dated.ReplaceAllStringFunc(file, func(s string) string {
		at, err := strconv.ParseInt(dated.FindStringSubmatch(s)[1], 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		return fmt.Sprintf(`"time":%d`, at-int64(by/time.Second))
	}))
}

// startChasquidHost starts one that passes on through an agent: that of the packages, or a newer
// one.
func startChasquidHost(t *testing.T, packages string) *host {
	t.Helper()
	root := unpacked(t, "chasquid", "usr/bin/chasquid")
	binary := "chasquid"
	if packages == "mended" {
		binary = program(t, "chasquid")
	}
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
exec `+binary+` -config_dir=/etc/chasquid
`)))
	return h
}
