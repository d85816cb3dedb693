package relay

import (
	"fmt"
	"strings"
	"testing"

	"esmtpq/queue"
)

// lmtpHost is a host that speaks LMTP.
func (s *scriptServer) lmtpHost() *host {
	h := s.host()
	h.config.LMTP = true
	return h
}

const lmtpStart = `
		S: 220 ready
		C: LHLO client.example.org
		S: 250-mx.example.org
		S: 250-PIPELINING
		S: 250-CHUNKING
		S: 250 ENHANCEDSTATUSCODES
`

// lmtpMail is a message for recipients that are answered by code, up to the final dot.
func lmtpMail(answers ...string) string {
	b := "C: MAIL FROM:<me@example.org>\n"
	for i := range answers {
		b += fmt.Sprintf("C: RCPT TO:<x%d@example.com>\n", i+1)
	}
	b += "C: DATA\nS: 250 ok\n"
	for _, a := range answers {
		b += "S: " + a + "\n"
	}
	return b + "S: 354 go on\nC* .\n"
}

func threeOf() *queue.Delivery {
	return message("1", "x1@example.com", "x2@example.com", "x3@example.com")
}

// Each accepted recipient has a reply to the end, in the order of RCPT, and gets what it says; the next
// message goes over the same session.
func TestLMTPEachRecipient(t *testing.T) {
	s := serve(t, lmtpStart+lmtpMail("250 ok", "550 5.1.1 nobody", "250 ok")+`
		S: 250 2.0.0 first
		S: 552 5.2.2 over quota
		`+lmtpMail("250 ok", "250 ok", "250 ok")+`
		S: 452 4.2.2 full for now
		S: 250 2.0.0 second
		S: 250-2.0.0 third
		S: 250 2.0.0 on two lines
		`+lmtpMail("250 ok")+"S: 250 2.0.0 fourth\n"+bye, nil)
	second, third := threeOf(), message("3", "x1@example.com")
	second.ID = "2"
	run(t, s.lmtpHost(), threeOf(), second, third).expect(`
		1 x1@example.com relayed 2.0.0 250 first
		1 x2@example.com failed/recipient 5.1.1 550 nobody
		1 x3@example.com failed/recipient 5.2.2 552 over quota
		2 x1@example.com delayed/recipient 4.2.2 452 full for now
		2 x2@example.com relayed 2.0.0 250 second
		2 x3@example.com relayed 2.0.0 250 third on two lines
		3 x1@example.com relayed 2.0.0 250 fourth`)
}

// Where all are refused at the end, or the message before its content, the session goes on.
func TestLMTPRefusals(t *testing.T) {
	s := serve(t, lmtpStart+lmtpMail("250 ok", "250 ok", "250 ok")+`
		S: 552 5.2.2 full
		S: 451 4.3.0 later
		S: 552 5.2.2 full, too
		C: RSET
		S: 250 reset
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: RCPT TO:<x2@example.com>
		C: RCPT TO:<x3@example.com>
		C: DATA
		S: 250 ok
		S: 550 5.1.1 nobody
		S: 550 5.1.1 nobody
		S: 450 4.2.1 not now
		S: 503 5.5.1 no recipients
		C: RSET
		S: 250 reset
		`+lmtpMail("250 ok")+"S: 250 2.0.0 taken\n"+bye, nil)
	second, third := threeOf(), message("3", "x1@example.com")
	second.ID = "2"
	run(t, s.lmtpHost(), threeOf(), second, third).expect(`
		1 x1@example.com failed/recipient 5.2.2 552 full
		1 x2@example.com delayed/recipient 4.3.0 451 later
		1 x3@example.com failed/recipient 5.2.2 552 full, too
		2 x1@example.com failed/recipient 5.1.1 550 nobody
		2 x2@example.com failed/recipient 5.1.1 550 nobody
		2 x3@example.com delayed/recipient 4.2.1 450 not now
		3 x1@example.com relayed 2.0.0 250 taken`)
}

// Where the final replies end, those that have come count, and only who has none possibly has the message:
// it is not sent again in the same run.
func TestLMTPLostReplies(t *testing.T) {
	lost := "delayed/session unsure 4.4.2 the connection to mx.example.org was lost at the end of the message"
	for _, c := range []struct {
		replies string
		want    [3]string
	}{
		{"", [3]string{lost, lost, lost}},
		{"S: 250 2.0.0 first\n", [3]string{"relayed 2.0.0 250 first", lost, lost}},
		{"S: 250 2.0.0 first\nS: 550 5.7.1 no\n", [3]string{"relayed 2.0.0 250 first", "failed/recipient 5.7.1 550 no", lost}},
		{"S: 452 4.2.2 full\n", [3]string{"delayed/recipient 4.2.2 452 full", lost, lost}},
		{"S: 250 2.0.0 first\nS\" \"250 2.0.0 sec\"\n", [3]string{"relayed 2.0.0 250 first", lost, lost}},
		{"S: 550 5.7.1 no\nS: 250 2.0.0 second\n", [3]string{"failed/recipient 5.7.1 550 no", "relayed 2.0.0 250 second", lost}},
	} {
		for _, end := range []string{"! close\n", "! reset\n"} {
			s := serve(t, lmtpStart+lmtpMail("250 ok", "250 ok", "250 ok")+c.replies+end, nil)
			src := run(t, s.lmtpHost(), threeOf())
			for i, want := range c.want {
				got := src.log[i]
				if rest, ok := strings.CutPrefix(got, fmt.Sprintf("1 x%d@example.com ", i+1)); !ok || !strings.HasPrefix(rest, strings.TrimSuffix(want, "the connection to mx.example.org was lost at the end of the message")) {
					t.Errorf("%q: %s, want %s", c.replies, got, want)
				}
			}
		}
	}
}

// A 421 among the final replies is for its recipient; behind it there are none.
func TestLMTPClosesAmongReplies(t *testing.T) {
	s := serve(t, lmtpStart+lmtpMail("250 ok", "250 ok", "250 ok")+`
		S: 250 2.0.0 first
		S: 421 4.3.2 going down
		! close`, nil)
	src := run(t, s.lmtpHost(), threeOf())
	for i, want := range []string{"x1@example.com relayed", "x2@example.com delayed/recipient 4.3.2 421", "x3@example.com delayed/session unsure"} {
		if !strings.HasPrefix(src.log[i], "1 "+want) {
			t.Errorf("%s, want %s", src.log[i], want)
		}
	}
}

// A host that speaks the other protocol is told apart.
func TestLMTPOrSMTP(t *testing.T) {
	s := serve(t, "S: 220 ready\nC: LHLO client.example.org\nS: 502 5.5.1 what\n---\nS: 220 LMTP ready\nC: EHLO client.example.org\nS: 500 use LHLO\nC: HELO client.example.org\nS: 500 use LHLO\n", nil)
	if got := run(t, s.lmtpHost(), messages(1)...).log[0]; !strings.Contains(got, "(protocol: smtp)") {
		t.Error(got)
	}
	if got := run(t, s.host(), messages(1)...).log[0]; !strings.Contains(got, "set protocol: lmtp") {
		t.Error(got)
	}
}
