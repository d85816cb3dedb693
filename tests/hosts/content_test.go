package hosts

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A mail over the host's size fails with its words, and the one behind it goes out.
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

var aboutSize = regexp.MustCompile(`(?i)at most|exceed|too (big|large)`)

// A line of 2,500 octets in the middle of a series costs only its own mail, at a first run and at one
// with a host that is known. A NUL is left out at submission, since hosts cut the line there or refuse
// the mail.
func checkOddContent(t *testing.T, h *host) {
	me := newPerson(t, h)
	for run := range 3 { // at the second the host is known
		mails := h.newMails(10)
		mails[3].content += strings.Repeat("long ", 500) + "\n"
		mails[6].content += "before\000behind\nnext\n"
		me.send(mails...)
		me.run()
		me.settled(1)
		mails[6].content = strings.ReplaceAll(mails[6].content, "\000", "")
		ordinary := slices.Concat(mails[:3], mails[4:])
		if h.line == kept {
			ordinary = mails
		}
		h.check(t, ordinary, 0)
		me.fate(mails[3], h.line)
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

// 8-bit content, and a recipient beyond ASCII.
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
