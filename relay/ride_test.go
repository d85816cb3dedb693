package relay

import (
	"strings"
	"testing"
	"time"
)

// A host offers PIPELINING and loses what is sent behind a message. The message is relayed once,
// the next goes over another session, and from then on nothing is sent behind a message, in later
// runs either.
func TestHostLosesWhatRides(t *testing.T) {
	s := serve(t, pipelinedStart+`
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		C: RSET
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
	state := StateAt(t.TempDir())
	h := s.host()
	h.config.Limits.Mail = patience // the limit of smtp applies
	h.memory.state, h.memory.key = state, h.addr
	run(t, h, messages(3)...).expect(`
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`)
	h = s.host()
	h.memory.state, h.memory.key = state, h.addr
	run(t, h, messages(2)...).expect(`
		1 x1@example.com relayed 2.0.0 250 queued 4
		2 x2@example.com relayed 2.0.0 250 queued 5`)
}

// A host refuses what is sent behind a message as out of place. The session goes on, and from
// then on nothing is sent behind a message, in later runs either.
func TestHostRefusesWhatRides(t *testing.T) {
	s := serve(t, pipelinedStart+`
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		C: RSET
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 250 queued 1
		S: 503 pipelined after end of DATA
		S: 503 pipelined after end of DATA
		S: 503 pipelined after end of DATA
		S: 503 pipelined after end of DATA
		`+byData("2")+byData("3")+bye+`
		---`+pipelinedStart+byData("1")+byData("2")+bye, nil)
	state := StateAt(t.TempDir())
	for n := range 2 {
		h := s.host()
		h.memory.state, h.memory.key = state, h.addr
		want := `
			1 x1@example.com relayed 2.0.0 250 queued 1
			2 x2@example.com relayed 2.0.0 250 queued 2
			3 x3@example.com relayed 2.0.0 250 queued 3`
		if n == 1 {
			want = want[:strings.LastIndex(want, "\n")]
		}
		run(t, h, messages(3-n)...).expect(want)
	}
}

// The envelope behind a refused content begins with RSET, so that nothing of the refused mail is
// left.
func TestRiderBehindRefusedContent(t *testing.T) {
	s := serve(t, pipelinedStart+`
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		C: RSET
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 550 5.7.1 not this
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 2`+bye, nil)
	run(t, s.host(), messages(2)...).expect(`
		1 x1@example.com failed/message 5.7.1 550 not this
		2 x2@example.com relayed 2.0.0 250 queued 2`)
}

// A host that asks for the content of a message whose sender it has refused gets none, not even
// an empty one.
func TestContentOfARefusedMessage(t *testing.T) {
	s := serve(t, pipelinedStart+`
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 550 5.7.1 not you
		S: 250 ok
		S: 354 go on
		---`+pipelinedStart+byData("2")+bye, nil)
	run(t, s.host(), messages(2)...).expect(`
		1 x1@example.com failed/message 5.7.1 550 not you
		2 x2@example.com relayed 2.0.0 250 queued 2`)
}

// A message that is tried alone has nothing behind it.
func TestAloneHasNothingBehindIt(t *testing.T) {
	s := serve(t, pipelinedStart+`
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 550 5.1.0 too many failures
		! close
		---`+pipelinedStart+lockstep("1")+byData("2")+bye, nil)
	run(t, s.host(), messages(2)...).expect(`
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2`)
}

// An envelope that is refused for going behind a message has not been refused: whatever becomes of the session then, its
// message goes over another one, and nothing rides from then on.
func TestHostEndsOverWhatRides(t *testing.T) {
	const riding = pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		C: RSET
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		`
	for name, end := range map[string]string{
		"421":                    `S" "250 queued 1\r\n421 not now\r\n"` + "\n! shut",
		"5xx to all, and closed": `S" "250 queued 1\r\n554 early\r\n554 early\r\n554 early\r\n554 early\r\n"` + "\n! shut",
		"5xx to two, and closed": `S" "250 queued 1\r\n554 early\r\n554 early\r\n"` + "\n! shut",
		"5xx, and 421":           `S" "250 queued 1\r\n554 early\r\n554 early\r\n421 too many errors\r\n"` + "\n! shut",
		"5xx, 421 and no end":    `S" "250 queued 1\r\n554 early\r\n554 early\r\n421 too many errors\r\n"` + "\n! hang",
		"5xx to two, and mute":   `S" "250 queued 1\r\n554 early\r\n554 early\r\n"` + "\n! hang",
		"one missing, 5xx":       `S" "250 queued 1\r\n554 early\r\n554 early\r\n554 early\r\n"` + "\n! hang",
		"5xx to one, and reset":  `S" "250 queued 1\r\n554 early\r\n"` + "\n! reset",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, riding+end+"\n---"+pipelinedStart+byData("2")+bye, nil)
			h := s.host()
			h.config.Limits.Rcpt, h.config.Limits.Data, h.config.Limits.Quit = time.Second, time.Second, 300*time.Millisecond
			first := "relayed 2.0.0 250 queued 1"
			if strings.HasPrefix(name, "one missing") { // it may have been the reply to the dot
				first = "delayed/session unsure 4.4.2 mx.example.org did not answer to DATA within 1s; all of this message had been sent"
			}
			run(t, h, messages(2)...).expect("1 x1@example.com " + first + "\n2 x2@example.com relayed 2.0.0 250 queued 2")
		})
	}
}
