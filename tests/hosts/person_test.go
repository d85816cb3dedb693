package hosts

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// A person sends as me@example.org through one host, behind a tap.
type person struct {
	*stage.Person
	t    *testing.T
	host *host
	tap  *tap
	port string // of the tap
}

// newPerson makes a person who sends in clear, with a login if the host wants one.
func newPerson(t *testing.T, h *host) *person {
	t.Helper()
	p := &person{Person: stage.NewPerson(t), t: t, host: h}
	p.listenTo(h.addr)
	p.Setenv("SSL_CERT_FILE=" + h.cert.Authority)
	p.configure("starttls = disabled")
	if h.login {
		p.configure("starttls = disabled", "username = "+h.user, "password = "+h.password)
	}
	return p
}

// newSecurePerson makes a person who uses the host's submission port: STARTTLS, and a login with
// this password.
func newSecurePerson(t *testing.T, h *host, password string) *person {
	t.Helper()
	p := newPerson(t, h)
	p.listenTo(h.secure)
	p.signIn(password)
	return p
}

// listenTo puts a tap in front of one of the host's addresses.
func (p *person) listenTo(addr string) {
	p.tap = newTap(p.t, addr)
	p.port = portOf(p.tap.addr)
}

func (p *person) signIn(password string) {
	p.t.Helper()
	p.configure("starttls = required", "username = "+p.host.user, "password = "+password)
}

// configure writes the configuration with further settings.
func (p *person) configure(lines ...string) {
	p.t.Helper()
	lines = append([]string{"identity = me@example.org", "hostname = localhost:" + p.port}, lines...)
	p.Write(".esmtprc", strings.Join(lines, "\n")+"\n")
}

// send submits mails. None of them says on its way what there was in Bcc.
func (p *person) send(mails ...mail) {
	p.t.Helper()
	for _, m := range mails {
		p.Run("Bcc: nobody@example.org\n"+m.content, "sendmail", append([]string{"-i", "-f", "me@example.org"}, m.to...)...)
	}
}

// run runs deliver once.
func (p *person) run() {
	p.t.Helper()
	if r := p.Try("", "deliver"); r.Code != 0 && r.Code != 75 {
		p.t.Errorf("deliver: exit %d, %s", r.Code, r.Stderr)
	}
}

// settled expects that nothing waits after this many runs of deliver, and goes on running it
// until nothing does.
func (p *person) settled(runs int) {
	p.t.Helper()
	waiting := p.waiting()
	if len(waiting) == 0 {
		return
	}
	p.t.Errorf("after %d runs and %d connections %d recipients wait: %s", runs, p.tap.connections(), len(waiting), first(waiting))
	for range 2 {
		if p.run(); len(p.waiting()) == 0 {
			return
		}
	}
	waiting = p.waiting()
	p.t.Errorf("after %d runs and %d connections %d recipients still wait: %s", runs+2, p.tap.connections(), len(waiting), first(waiting))
}

// noDoubt expects that no mail is possibly delivered.
func (p *person) noDoubt() {
	p.t.Helper()
	var doubt []queued
	for _, q := range p.waiting() {
		if q.action == "possibly delivered" {
			doubt = append(doubt, q)
		}
	}
	complain(p.t, "possibly delivered, though the host has said that they are not", doubt)
}

// complain reports the beginning of a list of faults.
func complain[T any](t *testing.T, what string, list []T) {
	t.Helper()
	if len(list) > 0 {
		t.Errorf("%d %s: %s", len(list), what, first(list))
	}
}

func first[T any](list []T) string {
	if len(list) <= 3 {
		return fmt.Sprint(list)
	}
	return fmt.Sprint(list[:3]) + " ..."
}

// A queued recipient is one that mailq lists.
type queued struct {
	subject, address, action, status, reason string
	attempts                                 int
	message                                  string // why the whole message waits
}

func (q queued) String() string {
	return fmt.Sprintf("[%s %s, %s %s: %s %s]", q.message, q.address, q.action, q.status, q.reason, q.subject)
}

// queue returns what mailq lists.
func (p *person) queue() []queued {
	p.t.Helper()
	r := p.Try("", "mailq", "--json")
	var list []queued
	for d := json.NewDecoder(strings.NewReader(r.Stdout)); d.More(); {
		var m struct {
			ID         string `json:"queue_id"`
			Reason     string
			Attempts   int
			Recipients []struct {
				Address, Action, Status string
				DelayReason             string `json:"delay_reason"`
			}
		}
		if err := d.Decode(&m); err != nil {
			p.t.Fatalf("mailq --json: %v\n%s", err, r.Stdout)
		}
		for _, to := range m.Recipients {
			list = append(list, queued{p.subject(m.ID), to.Address, to.Action, to.Status, to.DelayReason, m.Attempts, m.Reason})
		}
	}
	return list
}

// subject returns the Message-ID of a queued mail.
func (p *person) subject(id string) string {
	content, err := os.ReadFile(p.Path(filepath.Join(".esmtp_queue", id, "mail")))
	if err != nil {
		return ""
	}
	if m := messageID.FindSubmatch(content); m != nil {
		return string(m[1])
	}
	return ""
}

// waiting returns the queued recipients that have not failed.
func (p *person) waiting() []queued {
	p.t.Helper()
	var list []queued
	for _, q := range p.queue() {
		if q.action != "failed" {
			list = append(list, q)
		}
	}
	return list
}

// failed returns those that have.
func (p *person) failed() []queued {
	p.t.Helper()
	var list []queued
	for _, q := range p.queue() {
		if q.action == "failed" {
			list = append(list, q)
		}
	}
	return list
}
