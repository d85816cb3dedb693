package relay

import (
	"context"
	"testing"
	"time"

	"esmtpq/queue"
)

// A host that ends each session when it is probed, or asked once more behind the login, gets three sessions and no
// more: then the identity waits.
func TestSessionsWithoutAMessage(t *testing.T) {
	const ends = chunkedStart + probeDialogue + "S: 421 4.7.0 not that\n! close\n---\n"
	s := serve(t, ends+chunkedStart+byData("1")+byData("2")+byData("3")+bye, nil)
	run(t, s.host(), messages(3)...).expect(`
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`)
}

// A session that was opened beforehand is used once, while it is young; and closed if there is nothing to send.
func TestPreparedSession(t *testing.T) {
	s := serve(t, lockstepStart+lockstep("1")+bye+"---"+lockstepStart+bye, nil)
	h := s.host()
	h.prepare(context.Background())
	h.prepare(context.Background())
	run(t, h, messages(1)...).expect("1 x1@example.com relayed 2.0.0 250 queued 1")
	h.prepare(context.Background())
	<-h.opening
	h.close()
}

// One that has grown old is not used, and one that has died costs nobody an attempt.
func TestOldPreparedSession(t *testing.T) {
	s := serve(t, lockstepStart+"! hang\n---"+lockstepStart+"! close\n---"+lockstepStart+lockstep("1")+bye, nil)
	h := s.host()
	h.prepare(context.Background())
	<-h.opening
	h.opened = h.opened.Add(-preparedTime - time.Second)
	if _, conn, _, err := h.prepared(); conn != nil || err != nil {
		t.Error("it is used")
	}
	h.prepare(context.Background())
	<-h.opening
	run(t, h, messages(1)...).expect("1 x1@example.com relayed 2.0.0 250 queued 1")
}

// An envelope whose content cannot be opened does not ride, and what it would have ridden behind may be refused.
func TestRiderThatCannotBeOpened(t *testing.T) {
	s := serve(t, pipelinedStart+`
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 550 5.7.1 not this
		C: RSET
		S: 250 reset`+byData("3")+bye, nil)
	all := messages(3)
	all[1].Content = stringContent{fail: queue.ErrDamaged}
	run(t, s.host(), all...).expect(`
		1 x1@example.com failed/message 5.7.1 550 not this
		2 x2@example.com delayed/message 4.3.0 the content cannot be opened: damaged
		3 x3@example.com relayed 2.0.0 250 queued 3`)
}
