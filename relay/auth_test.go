package relay

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"esmtpq/relay/smtp"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// asMe is the login of "me".
func asMe(password string, err error) *secrets {
	return &secrets{ask: func(context.Context) (smtp.Credentials, error) {
		return smtp.Credentials{User: "me", Secret: password}, err
	}}
}

// start is the beginning of a session in which the host offers AUTH with the given mechanisms.
func start(mechanisms string) string {
	return "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx\nS: 250 AUTH " + mechanisms + "\n"
}

func TestLogin(t *testing.T) {
	const delayed = "1 x1@example.com delayed/identity "
	plain := "C: AUTH PLAIN " + b64("\x00me\x00secret") + "\n"
	for _, c := range []struct{ name, script, want string }{
		{"PLAIN", start("LOGIN PLAIN") + plain + "S: 235 welcome" + oneMessage, sent},
		{"LOGIN", start("LOGIN CRAM-MD5") + `
			C: AUTH LOGIN
			S: 334 VXNlcm5hbWU6
			C: ` + b64("me") + `
			S: 334 UGFzc3dvcmQ6
			C: ` + b64("secret") + `
			S: 235 welcome` + oneMessage, sent},
		{"LOGIN without words", start("LOGIN") + `
			C: AUTH LOGIN
			S: 334
			C: ` + b64("me") + `
			S: 334
			C: ` + b64("secret") + `
			S: 235 welcome` + oneMessage, sent},
		{"a password refused is not tried again", start("PLAIN LOGIN") + plain + "S: 535 5.7.8 bad password\n! hang",
			delayed + "5.7.8 535 bad password"},
		{"a mechanism refused leads to the next", start("PLAIN LOGIN") + plain + `
			S: 504 5.5.4 not that
			C: AUTH LOGIN
			S: 334 x===
			C: ` + b64("me") + `
			S: 334 Password:
			C: ` + b64("secret") + `
			S: 235 welcome` + oneMessage, sent},
		{"a challenge of PLAIN that is none", start("PLAIN") + plain + `
			S: 334 x===
			C: *
			S: 501 cancelled
			! hang`, delayed + "4.7.0 AUTH PLAIN with mx.example.org failed: the challenge is not base64"},
		{"the same, and another mechanism", start("PLAIN LOGIN") + plain + `
			S: 334 x===
			C: *
			S: 501 cancelled
			C: AUTH LOGIN
			S: 334
			C: ` + b64("me") + `
			S: 334
			C: ` + b64("secret") + `
			S: 235 welcome` + oneMessage, sent},
		{"temporary", start("PLAIN") + plain + "S: 454 4.7.0 directory is down\n! hang", delayed + "4.7.0 454 directory is down"},
		{"challenges without end", start("LOGIN") + `
			C: AUTH LOGIN
			S: 334
			C: ` + b64("me") + `
			S: 334
			C: ` + b64("secret") + `
			S: 334
			C: *
			S: 501 cancelled
			! hang`, delayed + "4.7.0 AUTH LOGIN..."},
		{"250 is welcome too", start("PLAIN") + plain + "S: 250 ok" + oneMessage, sent},
		{"354 is not", start("PLAIN") + plain + "S: 354 ok\n! hang", delayed + "4.4.2 mx.example.org gave an answer to AUTH..."},
		{"not offered", "S: 220 mx" + ehlo + "! hang", delayed + "4.7.0 mx.example.org offers no login (AUTH)..."},
		{"behind STARTTLS only", "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx\nS: 250 STARTTLS\n! hang",
			delayed + "4.7.0 mx.example.org offers a login (AUTH) behind STARTTLS only, if at all: set tls: starttls"},
		{"none known", start("GSSAPI NTLM") + "! hang", delayed + "4.7.0 mx.example.org offers none of the ways to log in known here, but GSSAPI NTLM"},
		{"closed", start("PLAIN") + plain + "! close", delayed + "4.4.2 mx.example.org closed the connection at AUTH"},
		{"421", start("PLAIN") + plain + "S: 421 4.7.0 too many\n! close", delayed + "4.7.0 421 too many"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.script, nil)
			h := s.host()
			h.config.Login = asMe("secret", nil)
			run(t, h, messages(1)...).expect(c.want)
		})
	}
}

// TestLongPassword: a response too long for the command waits for the challenge.
func TestLongPassword(t *testing.T) {
	token := strings.Repeat("t", 1000)
	s := serve(t, start("PLAIN")+"C: AUTH PLAIN\nS: 334 \nC: "+b64("\x00me\x00"+token)+"\nS: 235 ok"+oneMessage, nil)
	h := s.host()
	h.config.Login = asMe(token, nil)
	run(t, h, messages(1)...).expect(sent)
}

// TestNoPassword: without credentials nothing is sent, and if they could not be used, they are
// not even asked for.
func TestNoPassword(t *testing.T) {
	for _, c := range []struct {
		password string
		err      error
		want     string
	}{
		{"", errors.New("keyring is locked"), "keyring is locked"},
		{"a\x00b", nil, "the user name or password holds a NUL octet, which no login can carry"},
	} {
		s := serve(t, start("PLAIN")+"! hang", nil)
		h := s.host()
		h.config.Login = asMe(c.password, c.err)
		run(t, h, messages(1)...).expect("1 x1@example.com delayed/identity 4.7.0 " + c.want)
		s.close()
	}
}

// TestTranscript: the whole dialogue is shown, but no secret and no content.
func TestTranscript(t *testing.T) {
	s := serve(t, start("LOGIN")+`
		C: AUTH LOGIN
		S: 334 VXNlcm5hbWU6
		C: `+b64("me")+`
		S: 334 UGFzc3dvcmQ6
		C: `+b64("secret")+`
		S: 235 welcome`+oneMessage, nil)
	h := s.host()
	h.config.Login = asMe("secret", nil)
	var b strings.Builder
	h.config.Trace = func(dir byte, line string) { b.WriteString(string(dir) + " " + line + "\n") }
	run(t, h, messages(1)...).expect(sent)
	const want = `< 220 mx
> EHLO client.example.org
< 250-mx
< 250 AUTH LOGIN
> AUTH LOGIN
< 334 VXNlcm5hbWU6
> ***
< 334 UGFzc3dvcmQ6
> ***
< 235 welcome
> MAIL FROM:<me@example.org>
< 250 ok
> RCPT TO:<x1@example.com>
< 250 ok
> DATA
< 354 go on
> (the content, 25 octets)
> .
< 250 queued
> QUIT
< 221 2.0.0 bye
`
	if b.String() != want {
		t.Errorf("transcript:\n%s\nwant:\n%s", b.String(), want)
	}
}
