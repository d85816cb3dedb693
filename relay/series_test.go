package relay

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

const chunkedStart = `
		S: 220 mx.example.org ESMTP
		C: EHLO client.example.org
		S: 250-mx.example.org
		S: 250-PIPELINING
		S: 250 CHUNKING
	`

// chunk is the dialogue for message n of messages() sent back to back.
func chunk(n string) string {
	return `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x` + n + `@example.com>
		C: BDAT 23
		C: Subject: ` + n + `
		C* text of ` + n + `BDAT 2 LAST
		C* RSET
	`
}

// queued are the replies to message n sent back to back.
func queued(n string) string {
	return `
		S: 250 sender ok
		S: 250 recipient ok
		S: 250 23 octets
		S: 250 queued ` + n + `
		S: 250 reset
	`
}

// refusedAt are the replies to a message in a series of which one command is refused: the reply
// to it, and to those behind.
func refusedAt(replies ...string) string {
	usual := []string{"250 sender ok", "250 recipient ok", "250 23 octets", "250 queued", "250 reset"}
	s := "\n"
	for _, r := range append(usual[:4-len(replies)], append(replies, "250 reset")...) {
		s += "S: " + r + "\n"
	}
	return s
}

// byData is the dialogue for message n sent alone and queued.
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
var three = chunk("1") + chunk("2") + chunk("3")

// serieses shows the dialogues with a host that is known to read chunks safely, and what becomes
// of the mail.
var serieses = []struct {
	name     string
	mail     []*queue.Delivery
	script   string
	reports  string
	noChunks bool // whether BDAT is not used again
}{
	{"three at once", messages(3), chunkedStart + three + queued("1") + queued("2") + queued("3") + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`, false},

	{"two are no series, and nothing rides where BDAT is offered", messages(2), chunkedStart + byData("1") + byData("2") + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2`, false},

	{"refusals in the middle", messages(5), chunkedStart + three + chunk("4") + chunk("5") +
		refusedAt("550 5.1.1 no such user", "503 5.5.1 no recipients", "503 5.5.1 no recipients") +
		refusedAt("550 5.7.1 not you", "503 5.5.1 need MAIL", "503 5.5.1 need RCPT", "503 5.5.1 need RCPT") +
		queued("3") + refusedAt("554 5.7.1 spam") + refusedAt("452 4.3.1 disk full") + bye, `
		1 x1@example.com failed/recipient 5.1.1 550 no such user
		2 x2@example.com failed/message 5.7.1 550 not you
		3 x3@example.com relayed 2.0.0 250 queued 3
		4 x4@example.com failed/message 5.7.1 554 spam
		5 x5@example.com delayed/message 4.3.1 452 disk full`, false},

	{"three of five unanswered", messages(5), chunkedStart + three + chunk("4") + chunk("5") + queued("1") +
		refusedAt("550 5.1.1 no such user", "503 5.5.1 no recipients", "503 5.5.1 no recipients") + `
		S: 250 sender ok
		! close`, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com failed/recipient 5.1.1 550 no such user
		3 x3@example.com delayed/session unsure 4.4.2 mx.example.org closed the connection at RCPT TO; all of this message had been sent
		4 x4@example.com delayed/session unsure 4.4.2 mx.example.org closed the connection at RCPT TO; all of this message had been sent
		5 x5@example.com delayed/session unsure 4.4.2 mx.example.org closed the connection at RCPT TO; all of this message had been sent`, false},

	{"421 in the middle: the rest goes over a new session", messages(3), chunkedStart + three + queued("1") + `
		S: 421 4.7.0 one message is enough
		! close
		---` + chunkedStart + byData("2") + byData("3") + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`, false},

	{"421 to the end of the first, and the host goes on", messages(3), chunkedStart + three +
		refusedAt("421 4.3.0 not this one") + queued("2") + queued("3") + `
		! hang
		---` + chunkedStart + byData("1") + bye, `
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3
		1 x1@example.com relayed 2.0.0 250 queued 1`, false},

	{"421 to the end of the first, and not a word more", messages(3), chunkedStart + three + `
		S: 250 sender ok
		S: 250 recipient ok
		S: 250 23 octets
		S: 421 4.3.0 not this one
		! hang
		---` + chunkedStart + byData("1") + bye, `
		2 x2@example.com delayed/session unsure 4.4.2 mx.example.org answered 421 not this one to another message and nothing to this one
		3 x3@example.com delayed/session unsure 4.4.2 mx.example.org answered 421 not this one to another message and nothing to this one
		1 x1@example.com relayed 2.0.0 250 queued 1`, false},

	{"a refusal that the end of the connection follows: the first once more, alone", messages(3), chunkedStart + three + `
		S: 500 5.4.0 Too long line, closing connection
		! close
		---` + chunkedStart + lockstep("1") + byData("2") + byData("3") + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`, false},

	{"alone, the same refusal counts", messages(3), chunkedStart + three + `
		S: 500 5.4.0 Too long line, closing connection
		! close
		---` + chunkedStart + `
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x1@example.com>
		S: 250 ok
		C: DATA
		S: 354 go on
		C* .
		S: 500 5.4.0 Too long line, closing connection
		! close
		---` + chunkedStart + byData("2") + byData("3") + bye, `
		1 x1@example.com failed/message 5.4.0 500 Too long line, closing connection
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`, false},

	{"a host that refuses every BDAT gets DATA", messages(3), chunkedStart + three +
		refusedAt("552 5.3.4 too large") + refusedAt("552 5.3.4 too large") + refusedAt("552 5.3.4 too large") +
		byData("1") + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 552 5.3.4 too large all the same
		C: RSET
		S: 250 reset` + byData("3") + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com failed/message 5.3.4 552 too large all the same
		3 x3@example.com relayed 2.0.0 250 queued 3`, true},

	{"one BDAT refused and the next taken", messages(3), chunkedStart + three +
		refusedAt("552 5.3.4 too large", "503 5.5.1 no") + queued("2") + queued("3") + byData("1") + bye, `
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3
		1 x1@example.com relayed 2.0.0 250 queued 1`, true},

	{"a login wanted suspends the identity", messages(4), chunkedStart + three + chunk("4") + queued("1") +
		strings.Repeat(refusedAt("530 5.7.0 authentication required", "503 5.5.1 need MAIL", "503 5.5.1 need RCPT", "503 5.5.1 need RCPT"), 3) + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com delayed/identity 5.7.0 530 authentication required
		3 x3@example.com delayed/identity 5.7.0 530 authentication required
		4 x4@example.com delayed/identity 5.7.0 530 authentication required`, false},

	{"nonsense leaves all in doubt, and ends series", messages(3), chunkedStart + three + `
		S: 250 sender ok
		S: 354 what?
		! hang`, `
		1 x1@example.com delayed/session unsure 4.4.2 mx.example.org gave an answer to RCPT TO that makes no sense: 354 what?; all of this message had been sent
		2 x2@example.com delayed/session unsure 4.4.2 ...
		3 x3@example.com delayed/session unsure 4.4.2 ...`, true},

	{"one reply too many shows at RSET", messages(3), chunkedStart + three + queued("1") + `
		S: 250 sender ok
		S: 250 recipient ok
		S: 250 23 octets
		S: 250 queued 2
		S: 250 queued 2
		! hang`, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com delayed/session unsure 4.4.2 mx.example.org is out of step: it answered 250 queued 2 where its reply to RSET should be; all of this message had been sent
		3 x3@example.com delayed/session unsure 4.4.2 ...`, true},
}

// lockstep is the dialogue for message n, one command at a time, and queued.
func lockstep(n string) string {
	return `
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x` + n + `@example.com>
		S: 250 ok
		C: DATA
		S: 354 go on
		C* .
		S: 250 queued ` + n + `
	`
}

// chunkedPrint is the fingerprint of chunkedStart.
var chunkedPrint = smtp.Fingerprint("mx.example.org ESMTP", smtp.Extensions{"PIPELINING": "", "CHUNKING": ""})

// drained makes a host one that has passed the probe and the check.
func drained(h *host) *host {
	h.memory.run = known{Print: chunkedPrint, Drains: true, Steady: true, Counts: true}
	return h
}

func TestSerieses(t *testing.T) {
	for _, b := range serieses {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			h := drained(serve(t, b.script, nil).host())
			run(t, h, b.mail...).expect(b.reports)
			if got := h.memory.recall(chunkedPrint).NoChunks; (got != "") != b.noChunks {
				t.Errorf("no series from now on: %q", got)
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

// checked is the dialogue for the first message that goes to a host in chunks, and checkPassed
// the replies.
const (
	checked = `
		C: BDAT 6 LAST
		C: NOOP
		C: RSET
	`
	checkPassed = `
		S: 503 5.5.1 no MAIL
		S: 250 reset
	`
	probePassed = checkPassed + checkPassed
)

// TestProbe: only a host that reads the chunk as a chunk gets messages back to back; no other
// host is sent anything that it could take for commands.
func TestProbe(t *testing.T) {
	plain := chunkedStart + byData("1") + byData("2") + byData("3") + bye
	again := "---" + plain
	for _, c := range []struct {
		name, script string
		want         known
	}{
		{"drains", chunkedStart + probeDialogue + probePassed + chunk("1") + checked + queued("1") + checkPassed +
			chunk("2") + chunk("3") + queued("2") + queued("3") + bye, known{Drains: true, Steady: true, Counts: true}},
		{"takes the chunk for a command", chunkedStart + probeDialogue + `
			S" "503 no MAIL\r\n250 did nothing\r\n250 reset\r\n503 no MAIL\r\n250 did nothing\r\n250 reset\r\n"
			! hang
			` + again, known{NoChunks: "it takes a chunk for commands, or does not refuse it"}},
		{"does, and is slow to say so", chunkedStart + probeDialogue + `
			S: 503 no MAIL
			S: 250 did nothing
			! pause
			S" "250 reset\r\n503 no MAIL\r\n250 did nothing\r\n250 reset\r\n"
			! hang
			` + again, known{NoChunks: "it takes a chunk for commands, or does not refuse it"}},
		{"does not know BDAT", chunkedStart + probeDialogue + `
			S" "500 what\r\n250 did nothing\r\n250 reset\r\n500 what\r\n250 did nothing\r\n250 reset\r\n"
			! hang
			` + again, known{NoChunks: "it takes a chunk for commands, or does not refuse it"}},
		{"accepts it", chunkedStart + probeDialogue + `
			S" "250 thanks\r\n250 reset\r\n250 thanks\r\n250 reset\r\n"
			! hang
			` + again, known{NoChunks: "it takes a chunk for commands, or does not refuse it"}},
		{"does not survive it", chunkedStart + probeDialogue + `
			! close
			` + again, known{Lost: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := serve(t, c.script, nil).host()
			dir := StateAt(t.TempDir() + "/state")
			h.memory.state, h.memory.key = dir, "mx.example.org:25"
			run(t, h, messages(3)...).expect(`
				1 x1@example.com relayed 2.0.0 250 queued 1
				2 x2@example.com relayed 2.0.0 250 queued 2
				3 x3@example.com relayed 2.0.0 250 queued 3`)

			// A later run knows this host, and not another one or one with other offers.
			later := memory{state: dir, key: "mx.example.org:25"}
			got := later.recall(chunkedPrint)
			got.Host, got.Print, got.Time = "", "", 0
			if got != c.want {
				t.Errorf("then %+v is known, want %+v", got, c.want)
			}
			other := memory{state: dir, key: "mx.example.net:25"}
			changed := smtp.Fingerprint("mx.example.org ESMTP", smtp.Extensions{"PIPELINING": "", "CHUNKING": "", "DSN": ""})
			for _, k := range []known{other.recall(chunkedPrint), later.recall(changed)} {
				if k.Drains || k.NoChunks != "" || k.Lost > 0 {
					t.Errorf("of another host, or another EHLO, %+v is known", k)
				}
			}
		})
	}
}

// TestRepliesTwice: a host that answers the end of each message twice is noticed at the first
// message. That message is possibly delivered, and no other is sent that way.
func TestRepliesTwice(t *testing.T) {
	h := serve(t, chunkedStart+probeDialogue+probePassed+chunk("1")+checked+`
		S: 250 ok
		S: 250 ok
		S: 250 ok
		S: 250 ok
		S: 250 ok
		S: 250 ok
		S: 503 no MAIL
		! hang
		---`+chunkedStart+byData("2")+byData("3")+bye, nil).host()
	run(t, h, messages(3)...).expect(`
		1 x1@example.com delayed/session unsure 4.4.2 mx.example.org...
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`)
	if h.memory.recall(chunkedPrint).NoChunks == "" {
		t.Error("series go on")
	}
}

// TestLostTwice: a host whose session is lost before a message by BDAT was accepted has a second
// chance.
func TestLostTwice(t *testing.T) {
	dir := StateAt(t.TempDir())
	lost := func(k *known) { k.Lost++ }
	for _, want := range []bool{true, false} {
		m := memory{state: dir, key: "mx"}
		m.learn("print", lost)
		if got := (&memory{state: dir, key: "mx"}).recall("print").NoChunks == ""; got != want {
			t.Errorf("in the next run series are tried: %v, want %v", got, want)
		}
	}
}

// TestForgotten: what is known of a host is forgotten after a month, and when the host changes.
func TestForgotten(t *testing.T) {
	dir := StateAt(t.TempDir())
	for _, c := range []struct {
		age   time.Duration
		print string
		want  bool
	}{{29 * 24 * time.Hour, "print", true}, {31 * 24 * time.Hour, "print", false}, {0, "another", false}, {-48 * time.Hour, "print", false}} {
		dir.write(memoryFile, memoryText{[]known{{Host: "mx", Print: "print", Time: time.Now().Add(-c.age).Unix(), NoRide: true}}})
		m := memory{state: dir, key: "mx"}
		if got := m.recall(c.print).NoRide; got != c.want {
			t.Errorf("%v old, %s: known %v", c.age, c.print, got)
		}
	}
}

// TestSeriesSourceFails: messages that cannot be recorded are not sent; the replies to those that
// were sent are read.
func TestSeriesSourceFails(t *testing.T) {
	t.Run("sending", func(t *testing.T) {
		h := drained(serve(t, chunkedStart+chunk("1")+chunk("2")+`
			C: MAIL FROM:<me@example.org>
			C: RCPT TO:<x3@example.com>
			C: BDAT 23
			C: Subject: 3`+queued("1")+queued("2")+`
			! hang
			---`+chunkedStart+byData("4")+bye, nil).host())
		src := &testSource{t: t, queue: messages(4), failSending: map[string]error{"3": errors.New("disk full")}}
		src.run(context.Background(), h)
		src.expect(`
			1 x1@example.com relayed 2.0.0 250 queued 1
			2 x2@example.com relayed 2.0.0 250 queued 2
			3 x3@example.com delayed/message 4.3.0 progress cannot be recorded: disk full
			4 x4@example.com relayed 2.0.0 250 queued 4`)
	})
	t.Run("record", func(t *testing.T) {
		h := drained(serve(t, chunkedStart+three+queued("1")+queued("2")+queued("3"), nil).host())
		src := &testSource{t: t, queue: messages(3), failRecord: map[string]error{"1": errors.New("disk full")}}
		src.run(context.Background(), h)
		src.expect(`
			1 x1@example.com relayed 2.0.0 250 queued 1
			2 x2@example.com relayed 2.0.0 250 queued 2
			3 x3@example.com relayed 2.0.0 250 queued 3`)
	})
	t.Run("content", func(t *testing.T) {
		all := messages(3)
		all[1].Content = stringContent{text: "half\n", err: queue.ErrDamaged}
		s := serve(t, chunkedStart+chunk("1")+chunk("3")+queued("1")+queued("3")+bye, nil)
		run(t, drained(s.host()), all...).expect(`
			1 x1@example.com relayed 2.0.0 250 queued 1
			2 x2@example.com delayed/message 4.3.0 the content cannot be read to its end: damaged
			3 x3@example.com relayed 2.0.0 250 queued 3`)
	})
	t.Run("large content", func(t *testing.T) {
		all := messages(3)
		all[1].Content = stringContent{text: strings.Repeat("a large text\n", 40000), err: queue.ErrDamaged}
		s := serve(t, chunkedStart+chunk("1")+"C: MAIL FROM:<me@example.org>\nC: RCPT TO:<x2@example.com>\nC* a large text\n"+queued("1")+`
			! hang
			---`+chunkedStart+byData("3")+bye, nil)
		run(t, drained(s.host()), all...).expect(`
			1 x1@example.com relayed 2.0.0 250 queued 1
			2 x2@example.com delayed/message 4.3.0 the content cannot be read to its end: damaged
			3 x3@example.com relayed 2.0.0 250 queued 3`)
		last := 0
		for _, line := range s.lines {
			if strings.HasSuffix(line, "BDAT 2 LAST\r\n") {
				last++
			}
		}
		if last != 1 {
			t.Errorf("%d messages were completed by BDAT, not 1", last)
		}
	})
}

// TestSeriesStops: a window that a host does not answer is in doubt, and nothing else is sent.
func TestSeriesStops(t *testing.T) {
	t.Run("in time", func(t *testing.T) {
		t.Parallel()
		h := drained(serve(t, chunkedStart+three+"S: 250 sender ok\n! hang", nil).host())
		h.config.Limits = smtp.NewLimits(200 * time.Millisecond)
		run(t, h, messages(3)...).expect(`
			1 x1@example.com delayed/session unsure 4.4.2 mx.example.org did not answer to...
			2 x2@example.com delayed/session unsure 4.4.2 ...
			3 x3@example.com delayed/session unsure 4.4.2 ...`)
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		h := drained(serve(t, chunkedStart+three+"S: 250 sender ok\n! hang", nil).host())
		h.config.Trace = func(dir byte, line string) {
			if dir == '<' && line == "250 sender ok" {
				cancel()
			}
		}
		src := &testSource{t: t, queue: messages(3)}
		src.run(ctx, h)
		src.expect(`
			1 x1@example.com delayed/session unsure 4.3.2 the delivery was interrupted
			2 x2@example.com delayed/session unsure 4.3.2 the delivery was interrupted
			3 x3@example.com delayed/session unsure 4.3.2 the delivery was interrupted`)
	})
}
