package smtp

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/emersion/go-sasl"
)

const (
	// maxAuthLine is the longest AUTH command with an initial response (RFC 4954, section 4): if
	// it is longer, the response waits for the host's first challenge.
	maxAuthLine = 510
	// maxChallenges bounds a conversation; no mechanism used here has more than three.
	maxChallenges = 8
	// maxLoginConns is how many connections a login may take. Another one is opened where the
	// first is of no more use after a refusal.
	maxLoginConns = 4
)

// Credentials are what a login is made with.
type Credentials struct {
	User   string
	Secret string // a password, or with Config.Token an access token
	Cure   string // what helps when they are refused, for a person; "" for nothing known
}

// A Login obtains credentials, and is told whether they were accepted.
type Login interface {
	// Get returns the credentials.
	Get(ctx context.Context) (Credentials, error)
	// Renew returns credentials in place of those that the host has refused, or the same if there
	// are no others. It is called once in a login.
	Renew(ctx context.Context, refused Credentials) (Credentials, error)
	// Done tells whether the host has accepted the credentials.
	Done(c Credentials, accepted bool)
}

// A LoginMemory keeps what logins have shown about a host.
type LoginMemory interface {
	Recall() LoginKnown
	Learn(LoginKnown)
}

// LoginKnown is what logins have shown about a host. The zero value is nothing.
type LoginKnown struct {
	Way          // that has worked last
	Offer string `json:"offer,omitempty"` // the mechanisms that were offered then
	Bound bool   `json:"bound,omitempty"` // a login bound to the TLS session has worked at some time
}

// logIn logs in if the configuration has the means. When it returns nil, mail may be sent: with a
// Login, the login has succeeded.
func (c *Conn) logIn() *Error {
	e := c.effort
	if c.cfg.Login == nil && !c.certified() || c.cfg.MayLogIn && !c.login {
		return nil
	}
	if err := c.mayLogIn(); err != nil {
		return err
	}
	if err := c.plan(e); err != nil {
		return err
	}
	if err := c.credentials(e); err != nil {
		return err
	}
	c.r.hide = c.forms(e.creds)
	err := c.tryAll(e)
	if err == nil && !c.logged {
		err = c.refuse(StageAUTH, "there was no login, although one is configured") // the last barrier
	}
	if !e.again {
		c.conclude(e, err)
	}
	return err
}

// certified reports whether a session without a Login has to log in by the client certificate: where
// that is possible, or wanted.
func (c *Conn) certified() bool {
	return c.cfg.External && (len(c.cfg.Mechanisms) > 0 || c.encrypted() && c.ext.Auth(sasl.External))
}

// credentials obtains the credentials, once in a login.
func (c *Conn) credentials(e *effort) *Error {
	if e.asked || c.cfg.Login == nil {
		return nil
	}
	creds, err := c.cfg.Login.Get(c.ctx)
	if err != nil && c.ctx.Err() != nil {
		return stopped(StageAUTH)
	}
	if err != nil {
		return &Error{At: StageAUTH, Kind: KindRefused, Text: err.Error(), cause: err}
	}
	if text := c.unfit(creds); text != "" {
		return c.refuse(StageAUTH, text)
	}
	e.creds, e.asked = creds, true
	e.prepare()
	return nil
}

// unfit says why no mechanism can carry credentials; "" if one can.
func (c *Conn) unfit(creds Credentials) string {
	switch {
	case strings.Contains(creds.User+creds.Secret, "\x00"):
		return "the user name or password holds a NUL octet, which no login can carry"
	case c.cfg.Token && strings.ContainsFunc(creds.Secret, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "the access token holds an octet that no token has (RFC 6750)"
	case c.cfg.Token && strings.ContainsAny(creds.User, "\x01"):
		return "the user name holds a control character"
	}
	return ""
}

// mayLogIn returns why no login is possible; nil if one is.
func (c *Conn) mayLogIn() *Error {
	name := c.cfg.Name
	switch {
	case !c.encrypted() && !c.private():
		return c.refuse(StageAUTH, "the password is not sent in clear: "+c.tlsHint())
	case !c.ext.Has("AUTH") && !c.encrypted() && c.ext.Has("STARTTLS"):
		return c.refuse(StageAUTH, name+" offers a login (AUTH) behind STARTTLS only, if at all: set tls: starttls")
	case !c.ext.Has("AUTH"):
		return c.refuse(StageAUTH, name+" offers no login (AUTH), but a user name is configured: check host and port, or remove the user name")
	}
	return nil
}

// tlsHint says how to get a session on which a password can be sent.
func (c *Conn) tlsHint() string {
	if c.ext.Has("STARTTLS") {
		return "set tls: starttls"
	}
	return c.cfg.Name + " does not offer STARTTLS on this port; try port 465 with implicit TLS"
}

// minSecret is the length from which a password is searched in the words of a host: a shorter one
// occurs in ordinary words.
const minSecret = 4

// forms returns the forms in which a secret goes over the wire.
func (c *Conn) forms(creds Credentials) []string {
	if len(creds.Secret) < minSecret {
		return nil
	}
	encode := base64.StdEncoding.EncodeToString
	all := []string{creds.Secret, encode([]byte(creds.Secret))}
	if !c.cfg.Token {
		return append(all, encode([]byte(c.cfg.AuthorizeAs+"\x00"+creds.User+"\x00"+creds.Secret)))
	}
	for _, name := range [...]string{"OAUTHBEARER", "XOAUTH2"} {
		all = append(all, encode([]byte(newTokenClient(name, creds.User, creds.Secret).message)))
	}
	return all
}

// converse has one conversation, to its final reply (RFC 4954, section 4). first is the initial
// response, nil where there is none. The error is that of the connection, or says what went wrong
// on our side.
func (c *Conn) converse(mech sasl.Client, name string, first []byte, with bool) (*Reply, *Error) {
	line, shown, sent := "AUTH "+name, "AUTH "+name, []byte(nil)
	if with {
		line, shown, sent, first = line+" "+encodeResponse(first), shown+" ***", first, nil
	}
	for range maxChallenges {
		r, failed := c.ask(StageAUTH, line, shown)
		if failed != nil || r.Code != 334 {
			return r, failed
		}
		answer := first
		if len(sent) > 0 && r.Text() == "" {
			answer = sent // the host has not looked at the initial response
		}
		if first, sent = nil, nil; answer == nil {
			var err error
			if answer, err = nextResponse(mech, r); err != nil {
				return nil, c.cancelAuth(name, err)
			}
		}
		line, shown = base64.StdEncoding.EncodeToString(answer), "***"
	}
	return nil, c.cancelAuth(name, errors.New("too many challenges"))
}

// inline reports whether an initial response goes with the command.
func inline(line, response string) bool {
	return response == ResponseFirst || response == "" && len(line) <= maxAuthLine
}

// cancelAuth ends a conversation that went wrong on our side (RFC 4954, section 4).
func (c *Conn) cancelAuth(mech string, cause error) *Error {
	if _, err := c.ask(StageAUTH, "*", "*"); err != nil {
		return err
	}
	return &Error{At: StageAUTH, Kind: KindRefused, Text: "AUTH " + mech + " with " + c.cfg.Name + " failed: " + cause.Error(), cause: cause}
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
