package relay

import (
	"strings"
	"testing"
)

// The refusal of a content names what in it may be the reason, and where.
func TestRefusalOfOddContent(t *testing.T) {
	const hint = "; line 3 has 2100 octets where SMTP allows 998: encode that part as quoted-printable or base64"
	const nul = "; line 4 has a NUL octet, which SMTP does not allow: send that part as base64"
	long := strings.Repeat("x", 2100)
	for _, c := range []struct{ text, want string }{
		{"Subject: x\n\n" + long + "\nend\n", hint},
		{"Subject: x\n\n" + long + "\nen\x00d\n", hint + nul},
		{"Subject: x\n\n" + strings.Repeat("x", 998) + "\nend\n", ""},
		{"Subject: x\n\n" + strings.Repeat("y", 200_000), "; line 3 has 199999 octets where SMTP allows 998: encode that part as quoted-printable or base64"},
	} {
		s := serve(t, lockstepStart+`
			C: MAIL FROM:<me@example.org>
			S: 250 ok
			C: RCPT TO:<x1@example.com>
			S: 250 ok
			C: DATA
			S: 354 go on
			C* .
			S: 550 maximum allowed line length is 998 octets
			C: RSET
			S: 250 ok`+bye, nil)
		all := messages(1)
		all[0].Content = stringContent{text: c.text}
		run(t, s.host(), all...).expect("1 x1@example.com failed/message 5.0.0 550 maximum allowed line length is 998 octets" + c.want)
	}
}
