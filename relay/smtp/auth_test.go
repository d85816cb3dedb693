package smtp

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// offering is a session up to the login; mechanisms follows AUTH, and more lines may follow it.
func offering(mechanisms string) string {
	return "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx\nS: 250 AUTH " + mechanisms + "\n"
}

var byPlain = "C: AUTH PLAIN " + b64("\x00me\x00secret") + "\n"

const goodbye = "C: QUIT\nS: 221 bye\n"

// The prompts of LOGIN are ignored, whatever they are.
func TestLoginPrompts(t *testing.T) {
	for _, prompts := range [][2]string{
		{"334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"},
		{"334 Username:", "334 Password:"},
		{"334 VXNlcm5hbWU", "334 UGFzc3dvcmQ"},
		{"334 VXNlcm5hbWU6=", "334 UGFzc3dvcmQ6=="},
		{"334", "334 "},
		{"334-User", "334 Password"},
		{"334 Benutzername für mich: \x1b", "334 ***"},
	} {
		first := "S: " + prompts[0]
		if strings.HasPrefix(prompts[0], "334-") {
			first += "\nS: 334 Name"
		}
		c, _ := opened(t, offering("LOGIN")+"C: AUTH LOGIN\n"+first+"\nC: "+b64("me")+"\nS: "+prompts[1]+"\nC: "+b64("secret")+
			"\nS: 235 welcome\n"+goodbye, asMe)
		if !c.LoggedIn() {
			t.Errorf("%q: no login", prompts)
		}
		c.Quit()
	}
}

// With PLAIN, where a challenge has a meaning, one that is not base64 ends the conversation.
func TestPlainChallenge(t *testing.T) {
	s := serve(t, offering("PLAIN")+byPlain+"S: 334 go on, please\nC: *\nS: 501 cancelled\n! hang", nil)
	cfg := s.configured()
	l := &login{user: "me", password: "secret"}
	cfg.Login = l
	_, err := Open(t.Context(), cfg)
	failed(t, err, KindRefused, StageAUTH, "AUTH PLAIN with mx.example.org failed: the challenge is not base64")
	if !slices.Equal(l.heard, []bool{false}) {
		t.Errorf("the login heard %v", l.heard)
	}
}

// An offer by AUTH= alone is used like one by AUTH.
func TestLegacyAuth(t *testing.T) {
	for _, lines := range []string{
		"S: 250 AUTH=PLAIN LOGIN\n", "S: 250-AUTH=LOGIN\nS: 250 AUTH PLAIN\n", "S: 250-AUTH PLAIN\nS: 250 AUTH=LOGIN\n",
	} {
		l := &login{user: "me", password: "secret"}
		c, _ := opened(t, "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx\n"+lines+byPlain+"S: 235 welcome\n"+goodbye,
			func(cfg *Config) { cfg.Login = l })
		if !c.LoggedIn() || !c.LoginOffered() || !slices.Equal(l.heard, []bool{true}) {
			t.Errorf("%q: logged in %v, offered %v, heard %v", lines, c.LoggedIn(), c.LoginOffered(), l.heard)
		}
		c.Quit()
	}
}

// Whether a login was offered is known without one being made, and what the host offers in TLS
// alone is no offer.
func TestLoginOffered(t *testing.T) {
	for mechanisms, want := range map[string]bool{"AUTH PLAIN": true, "AUTH=PLAIN": true, "AUTH CRAM-MD5": true, "STARTTLS": false} {
		c, _ := opened(t, "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx\nS: 250 "+mechanisms+"\n"+goodbye)
		if c.LoginOffered() != want || c.LoggedIn() {
			t.Errorf("%s: offered %v, logged in %v", mechanisms, c.LoginOffered(), c.LoggedIn())
		}
		c.Quit()
	}
}

// TestNoLogin: the reason says why no login is possible, and what helps. No password is asked
// for.
func TestNoLogin(t *testing.T) {
	for _, c := range []struct{ lines, want string }{
		{"250 STARTTLS", "mx.example.org offers a login (AUTH) behind STARTTLS only, if at all: set tls: starttls"},
		{"250 HELP", "mx.example.org offers no login (AUTH), but a user name is configured: check host and port, or remove the user name"},
		{"250 AUTH CRAM-MD5 XOAUTH2", "mx.example.org offers no login by password, but one by token (OAuth): see oauth in esmtpq.yaml(5)"},
		{"250 AUTH GSSAPI NTLM CRAM-MD5", "mx.example.org offers none of the ways to log in known here, but CRAM-MD5 GSSAPI NTLM"},
		{"250 AUTH", "mx.example.org offers none of the ways to log in known here, but nothing"},
	} {
		s := serve(t, "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx\nS: "+c.lines+"\n! hang", nil)
		cfg := s.configured()
		cfg.Login = &login{err: errors.New("asked for a password")}
		_, err := Open(t.Context(), cfg)
		failed(t, err, KindRefused, StageAUTH, c.want)
	}
}

// needs is a session in which EHLO is sent again after the login.
var needs = offering("PLAIN") + byPlain + "S: 235 welcome\nC: EHLO client.example.org\n"

// EHLO is sent again after the login, once; if the host refuses, its first list stays valid.
func TestAsk(t *testing.T) {
	for _, c := range []struct {
		name, answer   string
		auth, smtputf8 bool
	}{
		{"more", "S: 250-mx\nS: 250 SMTPUTF8\n", false, true},
		{"503, as old OpenSMTPD", "S: 503 5.5.1 Invalid command: session already greeted\n", true, false},
		{"5xx, as qpsmtpd", "S: 500 you already said hello\n", true, false},
		{"4xx", "S: 450 not now\n", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, s := opened(t, needs+c.answer+goodbye, asMe)
			for range 2 {
				if err := conn.Ask(); err != nil {
					t.Errorf("%v", err)
				}
			}
			ext := conn.Extensions()
			if ext.Has("AUTH") != c.auth || ext.Has("SMTPUTF8") != c.smtputf8 || !conn.LoggedIn() || !conn.LoginOffered() {
				t.Errorf("%v, logged in %v", ext, conn.LoggedIn())
			}
			conn.Quit()
			if n := strings.Count(strings.Join(s.shown, "\n"), "> EHLO"); n != 2 {
				t.Errorf("%d times EHLO", n)
			}
		})
	}
}

// A host that closes over it has ended the session.
func TestAskLost(t *testing.T) {
	conn, _ := opened(t, needs+"S: 421 4.3.0 enough\n! close", asMe)
	err := conn.Ask()
	failed(t, err, KindReply, StageEHLO, "mx.example.org answered 421 enough to EHLO")
	conn.Abort()

	conn, _ = opened(t, needs+"! close", asMe)
	failed(t, conn.Ask(), KindLost, StageEHLO, "mx.example.org closed the connection at EHLO")
	conn.Abort()

	conn, _ = opened(t, offering("PLAIN")+byPlain+`S" "235 welcome\r\n421 bye\r\n"`+"\n! close", asMe)
	failed(t, conn.Ask(), KindReply, StageEHLO, "mx.example.org answered 421 bye")
	conn.Abort()
}

// Without a login there is nothing that the host has held back, and the session goes on behind a
// refusal.
func TestAskNothing(t *testing.T) {
	conn, _ := opened(t, offering("PLAIN")+goodbye)
	if err := conn.Ask(); err != nil {
		t.Error(err)
	}
	conn.Quit()

	conn, _ = opened(t, needs+`S: 503 already greeted
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<a@example.net>
		S: 250 ok
		C: DATA
		S: 354 go on
		C: x
		C: .
		S: 250 ok
	`+goodbye, asMe)
	if err := conn.Ask(); err != nil {
		t.Error(err)
	}
	got, err := carry(t, conn, mail("x", "a@example.net"))
	expect(t, got, "mail 250 rcpt 250 end 250 all sent")
	if err != nil {
		t.Error(err)
	}
	conn.Quit()
}
