package hosts

import (
	"esmtpq/tests/stage"
	"testing"
)

// deliver is killed in the middle of a series, at an octet: nothing is lost, nothing arrives cut
// short, and what comes twice is no more than may be in flight.
func checkKilled(t *testing.T, h *host) {
	me := newPerson(t, h)
	me.send(h.newMails(4)...)
	me.run() // it is known now, so all goes out the way that is meant for it
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
		me.inOrderOf(mails)
	}
}

// window is how many messages docs/reliability.md lets be in flight at most.
const window = 64

// killAfter lets deliver run, and kills it when the host has got n octets.
func (p *person) killAfter(n int) {
	p.t.Helper()
	cmd := p.Command("deliver")
	started, ended := make(chan bool), make(chan bool)
	p.tap.cutAfter(n, func() {
		<-started
		cmd.Process.Kill()
		<-ended
	})
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	close(started)
	cmd.Wait()
	close(ended)
	p.tap.cutAfter(0, nil)
}
