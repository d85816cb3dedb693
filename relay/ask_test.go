package relay

import (
	"testing"

	"esmtpq/queue"
)

// TestAskedOnce: a host that offers little before the login is asked once more after it, when a
// message needs more, and only once for all messages. A host that refuses stays with what it has
// said.
func TestAskedOnce(t *testing.T) {
	in := start("PLAIN") + "C: AUTH PLAIN " + b64("\x00me\x00secret") + "\nS: 235 welcome\n"
	const again = "C: EHLO client.example.org\n"
	sent := func(rcpt, options string) string {
		return "C: MAIL FROM:<me@example.org>" + options + "\nS: 250 ok\nC: RCPT TO:<" + rcpt + ">\nS: 250 ok\nC: DATA\nS: 354 go on\nC* .\nS: 250 queued\n"
	}
	for _, c := range []struct{ name, script, reports string }{
		{"offered behind the login", in + again + "S: 250-mx\nS: 250 SMTPUTF8\n" +
			sent("grüße@example.net", " SMTPUTF8") + sent("b@example.net", "") + sent("äpfel@example.net", " SMTPUTF8") + bye, `
			1 grüße@example.net relayed 2.0.0 250 queued
			2 b@example.net relayed 2.0.0 250 queued
			3 äpfel@example.net relayed 2.0.0 250 queued`},
		{"refused: 503", in + again + "S: 503 5.5.1 already greeted\n" + sent("b@example.net", "") + bye, `
			1 grüße@example.net failed/recipient 5.6.7 ...
			2 b@example.net relayed 2.0.0 250 queued
			3 äpfel@example.net failed/recipient 5.6.7 ...`},
		{"refused: 500", in + again + "S: 500 hm\n" + sent("b@example.net", "") + bye, `
			1 grüße@example.net failed/recipient 5.6.7 ...
			2 b@example.net relayed 2.0.0 250 queued
			3 äpfel@example.net failed/recipient 5.6.7 ...`},
		{"closed over it", in + again + "S: 421 bye\n! close\n---\n" + in + again + "S: 250-mx\nS: 250 SMTPUTF8\n" +
			sent("grüße@example.net", " SMTPUTF8") + sent("b@example.net", "") + sent("äpfel@example.net", " SMTPUTF8") + bye, `
			1 grüße@example.net relayed 2.0.0 250 queued
			2 b@example.net relayed 2.0.0 250 queued
			3 äpfel@example.net relayed 2.0.0 250 queued`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := serve(t, c.script, nil).host()
			h.config.Login = asMe("secret", nil)
			all := []*queue.Delivery{message("1", "grüße@example.net"), message("2", "b@example.net"), message("3", "äpfel@example.net")}
			run(t, h, all...).expect(c.reports)
		})
	}
}
