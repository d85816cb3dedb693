package clients

import (
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"esmtpq/tests/stage"
)

// A mail that asks for TLS all the way arrives with that wish where the host promises it, and fails,
// with the reason, where it does not; a field that asks for less goes along unchanged.
func TestRequireTLS(t *testing.T) {
	cert := stage.NewCertificate(t)
	for _, promises := range []bool{true, false} {
		host := stage.NewSmartHost(t, stage.WithTLS(cert), func(s *smtp.Server) { s.EnableREQUIRETLS = promises })
		me := stage.NewPerson(t)
		me.Setenv("SSL_CERT_FILE=" + cert.Authority)
		me.Write(".config/esmtpq/config.yaml", "identities:\n  - name: me@example.org\n    host: localhost:"+host.Port+
			"\n    tls: starttls\n    username: me@example.org\n    password: \""+stage.Password+"\"\n")
		me.Run("Subject: one\n\ntext\n", "sendmail", "-O", "requiretls=yes", "friend@example.net")
		out := me.Run(dialogue("EHLO x", "MAIL FROM:<me@example.org> REQUIRETLS", "RCPT TO:<friend@example.net>", "DATA", "Subject: two", "", "text", ".", "QUIT"), "sendmail", "-bs")
		if !strings.Contains(out, "250-REQUIRETLS\r\n") || !strings.Contains(out, "OK: queued") {
			t.Errorf("the dialogue:\n%s", out)
		}
		me.Run("Subject: three\nTLS-Required: No\n\ntext\n", "sendmail", "friend@example.net")
		if shown := me.Run("", "esmtpq", "show", "all"); strings.Count(shown, "verified TLS all the way") != 2 {
			t.Errorf("shown:\n%s", shown)
		}
		me.Try("", "deliver")
		got := host.Received()
		if !promises {
			if len(got) != 1 || !strings.Contains(got[0].Content, "\r\nTLS-Required: No\r\n") {
				t.Errorf("%d mails arrived: %+v", len(got), got)
			}
			if list := me.Run("", "mailq"); strings.Count(list, "does not promise that") != 2 {
				t.Errorf("waiting:\n%s", list)
			}
			continue
		}
		for i, mail := range got {
			if want := !strings.Contains(mail.Content, "Subject: three"); mail.Require != want {
				t.Errorf("mail %d: required %v", i+1, mail.Require)
			}
		}
		if len(got) != 3 {
			t.Errorf("%d mails arrived", len(got))
		}
	}
}
