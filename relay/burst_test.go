package relay

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"esmtpq/queue"
)

const chunkedStart = `
		S: 220 mx.example.org ESMTP
		C: EHLO client.example.org
		S: 250-mx.example.org
		S: 250-PIPELINING
		S: 250 CHUNKING
	`

// chunk is what is said for message n of messages() in a burst.
func chunk(n string) string {
	return `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x` + n + `@example.com>
		C: BDAT 25 LAST
		C: Subject: ` + n + `
		C* text of ` + n + `
	`
}

// byData is what is said for message n alone, and queued.
func byData(n string) string {
	return `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x` + n + `@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued ` + n + `
	`
}

// three is a window of three messages.
var three = chunk("1") + "C: RSET\n" + chunk("2") + "C: RSET\n" + chunk("3")

// bursts shows what is said to a host that is known to drain, and what becomes of the mail.
var bursts = []struct {
	name    string
	mail    []*queue.Delivery
	script  string
	reports string
	refused bool // whether no burst is tried again
}{
	{"three at once", messages(3), chunkedStart + three + `
		S: 250 ok
		S: 250 ok
		S: 250 queued 1
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 250 queued 2
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 250 queued 3` + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`, false},

	{"two are no burst", messages(2), chunkedStart + `
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
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 2` + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2`, false},

	{"refusals in the middle", messages(5), chunkedStart + three + "C: RSET\n" + chunk("4") + "C: RSET\n" + chunk("5") + `
		S: 250 ok
		S: 550 5.1.1 no such user
		S: 503 5.5.1 no recipients
		S: 250 reset
		S: 550 5.7.1 not you
		S: 503 5.5.1 need MAIL
		S: 503 5.5.1 need RCPT
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 250 queued 3
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 554 5.7.1 spam
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 452 4.3.1 disk full` + bye, `
		1 x1@example.com failed/recipient 5.1.1 550 no such user
		2 x2@example.com failed/message 5.7.1 550 not you
		3 x3@example.com relayed 2.0.0 250 queued 3
		4 x4@example.com failed/message 5.7.1 554 spam
		5 x5@example.com delayed/message 4.3.1 452 disk full`, false},

	{"three of five unanswered", messages(5), chunkedStart + three + "C: RSET\n" + chunk("4") + "C: RSET\n" + chunk("5") + `
		S: 250 ok
		S: 250 ok
		S: 250 queued 1
		S: 250 reset
		S: 250 ok
		S: 550 5.1.1 no such user
		S: 503 5.5.1 no recipients
		S: 250 reset
		S: 250 ok
		! close`, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com failed/recipient 5.1.1 550 no such user
		3 x3@example.com delayed/session unsure 4.4.2 mx.example.org closed the connection at RCPT TO; all of this message had been sent
		4 x4@example.com delayed/session unsure 4.4.2 mx.example.org closed the connection at RCPT TO; all of this message had been sent
		5 x5@example.com delayed/session unsure 4.4.2 mx.example.org closed the connection at RCPT TO; all of this message had been sent`, false},

	{"421 in the middle: the rest goes over a new session", messages(3), chunkedStart + three + `
		S: 250 ok
		S: 250 ok
		S: 250 queued 1
		S: 250 reset
		S: 421 4.7.0 one message is enough
		! close
		---` + chunkedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x3@example.com>
		C: DATA
		S: 250 queued 2
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 3` + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`, false},

	{"a host that refuses every BDAT gets DATA", messages(3), chunkedStart + three + `
		S: 250 ok
		S: 250 ok
		S: 552 5.3.4 too large
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 552 5.3.4 too large
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 552 5.3.4 too large
		C: RSET
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 250 queued 1
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x3@example.com>
		C: DATA
		S: 552 5.3.4 too large all the same
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 3` + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com failed/message 5.3.4 552 too large all the same
		3 x3@example.com relayed 2.0.0 250 queued 3`, true},

	{"one BDAT refused and the next taken", messages(3), chunkedStart + three + `
		S: 250 ok
		S: 250 ok
		S: 552 5.3.4 too large
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 250 queued 2
		S: 250 reset
		S: 503 5.5.1 nested MAIL
		S: 503 5.5.1 need MAIL
		S: 503 5.5.1 need RCPT
		C: RSET
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x3@example.com>
		C: DATA
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 3` + bye, `
		1 x1@example.com delayed/message 5.3.4 552 too large
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`, true},

	{"a login wanted parks the identity", messages(4), chunkedStart + chunk("1") + "C: RSET\n" + chunk("2") + "C: RSET\n" + chunk("3") + "C: RSET\n" + chunk("4") + `
		S: 250 ok
		S: 250 ok
		S: 250 queued 1
		S: 250 reset
		S: 530 5.7.0 authentication required
		S: 503 5.5.1 need MAIL
		S: 503 5.5.1 need RCPT
		S: 250 reset
		S: 530 5.7.0 authentication required
		S: 503 5.5.1 need MAIL
		S: 503 5.5.1 need RCPT
		S: 250 reset
		S: 530 5.7.0 authentication required
		S: 503 5.5.1 need MAIL
		S: 503 5.5.1 need RCPT` + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com delayed/identity 5.7.0 530 authentication required
		3 x3@example.com delayed/identity 5.7.0 530 authentication required
		4 x4@example.com delayed/identity 5.7.0 530 authentication required`, false},

	{"nonsense leaves all in doubt, and ends bursts", messages(3), chunkedStart + three + `
		S: 250 ok
		S: 354 what?
		! hang`, `
		1 x1@example.com delayed/session unsure 4.4.2 mx.example.org gave an answer to RCPT TO that makes no sense: 354 what?; all of this message had been sent
		2 x2@example.com delayed/session unsure 4.4.2 ...
		3 x3@example.com delayed/session unsure 4.4.2 ...`, true},
}

// drained makes a host one that has passed the probe.
func drained(h *host) *host {
	h.chunking.drained = extensions{"PIPELINING": "", "CHUNKING": ""}.fingerprint()
	return h
}

func TestBursts(t *testing.T) {
	for _, b := range bursts {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			h := drained(serve(t, b.script, nil).host())
			run(t, h, b.mail...).expect(b.reports)
			if h.chunking.refused != b.refused {
				t.Errorf("bursts refused from now on: %v", h.chunking.refused)
			}
		})
	}
}

const probeDialogue = `
		C: BDAT 6 LAST
		C: NOOP
		C: RSET
		C: BDAT 6 LAST
		C: NOOP
		C: RSET
	`

// TestProbe: only a host that reads the chunk as one gets a burst, and no other is sent
// anything that it could take for commands.
func TestProbe(t *testing.T) {
	plain := pipelinedStart + `
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
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x3@example.com>
		C: DATA
		S: 250 queued 2
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 3` + bye
	again := "---" + strings.Replace(plain, "S: 250 PIPELINING", "S: 250-PIPELINING\nS: 250 CHUNKING", 1)
	for _, c := range []struct {
		name, script string
		want         drains
	}{
		{"drains", chunkedStart + probeDialogue + `
			S: 503 5.5.1 no MAIL
			S: 250 reset
			S: 503 5.5.1 no MAIL
			S: 250 reset` + three + `
			S: 250 ok
			S: 250 ok
			S: 250 queued 1
			S: 250 reset
			S: 250 ok
			S: 250 ok
			S: 250 queued 2
			S: 250 reset
			S: 250 ok
			S: 250 ok
			S: 250 queued 3` + bye, drainsYes},
		{"takes the chunk for a command", chunkedStart + probeDialogue + `
			S" "503 no MAIL\r\n250 did nothing\r\n250 reset\r\n503 no MAIL\r\n250 did nothing\r\n250 reset\r\n"
			! hang
			` + again, drainsNot},
		{"does, and is slow to say so", chunkedStart + probeDialogue + `
			S: 503 no MAIL
			S: 250 did nothing
			! pause
			S" "250 reset\r\n503 no MAIL\r\n250 did nothing\r\n250 reset\r\n"
			! hang
			` + again, drainsNot},
		{"does not know BDAT", chunkedStart + probeDialogue + `
			S" "500 what\r\n250 did nothing\r\n250 reset\r\n500 what\r\n250 did nothing\r\n250 reset\r\n"
			! hang
			` + again, drainsNot},
		{"accepts it", chunkedStart + probeDialogue + `
			S" "250 thanks\r\n250 reset\r\n250 thanks\r\n250 reset\r\n"
			! hang
			` + again, drainsNot},
		{"does not survive it", chunkedStart + probeDialogue + `
			! close
			` + again, drainsUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := serve(t, c.script, nil).host()
			dir := stateDir(t.TempDir() + "/state")
			h.chunking.state, h.chunking.key = dir, "mx.example.org:25"
			run(t, h, messages(3)...).expect(`
				1 x1@example.com relayed 2.0.0 250 queued 1
				2 x2@example.com relayed 2.0.0 250 queued 2
				3 x3@example.com relayed 2.0.0 250 queued 3`)

			// What a later run knows: this host, and not another one or one that offers something else.
			s := &session{host: h, level: pipelined, ext: extensions{"PIPELINING": "", "CHUNKING": ""}}
			if got := (&chunking{state: dir, key: "mx.example.org:25"}).know(s); got != c.want {
				t.Errorf("then %v is known, want %v", got, c.want)
			}
			if got := (&chunking{state: dir, key: "mx.example.net:25"}).know(s); got != drainsUnknown {
				t.Errorf("of another host %v is known", got)
			}
			s.ext["DSN"] = ""
			if got := (&chunking{state: dir, key: "mx.example.org:25"}).know(s); c.want == drainsYes && got != drainsUnknown {
				t.Errorf("of another EHLO %v is known", got)
			}
		})
	}
}

// TestLostTwice: a host that is lost before its first BDAT has come to anything has a second chance.
func TestLostTwice(t *testing.T) {
	dir := stateDir(t.TempDir())
	s := &session{host: &host{}, level: pipelined, ext: extensions{"CHUNKING": ""}}
	(&chunking{state: dir, key: "mx"}).confirm(s)
	s.drains = drainsYes
	for _, want := range []drains{drainsYes, drainsNot} {
		again := &chunking{state: dir, key: "mx"}
		again.lost(s)
		if got := again.know(s); got != drainsNot {
			t.Errorf("in the same run: %v", got)
		}
		if got := (&chunking{state: dir, key: "mx"}).know(s); got != want {
			t.Errorf("in the next run: %v, want %v", got, want)
		}
	}
}

// TestBurstSourceFails: what is not recorded is not sent; what was sent is read to its end.
func TestBurstSourceFails(t *testing.T) {
	answers := func(ids ...string) string {
		s := ""
		for i, id := range ids {
			if i > 0 {
				s += "S: 250 reset\n"
			}
			s += "S: 250 ok\nS: 250 ok\nS: 250 queued " + id + "\n"
		}
		return s
	}
	t.Run("sending", func(t *testing.T) {
		h := drained(serve(t, chunkedStart+chunk("1")+"C: RSET\n"+chunk("2")+answers("1", "2")+"C: RSET\n"+byDataAfterReset("4")+bye, nil).host())
		src := &testSource{t: t, queue: messages(4), failSending: map[string]error{"3": errors.New("disk full")}}
		src.run(context.Background(), h)
		src.expect(`
			1 x1@example.com relayed 2.0.0 250 queued 1
			2 x2@example.com relayed 2.0.0 250 queued 2
			3 x3@example.com delayed/message 4.3.0 progress cannot be recorded: disk full
			4 x4@example.com relayed 2.0.0 250 queued 4`)
	})
	t.Run("done", func(t *testing.T) {
		h := drained(serve(t, chunkedStart+three+answers("1", "2", "3"), nil).host())
		src := &testSource{t: t, queue: messages(3), failDone: map[string]error{"1": errors.New("disk full")}}
		src.run(context.Background(), h)
		src.expect(`
			1 x1@example.com relayed 2.0.0 250 queued 1
			2 x2@example.com relayed 2.0.0 250 queued 2
			3 x3@example.com relayed 2.0.0 250 queued 3`)
	})
	t.Run("content", func(t *testing.T) {
		all := messages(3)
		all[1].Content = stringContent{text: "half\n", err: queue.ErrDamaged}
		s := serve(t, chunkedStart+chunk("1")+"C: RSET\n"+chunk("3")+answers("1", "3")+bye, nil)
		run(t, drained(s.host()), all...).expect(`
			1 x1@example.com relayed 2.0.0 250 queued 1
			2 x2@example.com delayed/message 4.3.0 the content cannot be read to its end: damaged
			3 x3@example.com relayed 2.0.0 250 queued 3`)
	})
	t.Run("large content", func(t *testing.T) {
		all := messages(3)
		all[1].Content = stringContent{text: strings.Repeat("a large text\n", chunkSize/8), err: queue.ErrDamaged}
		s := serve(t, chunkedStart+chunk("1")+"C: RSET\nC: MAIL FROM:<me@example.org>\nC: RCPT TO:<x2@example.com>\nC* a large text\n"+answers("1")+`
			! hang
			---`+chunkedStart+byData("3")+bye, nil)
		run(t, drained(s.host()), all...).expect(`
			1 x1@example.com relayed 2.0.0 250 queued 1
			2 x2@example.com delayed/message 4.3.0 the content cannot be read to its end: damaged
			3 x3@example.com relayed 2.0.0 250 queued 3`)
		for _, line := range s.lines {
			if strings.HasSuffix(line, " LAST\r\n") && line != "BDAT 25 LAST\r\n" {
				t.Errorf("a damaged message was completed: %q", line)
			}
		}
	})
}

// byDataAfterReset is byData behind a RSET in the same flight.
func byDataAfterReset(n string) string {
	return strings.Replace(byData(n), "S: 250 ok", "S: 250 reset\nS: 250 ok", 1)
}

// TestBurstStops: a window that a host does not answer is in doubt, and nothing else is sent.
func TestBurstStops(t *testing.T) {
	t.Run("in time", func(t *testing.T) {
		t.Parallel()
		h := drained(serve(t, chunkedStart+three+"S: 250 ok\n! hang", nil).host())
		h.limits = newLimits(200 * time.Millisecond)
		run(t, h, messages(3)...).expect(`
			1 x1@example.com delayed/session unsure 4.4.2 mx.example.org did not answer to...
			2 x2@example.com delayed/session unsure 4.4.2 ...
			3 x3@example.com delayed/session unsure 4.4.2 ...`)
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		h := drained(serve(t, chunkedStart+three+"S: 250 ok\n! hang", nil).host())
		h.trace = func(dir byte, line string) {
			if dir == '<' && line == "250 ok" {
				cancel()
			}
		}
		src := &testSource{t: t, queue: messages(3)}
		src.run(ctx, h)
		src.expect(`
			1 x1@example.com delayed/session unsure 4.3.2 the delivery was interrupted; all of this message had been sent
			2 x2@example.com delayed/session unsure 4.3.2 the delivery was interrupted; all of this message had been sent
			3 x3@example.com delayed/session unsure 4.3.2 the delivery was interrupted; all of this message had been sent`)
	})
}
