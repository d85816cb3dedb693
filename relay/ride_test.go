package relay

import "testing"

// A host that offers PIPELINING and loses what stands behind a message: the message is relayed once, the
// next goes over another session, and from then on nothing is sent behind a message, in later runs either.
func TestHostLosesWhatRides(t *testing.T) {
	s := serve(t, pipelinedStart+`
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 250 queued 1
		! hang
		---`+pipelinedStart+`
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 2
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x3@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 3
		`+bye+`
		---`+pipelinedStart+`
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 4
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 5
	`+bye, nil)
	defer s.close()
	state := stateDir(t.TempDir())
	h := s.host()
	h.limits.mail = patience // the pause is rideTime
	h.riding.state, h.riding.key = state, h.addr
	run(t, h, messages(3)...).expect(`
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`)
	h = s.host()
	h.riding.state, h.riding.key = state, h.addr
	run(t, h, messages(2)...).expect(`
		1 x1@example.com relayed 2.0.0 250 queued 4
		2 x2@example.com relayed 2.0.0 250 queued 5`)
}
