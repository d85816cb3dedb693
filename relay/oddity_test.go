package relay

import (
	"strings"
	"testing"

	"esmtpq/queue"
)

// The refusal of a content names what in it may be the reason, and where: whole, and not among the host's words.
func TestRefusalOfOddContent(t *testing.T) {
	const hint = "line 3 has 2100 octets where SMTP allows 998: send that part as quoted-printable or base64"
	const nul = "line 4 has a NUL octet, which SMTP does not allow: send that part as base64"
	long := strings.Repeat("x", 2100)
	for _, c := range []struct{ text, want string }{
		{"Subject: x\n\n" + long + "\nend\n", hint},
		{"Subject: x\n\n" + long + "\nen\x00d\n", hint + "; " + nul},
		{"Subject: x\n\nx\nen\x00d\n", nul},
		{"Subject: x\n\n" + strings.Repeat("x", 998) + "\nend\n", ""},
		{"Subject: " + strings.Repeat("y", 1500) + "\n\nx\n", "line 1 has 1509 octets where SMTP allows 998: fold it"},
		{"Subject: x\n\n" + strings.Repeat("y", 200_000), "line 3 has 199999 octets where SMTP allows 998: send that part as quoted-printable or base64"},
	} {
		words := "maximum allowed line length is 998 octets" + strings.Repeat(", and so on", 50)
		s := serve(t, lockstepStart+`
			C: MAIL FROM:<me@example.org>
			S: 250 ok
			C: RCPT TO:<x1@example.com>
			S: 250 ok
			C: DATA
			S: 354 go on
			C* .
			S: 550 `+words+`
			C: RSET
			S: 250 ok`+bye, nil)
		all := messages(1)
		all[0].Content = stringContent{text: c.text}
		remark := ""
		if c.want != "" {
			remark = " (esmtpq: " + c.want + ")"
		}
		run(t, s.host(), all...).expect("1 x1@example.com failed/message 5.0.0 550 " + words + remark)
		kept := (&queue.Report{Action: queue.Failed, Status: "5.0.0", Code: 550, Host: "mx.example.org", Text: words, Remark: c.want}).Reason()
		if kept.Remark != c.want || !strings.HasSuffix(kept.Explain(), remark) || !strings.Contains(kept.Explain(), "octets, and so on, and so on") {
			t.Errorf("%q is kept as %q", c.want, kept.Explain())
		}
	}
}

// So does the trouble that a host has with such a content, when it ends its sessions over it; not the refusal of an envelope.
func TestTroubleWithOddContent(t *testing.T) {
	start := lockstepStart + `
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x1@example.com>
		`
	content := stringContent{text: "Subject: x\n\n" + strings.Repeat("x", 2100) + "\nend\n"}
	for script, want := range map[string]string{
		start + "S: 250 ok\nC: DATA\nS: 354 go on\nC* .\nS: 500 line too long\n! shut\n": "1 x1@example.com failed/message 5.0.0 500 line too long" +
			" (esmtpq: line 3 has 2100 octets where SMTP allows 998: send that part as quoted-printable or base64)",
		start + "S: 250 ok\nC: DATA\nS: 354 go on\nC* .\n! shut\n": "1 x1@example.com delayed/session unsure 4.4.2 mx.example.org closed the connection at the end of the message" +
			" (esmtpq: line 3 has 2100 octets where SMTP allows 998: send that part as quoted-printable or base64)",
		start + "S: 550 no such user\nC: RSET\nS: 250 ok\n" + bye: "1 x1@example.com failed/recipient 5.0.0 550 no such user",
	} {
		s := serve(t, script, nil)
		all := messages(1)
		all[0].Content = content
		run(t, s.host(), all...).expect(want)
	}
}
