package hosts

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"esmtpq/tests/stage"
)

// checks are the tests of every host: how mail arrives behind it, in how many runs and over how
// many connections.
func (h *host) checks(t *testing.T) {
	for _, check := range []struct {
		name string
		run  func(*testing.T, *host)
		long bool
	}{
		{"two mails", checkTwo, false},
		{"series", checkSeries, false},
		{"refused among good", checkRefusedAmongGood, h.slow},
		{"refused alone", checkRefusedAlone, h.slow},
		{"over size", checkOverSize, false},
		{"password", checkPassword, false},
		{"no user name", checkNoUserName, false},
		{"odd content", checkOddContent, false},
		{"beyond ASCII", checkBeyondASCII, false},
		{"killed", checkKilled, false},
		{"many mails", checkMany, false},
		{"many recipients", checkManyRecipients, false},
	} {
		t.Run(check.name, func(t *testing.T) {
			if check.long {
				onlyLong(t)
			}
			if h.patient {
				t.Parallel()
			}
			check.run(t, h)
		})
	}
}

// Two mails do not go back to back: each goes out once, in one session.
func checkTwo(t *testing.T, h *host) {
	me := newPerson(t, h)
	for range 3 { // the second time, the host is known
		mails := h.newMails(2)
		before := me.tap.connections()
		me.send(mails...)
		me.once(mails)
		if n := me.tap.connections() - before; n > 1+h.spare {
			t.Errorf("%d connections, want one", n)
		}
	}
}

// once runs deliver, and expects each mail to have arrived once.
func (p *person) once(mails []mail) {
	p.t.Helper()
	p.run()
	p.settled(1)
	p.host.check(p.t, mails, 0)
}

// Sixty mails, some of them large, some awkward, some with a refused recipient between two good
// ones: in order, over one connection.
func checkSeries(t *testing.T, h *host) {
	me := newPerson(t, h)
	mails := h.newMails(60)
	for i := range mails {
		m := &mails[i]
		if i%4 == 2 {
			m.content += stage.Awkward
		}
		if i%7 == 3 && !(h.slow && i > 10) {
			m.to = []string{h.good(i), h.bad(i), h.good(i + 100)}
		}
		if i%10 == 5 {
			m.fill(300_000)
		}
	}
	me.send(mails...)
	me.once(mails)
	me.inOrder(mails)
	me.refused(mails)
	me.connects(h.sessions(len(mails)))
}

// sessions returns how many connections n mails need.
func (h *host) sessions(n int) int {
	if h.most == 0 {
		return 1 + h.spare
	}
	return (n+h.most-1)/h.most + h.spare
}

func (p *person) connects(most int) {
	p.t.Helper()
	if n := p.tap.connections(); n > most {
		p.t.Errorf("%d connections, want %d at most", n, most)
	}
}

// inOrder expects the mails to have been sent in their order.
func (p *person) inOrder(mails []mail) {
	p.t.Helper()
	if order := p.tap.order(); !slices.Equal(order, ids(mails)) {
		p.t.Errorf("sent in the order %v", order)
	}
}

// refused expects exactly the bad recipients of these mails to have failed, with the words of the
// host.
func (p *person) refused(mails []mail) {
	p.t.Helper()
	want, known := map[string]bool{}, map[string]bool{}
	for _, m := range mails {
		known[m.id] = true
		for _, to := range m.to {
			if strings.HasPrefix(to, "bad") {
				want[m.id+" "+to] = true
			}
		}
	}
	var unjust, unlike []queued
	for _, q := range p.failed() {
		switch {
		case !known[q.subject]:
		case !want[q.subject+" "+q.address]:
			unjust = append(unjust, q)
		case !strings.Contains(q.reason, p.host.refuse):
			unlike = append(unlike, q)
		}
		delete(want, q.subject+" "+q.address)
	}
	complain(p.t, "failed, though the host refuses no such", unjust)
	complain(p.t, "failed with other words than "+p.host.refuse, unlike)
	complain(p.t, "have not failed", slices.Collect(maps.Keys(want)))
}

// Two good recipients, the first and the last, with thirty refused ones between them. Some hosts
// close after that many errors: the replies until then count.
func checkRefusedAmongGood(t *testing.T, h *host) { h.manyRefused(t) }

// manyRefused sends such a mail, and one after it. No session may be in vain: the host's limit on
// errors determines the number of sessions and runs.
func (h *host) manyRefused(t *testing.T) {
	t.Helper()
	sessions := 1
	if h.errors > 0 {
		sessions += (30 + h.errors - 1) / h.errors
	}
	me := newPerson(t, h)
	for range 2 {
		mails := h.newMails(2)
		for i := range 30 {
			mails[0].to = append(mails[0].to, h.bad(i))
		}
		mails[0].to = append(mails[0].to, h.good(2))
		me.send(mails...)
		before, last := me.tap.connections(), 33
		for run := range sessions {
			me.run()
			waiting := len(me.waiting())
			if waiting == 0 {
				break
			}
			if waiting >= last && run > 0 {
				t.Errorf("a run in vain: %d recipients wait as before", waiting)
			}
			last = waiting
		}
		me.settled(sessions)
		h.check(t, mails, 0)
		me.refused(mails)
		if n := me.tap.connections() - before; n > sessions+h.spare {
			t.Errorf("%d connections, want %d at most", n, sessions)
		}
	}
}

// Forty mails with only a refused recipient, and a good one after them.
func checkRefusedAlone(t *testing.T, h *host) {
	me := newPerson(t, h)
	mails := h.newMails(41)
	for i := range mails[:40] {
		mails[i].to = []string{h.bad(i)}
	}
	me.send(mails...)
	me.once(mails)
	me.refused(mails)
}

// A mail over the host's size limit fails with the host's words, and the one after it goes out.
func checkOverSize(t *testing.T, h *host) {
	if h.size == 0 {
		t.Skip("this host has no limit")
	}
	me := newPerson(t, h)
	mails := h.newMails(2)
	mails[0].fill(int(h.size))
	me.send(mails...)
	me.once(mails[1:])
	failed := me.failed()
	if len(failed) != 1 || failed[0].subject != mails[0].id {
		t.Fatalf("failed have %v, want the large mail", failed)
	}
	if !aboutSize.MatchString(failed[0].reason) {
		t.Errorf("failed with %q, which does not speak of the size", failed[0].reason)
	}
}

// With a wrong password the mail waits, after one attempt; with the right one it goes out.
func checkPassword(t *testing.T, h *host) {
	if h.secure == "" {
		t.Skip("this host takes no logins")
	}
	me := newSecurePerson(t, h, "wrong-horse")
	mails := h.newMails(20)
	me.send(mails...)
	me.run()
	if n := len(me.waiting()); n != len(mails) {
		t.Errorf("with a wrong password %d of %d mails wait", n, len(mails))
	}
	me.connects(1 + h.spare)
	for _, q := range me.queue() {
		if strings.Contains(q.message+q.reason, "wrong-horse") {
			t.Errorf("the password is shown: %s", q)
		}
	}
	me.signIn(h.password)
	me.once(mails)
	me.connects(2 + h.spare)

	later := h.newMails(1)
	me.send(later...)
	me.once(later)
	if sent, _ := me.tap.said(); strings.Contains(string(sent), later[0].id) {
		t.Error("mail was sent in clear")
	}
}

// If the user name is missing in the configuration, the mail waits, whatever the host's code, and
// goes out once it is there.
func checkNoUserName(t *testing.T, h *host) {
	if h.secure == "" {
		t.Skip("this host takes no logins")
	}
	me := newSecurePerson(t, h, "")
	me.configure("starttls = required")
	mails := h.newMails(3)
	for i := range mails {
		if h.abroad != "" {
			mails[i].to[0] = "friend@" + h.abroad
		}
	}
	me.send(mails...)
	me.run()
	waiting := me.waiting()
	if len(waiting) != len(mails) {
		t.Fatalf("without a user name %d of %d mails wait; failed: %v", len(waiting), len(mails), me.failed())
	}
	for _, q := range waiting {
		if !aboutLogin.MatchString(q.message + q.reason) {
			t.Errorf("the reason does not speak of a login: %s", q)
		}
	}
	me.signIn(h.password)
	me.once(mails)
}

var aboutSize = regexp.MustCompile(`(?i)at most|exceed|too (big|large)`)

var aboutLogin = regexp.MustCompile("(?i)login|user name|auth")

// A NUL, and a line of 2,500 octets, in the middle of a series cost only their own mails, in a
// first run and with a known host.
func checkOddContent(t *testing.T, h *host) {
	me := newPerson(t, h)
	for run := range 3 { // in the second run, the host is known
		mails := h.newMails(10)
		mails[3].content += strings.Repeat("long ", 500) + "\n"
		mails[6].content += "before\000behind\nnext\n"
		me.send(mails...)
		me.run()
		me.settled(1)
		ordinary := slices.Concat(mails[:3], mails[4:6], mails[7:])
		for i, fate := range map[int]fate{3: h.line, 6: h.nul} {
			if fate == kept {
				ordinary = append(ordinary, mails[i])
			}
		}
		h.check(t, ordinary, 0)
		for i, fate := range map[int]fate{3: h.line, 6: h.nul} {
			me.fate(mails[i], fate)
		}
		for _, q := range me.failed() {
			if slices.Contains(ids(ordinary), q.subject) {
				t.Errorf("failed in run %d, though there is nothing odd about it: %s", run+1, q)
			}
		}
	}
}

// fate expects an odd mail to have arrived once, or to have failed.
func (p *person) fate(m mail, fate fate) {
	p.t.Helper()
	arrived := p.host.copies(m)
	var failed []queued
	for _, q := range p.failed() {
		if q.subject == m.id {
			failed = append(failed, q)
		}
	}
	if fate == either && (arrived > 1 || arrived+len(failed) != 1) {
		p.t.Errorf("the odd mail %s arrived %d times, and failed with %v; want one of them", m.id, arrived, failed)
	}
	if fate == refused && (arrived != 0 || len(failed) != 1) {
		p.t.Errorf("the odd mail %s arrived %d times, and failed with %v; want it refused", m.id, arrived, failed)
	}
	if (fate == kept || fate == altered) && (arrived != 1 || len(failed) != 0) {
		p.t.Errorf("the odd mail %s arrived %d times, and failed with %v; want it once", m.id, arrived, failed)
	}
}

// copies returns how often a mail has arrived.
func (h *host) copies(m mail) (n int) {
	for _, a := range h.sink.all() {
		if id := messageID.FindStringSubmatch(a.content); id != nil && id[1] == m.id {
			n++
		}
	}
	return n
}

// 8-bit content, and a recipient outside ASCII.
func checkBeyondASCII(t *testing.T, h *host) {
	me := newPerson(t, h)
	mails := h.newMails(3)
	for i := range mails {
		mails[i].content += "Grüße, \xff\xfe, ein Smiley: ☺\n"
	}
	mails[1].to = []string{"grüße@" + h.domain}
	me.send(mails...)
	me.run()
	me.settled(1)
	if h.utf8 {
		h.check(t, mails, 0)
		return
	}
	h.check(t, []mail{mails[0], mails[2]}, 0)
	if failed := me.failed(); len(failed) != 1 || failed[0].subject != mails[1].id {
		t.Errorf("failed have %v, want the mail to %s", failed, mails[1].to)
	}
}

// deliver is killed at an octet in the middle of a series: nothing is lost or arrives cut short,
// and no more mails arrive twice than may be in flight.
func checkKilled(t *testing.T, h *host) {
	me := newPerson(t, h)
	me.send(h.newMails(4)...)
	me.run() // the host is known now, so all mail goes out in the way meant for it
	for _, share := range stage.Pick([]float64{0.4}, []float64{0.17, 0.4, 0.67, 0.9}) {
		mails := h.newMails(60)
		for i := range mails {
			if i%10 == 5 {
				mails[i].fill(100_000)
			}
		}
		me.send(mails...)
		total := 0
		for _, m := range mails {
			total += len(m.content) + 200
		}
		me.killAfter(int(share * float64(total)))
		me.run()
		me.settled(1)
		h.check(t, mails, window)
	}
}

// window is the greatest number of messages in flight according to docs/reliability.md.
const window = 64

// killAfter runs deliver, and kills it when the host has got n octets.
func (p *person) killAfter(n int) {
	p.t.Helper()
	cmd := p.Command("deliver")
	var ended sync.WaitGroup
	ended.Add(1)
	p.tap.cutAfter(n, func() {
		cmd.Process.Kill()
		ended.Wait()
	})
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	cmd.Wait()
	ended.Done()
	p.tap.cutAfter(0, nil)
}

// Many mails, more than a host takes in one connection.
func checkMany(t *testing.T, h *host) {
	n := 130
	if h.most > n && stage.Long() {
		n = h.most + 100
	}
	me := newPerson(t, h)
	mails := h.newMails(n)
	me.send(mails...)
	me.once(mails)
	me.inOrder(mails)
	me.connects(h.sessions(n))
}

// One mail to more recipients than any host takes at once.
func checkManyRecipients(t *testing.T, h *host) {
	n := 250
	if stage.Long() {
		n = 1500
	}
	me := newPerson(t, h)
	mails := h.newMails(1)
	for i := 1; i < n; i++ {
		mails[0].to = append(mails[0].to, h.good(i))
	}
	me.send(mails...)
	me.once(mails)
	if failed := me.failed(); len(failed) > 0 {
		t.Errorf("failed: %d, %s", len(failed), failed[0])
	}
}
