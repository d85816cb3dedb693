package hosts

import (
	"maps"
	"slices"
	"strings"
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
		{"reset and reuse", checkReuse, false},
		{"refused among good", checkRefusedAmongGood, h.slow},
		{"refused alone", checkRefusedAlone, h.slow},
		{"over size", checkOverSize, false},
		{"password", checkPassword, false},
		{"no user name", checkNoUserName, false},
		{"probe", checkProbe, false},
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

// inOrderOf expects these mails, among others, to have been sent in their order.
func (p *person) inOrderOf(mails []mail) {
	p.t.Helper()
	want := ids(mails)
	order := slices.DeleteFunc(p.tap.order(), func(id string) bool { return !slices.Contains(want, id) })
	if !slices.Equal(order, want) {
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

// Mails that nobody may have, between others: what is left of them is reset, and the session goes on
// with the next, at the first run and with a host that is known.
func checkReuse(t *testing.T, h *host) {
	me := newPerson(t, h)
	most := 0
	if h.strict {
		most++
	}
	for range 2 {
		mails := h.newMails(11)
		for i := 1; i < len(mails); i += 4 {
			mails[i].to = []string{h.bad(i)}
			mails[i].fill(50_000)
		}
		me.send(mails...)
		me.once(mails)
		me.refused(mails)
		most += h.sessions(1)
		if h.errors > 0 && h.errors < 6 { // a refusal is an error, and what was sent behind it another
			most += 3
		}
		me.connects(most)
	}
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
