package smtp

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/emersion/go-sasl"
)

const (
	// maxAuthLine is the longest AUTH command with an initial response (RFC 4954, section 4): if
	// it is longer, the response waits for the host's first challenge.
	maxAuthLine = 510
	// maxChallenges bounds a conversation; no mechanism used here has more
	// than two.
	maxChallenges = 8
)

// loginClient is the mechanism LOGIN (draft-murchison-sasl-login). The answer to the first
// challenge is the user name, the answer to the second the password, whatever the challenges say:
// hosts differ in their wording, and some ignore an initial response.
type loginClient struct {
	answers []string
}

func newLoginClient(user, password string) sasl.Client {
	return &loginClient{[]string{user, password}}
}

// Start implements sasl.Client.
func (c *loginClient) Start() (string, []byte, error) { return "LOGIN", nil, nil }

// Next implements sasl.Client.
func (c *loginClient) Next([]byte) ([]byte, error) {
	if len(c.answers) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	answer := c.answers[0]
	c.answers = c.answers[1:]
	return []byte(answer), nil
}

// mechanisms returns the mechanisms to try among those that the host offers, best first.
func mechanisms(ext Extensions, user, password string) []sasl.Client {
	var all []sasl.Client
	if ext.Auth(sasl.Plain) {
		all = append(all, sasl.NewPlainClient("", user, password))
	}
	if ext.Auth("LOGIN") {
		all = append(all, newLoginClient(user, password))
	}
	return all
}

// logIn logs in if the configuration has the means. When it returns nil, mail may be sent: with a
// Login, the login has succeeded.
func (c *Conn) logIn() *Error {
	if c.cfg.Login == nil {
		if c.cfg.External && c.encrypted() && c.ext.Auth(sasl.External) {
			return c.authenticate(sasl.NewExternalClient(""))
		}
		return nil
	}
	if err := c.mayLogIn(); err != nil {
		return err
	}
	user, password, err := c.cfg.Login.Get(c.ctx)
	if err != nil && c.ctx.Err() != nil {
		return stopped(StageAUTH)
	}
	if err != nil {
		return c.refuse(StageAUTH, err.Error())
	}
	if strings.Contains(user+password, "\x00") {
		return c.refuse(StageAUTH, "the user name or password holds a NUL octet, which no login can carry")
	}
	c.r.hide = forms(user, password)
	var failed *Error
	for _, mech := range mechanisms(c.ext, user, password) {
		failed = c.authenticate(mech)
		if failed == nil || !aboutMechanism(failed) {
			break
		}
	}
	c.cfg.Login.Done(user, password, failed == nil)
	return failed
}

// mayLogIn returns why no login by password is possible; nil if one is.
func (c *Conn) mayLogIn() *Error {
	name := c.cfg.Name
	switch {
	case !c.encrypted() && !c.private():
		return c.refuse(StageAUTH, "the password is not sent in clear: "+c.tlsHint())
	case !c.ext.Has("AUTH") && !c.encrypted() && c.ext.Has("STARTTLS"):
		return c.refuse(StageAUTH, name+" offers a login (AUTH) behind STARTTLS only, if at all: set tls: starttls")
	case !c.ext.Has("AUTH"):
		return c.refuse(StageAUTH, name+" offers no login (AUTH), but a user name is configured: check host and port, or remove the user name")
	case !c.ext.Auth(sasl.Plain) && !c.ext.Auth("LOGIN"):
		return c.refuse(StageAUTH, name+" offers none of the ways to log in known here (PLAIN, LOGIN)")
	}
	return nil
}

// minSecret is the length from which a password is searched in the words of a host: a shorter one
// occurs in ordinary words.
const minSecret = 4

// forms returns the forms in which a password goes over the wire.
func forms(user, password string) []string {
	if len(password) < minSecret {
		return nil
	}
	encode := base64.StdEncoding.EncodeToString
	return []string{password, encode([]byte(password)), encode([]byte("\x00" + user + "\x00" + password))}
}

// aboutMechanism reports whether another mechanism may succeed. A refused password is not tried
// again by another mechanism, since hosts count attempts and lock people out.
func aboutMechanism(err *Error) bool {
	if err.Kind != KindReply {
		return false
	}
	switch err.Reply.Code {
	case 500, 501, 502, 504, 534:
		return true
	}
	return false
}

// tlsHint says how to get a session on which a password can be sent.
func (c *Conn) tlsHint() string {
	if c.ext.Has("STARTTLS") {
		return "set tls: starttls"
	}
	return c.cfg.Name + " does not offer STARTTLS on this port; try port 465 with implicit TLS"
}

// authenticate has one conversation, to its final reply (RFC 4954, section 4).
func (c *Conn) authenticate(mech sasl.Client) *Error {
	name, first, err := mech.Start()
	if err != nil {
		return c.refuse(StageAUTH, err.Error())
	}
	line := "AUTH " + name
	if first != nil {
		with := line + " " + encodeResponse(first)
		if len(with) <= maxAuthLine {
			line, first = with, nil
		}
	}
	shown := "AUTH " + name
	if line != shown {
		shown += " ***"
	}
	for range maxChallenges {
		r, failed := c.ask(StageAUTH, line, shown)
		if failed != nil {
			return failed
		}
		if r.Code != 334 {
			return c.authResult(r)
		}
		answer := first
		if first = nil; answer == nil {
			if answer, err = nextResponse(mech, r); err != nil {
				return c.cancelAuth(name, err)
			}
		}
		line, shown = base64.StdEncoding.EncodeToString(answer), "***"
	}
	return c.cancelAuth(name, errors.New("too many challenges"))
}

// authResult returns what the final reply means.
func (c *Conn) authResult(r *Reply) *Error {
	switch r.Class() {
	case 2:
		c.logged = true
		return nil
	case 4, 5:
		return c.refused(StageAUTH, r)
	}
	return c.garbage(StageAUTH, r)
}

// cancelAuth ends a conversation that went wrong on our side (RFC 4954, section 4).
func (c *Conn) cancelAuth(mech string, cause error) *Error {
	if _, err := c.ask(StageAUTH, "*", "*"); err != nil {
		return err
	}
	return c.refuse(StageAUTH, "AUTH "+mech+" with "+c.cfg.Name+" failed: "+cause.Error())
}

// nextResponse answers the challenge in a 334. The prompts of LOGIN may be plain text or lack
// padding; their words do not matter.
func nextResponse(mech sasl.Client, r *Reply) ([]byte, error) {
	challenge, err := base64.StdEncoding.DecodeString(r.Text())
	if _, prompts := mech.(*loginClient); err != nil && !prompts {
		return nil, errors.New("the challenge is not base64")
	}
	return mech.Next(challenge)
}

// encodeResponse encodes an initial response; an empty one is "=".
func encodeResponse(b []byte) string {
	if len(b) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(b)
}
