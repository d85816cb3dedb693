package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"esmtpq/queue"
)

// lockstepStart and pipelinedStart are the beginnings of most sessions here.
const (
	lockstepStart = `
		S: 220 mx.example.org ESMTP
		C: EHLO client.example.org
		S: 250 mx.example.org
	`
	pipelinedStart = `
		S: 220 mx.example.org ESMTP
		C: EHLO client.example.org
		S: 250-mx.example.org
		S: 250 PIPELINING
	`
	bye = `
		C: QUIT
		S: 221 2.0.0 bye
	`
)

// dialogues shows what is said on the wire, and what becomes of the mail.
var dialogues = []struct {
	name    string
	mail    []*queue.Delivery
	script  string
	reports string
}{
	{"lockstep", messages(2), lockstepStart + `
		C: MAIL FROM:<me@example.org>
		S: 250 2.1.0 ok
		C: RCPT TO:<x1@example.com>
		S: 250 2.1.5 ok
		C: DATA
		S: 354 go on
		C: Subject: 1
		C* .
		S: 250 2.6.0 queued as 1ABC
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x2@example.com>
		S: 251 will forward
		C: DATA
		S: 354 go on
		C* .
		S: 250-2.6.0 queued
		S: 250 2.6.0 as 2ABC` + bye, `
		1 x1@example.com relayed 2.6.0 250 queued as 1ABC
		2 x2@example.com relayed 2.6.0 250 queued as 2ABC`},

	{"pipelined: the next envelope rides behind the body", messages(3), pipelinedStart + `
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
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		C: RSET
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x3@example.com>
		C: DATA
		S: 250 queued 2
		S: 250 reset
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 3` + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2
		3 x3@example.com relayed 2.0.0 250 queued 3`},

	{"no mail, no word", nil, "! none", ""},

	{"EHLO unknown", messages(1), `
		S: 220 old.example.org
		C: EHLO client.example.org
		S: 500 what?
		C: HELO client.example.org
		S: 250 old.example.org
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x1@example.com>
		S: 250 ok
		C: DATA
		S: 354
		C* .
		S: 250 ok` + bye, "1 x1@example.com relayed 2.0.0 250 ok"},

	{"some recipients refused", []*queue.Delivery{message("1", "a@example.com", "b@example.com", "c@example.com", "d@example.com")}, pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<a@example.com>
		C: RCPT TO:<b@example.com>
		C: RCPT TO:<c@example.com>
		C: RCPT TO:<d@example.com>
		C: DATA
		S: 250 ok
		S: 550 5.1.1 no such user
		S: 250 ok
		S: 552 too many recipients
		S: 452 4.2.2 mailbox full
		S: 354 go on
		C* .
		S: 250 ok
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<c@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 ok` + bye, `
		1 a@example.com failed/recipient 5.1.1 550 no such user
		1 b@example.com relayed 2.0.0 250 ok
		1 d@example.com delayed/recipient 4.2.2 452 mailbox full
		1 c@example.com relayed 2.0.0 250 ok`},

	{"all recipients refused, pipelined: RSET before the next", messages(2), pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 550 5.1.1 no such user
		S: 503 5.5.1 no recipients
		C: RSET
		S: 250 reset
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 ok` + bye, `
		1 x1@example.com failed/recipient 5.1.1 550 no such user
		2 x2@example.com relayed 2.0.0 250 ok`},

	{"354 after all recipients were refused: nothing is completed", messages(2), pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 550 5.1.1 no such user
		S: 354 go on
		! hang
		---` + pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 ok` + bye, `
		1 x1@example.com failed/recipient 5.1.1 550 no such user
		2 x2@example.com relayed 2.0.0 250 ok`},

	{"sender refused behind a body", messages(3), pipelinedStart + `
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
		S: 250 reset
		S: 550 5.7.1 not you
		S: 503 5.5.1 need MAIL
		S: 503 5.5.1 need RCPT
		C: RSET
		S: 250 reset
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x3@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 3` + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com failed/message 5.7.1 550 not you
		3 x3@example.com relayed 2.0.0 250 queued 3`},

	{"lockstep, no recipient left: no DATA", messages(1), lockstepStart + `
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x1@example.com>
		S: 550 no
		C: RSET
		S: 250 ok` + bye, "1 x1@example.com failed/recipient 5.0.0 550 no"},

	{"the content refused", messages(2), lockstepStart + `
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x1@example.com>
		S: 250 ok
		C: DATA
		S: 354 go on
		C* .
		S: 554 5.7.1 spam
		C: RSET
		S: 250 ok
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x2@example.com>
		S: 250 ok
		C: DATA
		S: 354 go on
		C* .
		S: 451 4.7.1 greylisted
		C: RSET
		S: 250 ok` + bye, `
		1 x1@example.com failed/message 5.7.1 554 spam
		2 x2@example.com delayed/message 4.7.1 451 greylisted`},

	{"503 never fails a message", messages(1), lockstepStart + `
		C: MAIL FROM:<me@example.org>
		S: 503 5.5.1 nested MAIL
		C: RSET
		S: 250 reset
		---` + lockstepStart + `
		C: MAIL FROM:<me@example.org>
		S: 503 5.5.1 nested MAIL
		C: RSET
		S: 250 reset`, "1 x1@example.com delayed/message 5.5.1 503 nested MAIL"},

	{"a login that is wanted suspends the identity", messages(2), pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 530 5.7.0 authentication required
		S: 503 5.5.1 need MAIL
		S: 503 5.5.1 need RCPT
		C: RSET
		S: 250 reset` + bye, "1 x1@example.com delayed/identity 5.7.0 530 authentication required"},

	{"421 between messages: the next goes over a new connection", messages(2), pipelinedStart + `
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
		S: 250 reset
		S: 421 4.7.0 one message is enough
		! close
		---` + pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 2` + bye, `
		1 x1@example.com relayed 2.0.0 250 queued 1
		2 x2@example.com relayed 2.0.0 250 queued 2`},

	{"a message that kills its connection twice does not stop the next", messages(2), lockstepStart + `
		C: MAIL FROM:<me@example.org>
		! close
		---` + lockstepStart + `
		C: MAIL FROM:<me@example.org>
		! close
		---` + lockstepStart + `
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x2@example.com>
		S: 250 ok
		C: DATA
		S: 354 go on
		C* .
		S: 250 queued 2` + bye, `
		1 x1@example.com delayed/message 4.4.2 mx.example.org closed the connection at MAIL FROM
		2 x2@example.com relayed 2.0.0 250 queued 2`},

	{"three sessions without result end the run of the transport", messages(3), lockstepStart + `
		C: MAIL FROM:<me@example.org>
		! close
		---` + lockstepStart + `
		C: MAIL FROM:<me@example.org>
		! close
		---` + lockstepStart + `
		C: MAIL FROM:<me@example.org>
		! close`, `
		1 x1@example.com delayed/message 4.4.2 mx.example.org closed...
		2 x2@example.com delayed/identity 4.4.2 3 sessions in a row came to nothing; in the last, mx.example.org closed the connection at MAIL FROM`},

	{"the final reply lost", messages(2), pipelinedStart + `
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
		! close
		---` + pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x2@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		S: 250 queued 2` + bye, `
		1 x1@example.com delayed/session unsure 4.4.2 mx.example.org closed the connection at the end of the message
		2 x2@example.com relayed 2.0.0 250 queued 2`},

	{"a failed QUIT is nothing", messages(1), lockstepStart + `
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x1@example.com>
		S: 250 ok
		C: DATA
		S: 354 go on
		C* .
		S: 250 ok
		C: QUIT
		S: 500 never`, "1 x1@example.com relayed 2.0.0 250 ok"},

	{"250 in place of 354", messages(1), pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 250 ok
		! hang
		---` + pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 250 ok
		! hang`, "1 x1@example.com delayed/message 4.4.2 mx.example.org gave an answer to DATA that makes no sense: 250 ok"},

	{"an answer before the end of the message", messages(1), pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S" "250 ok\r\n250 ok\r\n354 go on\r\n250 queued already\r\n"
		! hang
		---` + pipelinedStart + `
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S" "250 ok\r\n250 ok\r\n354 go on\r\n250 queued already\r\n"
		! hang`, "1 x1@example.com delayed/message 4.4.2 mx.example.org sent a reply before anything was asked"},
}

func TestDialogues(t *testing.T) {
	for _, d := range dialogues {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			if d.script == "! none" {
				run(t, &host{dial: nil, addr: "192.0.2.1:25"}, d.mail...).expect(d.reports)
				return
			}
			s := serve(t, d.script, nil)
			run(t, s.host(), d.mail...).expect(d.reports)
		})
	}
}

// TestManyRecipients: there are more recipients than fit into one flight, and more than the host
// takes in a transaction. The rest goes in the next transactions of the same session, and the
// host's limit is remembered.
func TestManyRecipients(t *testing.T) {
	d := &queue.Delivery{ID: "1", Envelope: &queue.Envelope{}, Content: stringContent{text: "\n"}}
	reports := ""
	for i := range 250 {
		addr := fmt.Sprintf("r%d@example.com", i)
		d.Recipients = append(d.Recipients, queue.Recipient{Address: addr})
		reports += "1 " + addr + " relayed 2.0.0 250 queued\n"
	}
	host := &limitedHost{limit: 70}
	h := host.serve(t)
	run(t, h, d).sorted().expect(reports)
	// The second hundred was on its way before the first was answered; the surplus follows.
	if got := fmt.Sprint(host.sessions, host.said); got != "1 [100 100 30 30 50]" {
		t.Errorf("sessions, and RCPT in each transaction: %s", got)
	}
}

// A limitedHost takes a limited number of recipients in a transaction.
type limitedHost struct {
	limit    int
	sessions int
	said     []int // number of RCPT commands in each transaction
}

// serve starts the host, for one session after another.
func (l *limitedHost) serve(t *testing.T) *host {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for conn, err := ln.Accept(); err == nil; conn, err = ln.Accept() {
			l.sessions++
			l.talk(conn)
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	s := &scriptServer{t: t, ln: ln}
	return s.host()
}

// talk is one session.
func (l *limitedHost) talk(conn net.Conn) {
	defer conn.Close()
	br := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 mx\r\n")
	for inData := false; ; {
		line, err := br.ReadString('\n')
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case err != nil:
			return
		case inData:
			if inData = line != ".\r\n"; !inData {
				fmt.Fprint(conn, "250 queued\r\n")
			}
		case verb == "EHLO":
			fmt.Fprint(conn, "250-mx\r\n250 PIPELINING\r\n")
		case verb == "MAIL":
			l.said = append(l.said, 0)
			fmt.Fprint(conn, "250 ok\r\n")
		case verb == "RCPT":
			if l.said[len(l.said)-1]++; l.said[len(l.said)-1] > l.limit {
				fmt.Fprint(conn, "452 4.5.3 too many\r\n")
			} else {
				fmt.Fprint(conn, "250 ok\r\n")
			}
		case verb == "DATA":
			inData = true
			fmt.Fprint(conn, "354 go on\r\n")
		default:
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
}

// TestParameters shows MAIL and RCPT with what the host offers.
func TestParameters(t *testing.T) {
	const all = "SIZE 1000 8BITMIME SMTPUTF8 DSN"
	plain, dsn := queue.Envelope{}, queue.Envelope{Return: "HDRS", EnvelopeID: "a+b=c d"}
	for _, c := range []struct {
		name, offer string
		env         queue.Envelope
		from        string
		rcpt        queue.Recipient
		text        string
		mail, to    string // the commands; mail "" when nothing is to be sent
		report      string // then
	}{
		{"nothing offered", "X", dsn, "me@example.org", queue.Recipient{Address: "x@example.com", Notify: "NEVER"}, "\n",
			"<me@example.org>", "<x@example.com>", ""},
		{"size", all, plain, "", queue.Recipient{Address: "x@example.com"}, "ab\nc\n", "<> SIZE=7", "<x@example.com>", ""},
		{"dsn", all, dsn, "me@example.org", queue.Recipient{Address: "x+y@example.com", Notify: "SUCCESS,DELAY"}, "\n",
			"<me@example.org> SIZE=2 RET=HDRS ENVID=a+2Bb+3Dc+20d", "<x+y@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@example.com", ""},
		{"a NOTIFY that is none", all, plain, "", queue.Recipient{Address: "x@example.com", Notify: "NEVER> SIZE=1"}, "\n", "<> SIZE=2", "<x@example.com>", ""},
		{"8 bit", all, plain, "", queue.Recipient{Address: "x@example.com"}, "\xe4", "<> SIZE=1 BODY=8BITMIME", "<x@example.com>", ""},
		{"8 bit not offered", "SIZE", plain, "", queue.Recipient{Address: "x@example.com"}, "\xe4", "<> SIZE=1", "<x@example.com>", ""},
		{"said to be 8 bit", all, queue.Envelope{Body: "8BITMIME"}, "", queue.Recipient{Address: "x@example.com"}, "a", "<> SIZE=1 BODY=8BITMIME", "<x@example.com>", ""},
		{"UTF-8 header", all, queue.Envelope{UTF8: true}, "", queue.Recipient{Address: "x@example.com"}, "a", "<> SIZE=1 SMTPUTF8", "<x@example.com>", ""},
		{"UTF-8 header not offered", "X", queue.Envelope{UTF8: true}, "", queue.Recipient{Address: "x@example.com"}, "a", "<>", "<x@example.com>", ""},
		{"UTF-8 local part", "SMTPUTF8", plain, "", queue.Recipient{Address: "jürgen@bücher.example"}, "a", "<> SMTPUTF8", "<jürgen@bücher.example>", ""},
		{"UTF-8 domain", "SMTPUTF8", plain, "", queue.Recipient{Address: "x@bücher.example"}, "a", "<>", "<x@xn--bcher-kva.example>", ""},
		{"UTF-8 domain not offered", "X", plain, "ich@bücher.example", queue.Recipient{Address: "x@example.com"}, "a", "<ich@xn--bcher-kva.example>", "<x@example.com>", ""},
		{"UTF-8 local part not offered", "X", plain, "", queue.Recipient{Address: "jürgen@example.com"}, "a", "", "",
			`failed/recipient 5.6.7 the address "jürgen@example.com" has characters outside ASCII before the @, and the host does not offer SMTPUTF8`},
		{"UTF-8 sender not offered", "X", plain, "jürgen@example.org", queue.Recipient{Address: "x@example.com"}, "a", "", "", "failed/message 5.6.7 the address..."},
		{"too large", "SIZE 3", plain, "", queue.Recipient{Address: "x@example.com"}, "ab\n", "", "",
			"failed/message 5.3.4 the message has 4 octets, mx.example.org takes 3 at most"},
		{"injection", all, plain, "", queue.Recipient{Address: "x@example.com> SIZE=1"}, "a", "", "", "failed/recipient 5.1.3 ..."},
		{"injection by the sender", all, plain, "x@example.com\r\nRCPT TO:<y@example.com>", queue.Recipient{Address: "x@example.com"}, "a", "", "", "failed/message 5.1.7 ..."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := message("1", c.rcpt.Address)
			d.Recipients[0], d.Envelope, d.ReversePath, d.Content = c.rcpt, &c.env, c.from, stringContent{text: c.text}
			script := "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx\n"
			for _, keyword := range strings.Fields(strings.Replace(c.offer, "SIZE 1", "size=1", 1)) {
				script += "S: 250-" + strings.Replace(keyword, "size=", "size ", 1) + "\n"
			}
			if _, limit, ok := strings.Cut(c.offer, "SIZE "); ok && c.offer != all {
				script += "S: 250-SIZE " + limit + "\n"
			}
			script += "S: 250 end\n"
			want := c.report
			if c.mail != "" {
				script += "C: MAIL FROM:" + c.mail + "\nS: 250 ok\nC: RCPT TO:" + c.to + "\nS: 250 ok\nC: DATA\nS: 354 go\nC* .\nS: 250 ok"
				want = "relayed 2.0.0 250 ok"
			}
			s := serve(t, script+bye, nil)
			run(t, s.host(), d).expect("1 " + c.rcpt.Address + " " + want)
		})
	}
}

// TestSourceFails: a message that cannot be marked or recorded is not sent.
func TestSourceFails(t *testing.T) {
	t.Run("sending", func(t *testing.T) {
		s := serve(t, pipelinedStart+`
			C: MAIL FROM:<me@example.org>
			C: RCPT TO:<x1@example.com>
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 354 go on
			! hang
			---`+pipelinedStart+`
			C: MAIL FROM:<me@example.org>
			C: RCPT TO:<x2@example.com>
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 354 go on
			C* .
			S: 250 queued`+bye, nil)
		src := &testSource{t: t, queue: messages(2), failSending: map[string]error{"1": errors.New("disk full")}}
		src.run(context.Background(), s.host())
		src.expect(`
			1 x1@example.com delayed/message 4.3.0 progress cannot be recorded: disk full
			2 x2@example.com relayed 2.0.0 250 queued`)
	})
	t.Run("done", func(t *testing.T) {
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
			S: 250 queued
			S: 250 reset
			S: 250 ok
			S: 250 ok
			S: 354 go on
			# and then nothing, no QUIT either`, nil)
		src := &testSource{t: t, queue: messages(3), failRecord: map[string]error{"1": errors.New("disk full")}}
		src.run(context.Background(), s.host())
		src.expect(`
			1 x1@example.com relayed 2.0.0 250 queued
			2 x2@example.com delayed/message 4.3.0 progress cannot be recorded: disk full`)
	})
	t.Run("content", func(t *testing.T) {
		s := serve(t, lockstepStart+`
			C: MAIL FROM:<me@example.org>
			S: 250 ok
			C: RCPT TO:<x2@example.com>
			S: 250 ok
			C: DATA
			S: 354 go on
			! hang
			---`+lockstepStart+`
			C: MAIL FROM:<me@example.org>
			S: 250 ok
			C: RCPT TO:<x3@example.com>
			S: 250 ok
			C: DATA
			S: 354 go on
			C* .
			S: 250 queued`+bye, nil)
		all := messages(3)
		all[0].Content = stringContent{fail: queue.ErrDamaged}
		all[1].Content = stringContent{text: "half\n", err: queue.ErrDamaged}
		run(t, s.host(), all...).expect(`
			1 x1@example.com delayed/message 4.3.0 the content cannot be opened: damaged
			2 x2@example.com delayed/message 4.3.0 the content cannot be read to its end: damaged
			3 x3@example.com relayed 2.0.0 250 queued`)
		for _, line := range s.lines {
			if line == "half\r\n" {
				t.Error("a damaged content reached the host")
			}
		}
	})
}

// TestStopped: the end of the context ends everything, and nothing is claimed; but there is a
// moment for the reply to a message that was sent to its end.
func TestStopped(t *testing.T) {
	for _, c := range []struct{ name, script, report string }{
		{"before", "", ""},
		{"greeting", "! hang", "1 x1@example.com delayed/session 4.3.2 the delivery was interrupted"},
		{"final", lockstepStart + `
			C: MAIL FROM:<me@example.org>
			S: 250 ok
			C: RCPT TO:<x1@example.com>
			S: 250 ok
			C: DATA
			S: 354 go on
			! hang`, "1 x1@example.com delayed/session unsure 4.3.2 the delivery was interrupted"},
		{"answered", lockstepStart + `
			C: MAIL FROM:<me@example.org>
			S: 250 ok
			C: RCPT TO:<x1@example.com>
			S: 250 ok
			C: DATA
			S: 354 go on
			C* .
			! pause
			S: 250 ok` + bye, "1 x1@example.com relayed 2.0.0 250 ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			src := &testSource{t: t, queue: messages(2)}
			if c.script == "" {
				cancel()
				src.run(ctx, &host{addr: "192.0.2.1:25"})
				src.expect(c.report)
				return
			}
			s := serve(t, c.script, nil)
			h := s.host()
			h.config.Trace = func(dir byte, line string) {
				if dir == '>' && line == "." {
					cancel()
				}
			}
			if c.name == "greeting" {
				onDial(h, func(net.Conn) { cancel() })
			}
			src.run(ctx, h)
			src.expect(c.report)
		})
	}
}
