package relay

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"

	"github.com/emersion/go-sasl"
)

const (
	// maxAuthLine is the longest AUTH command with an initial response
	// (RFC 4954, section 4): where it is longer, the response waits for the
	// host's first challenge.
	maxAuthLine = 510
	// maxChallenges bounds a conversation; no mechanism used here has more
	// than two.
	maxChallenges = 8
)

// loginClient is the mechanism LOGIN (draft-murchison-sasl-login). The first
// challenge is answered with the user name, the second with the password,
// whatever they say: hosts differ in the wording, and some ignore an
// initial response.
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

// mechanisms returns those to try, best first, of what the host offers.
func mechanisms(ext extensions, user, password string) []sasl.Client {
	var all []sasl.Client
	if ext.auth(sasl.Plain) {
		all = append(all, sasl.NewPlainClient("", user, password))
	}
	if ext.auth("LOGIN") {
		all = append(all, newLoginClient(user, password))
	}
	return all
}

// login authenticates where the identity has something to do it with. When it
// returns nil, what the identity's mail needs has been achieved: with a user name, a
// login has succeeded.
func (s *session) login() *trouble {
	h := s.host
	if h.username == "" {
		if h.files.cert != "" && s.encrypted() && s.ext.auth(sasl.External) {
			return s.authenticate(sasl.NewExternalClient(""))
		}
		return nil
	}
	if !s.encrypted() && !s.private() {
		return s.refuse(stageAUTH, "the password is not sent in clear: "+s.tlsHint())
	}
	if !s.ext.has("AUTH") {
		return s.refuse(stageAUTH, h.name+" offers no login (AUTH), but a user name is configured: check host and port, or remove the user name")
	}
	if !s.ext.auth(sasl.Plain) && !s.ext.auth("LOGIN") {
		return s.refuse(stageAUTH, h.name+" offers none of the ways to log in known here (PLAIN, LOGIN)")
	}
	user, password, err := h.secrets.get(s.ctx, h.credentials)
	if err != nil {
		return s.refuse(stageAUTH, err.Error())
	}
	if strings.Contains(user+password, "\x00") {
		return s.refuse(stageAUTH, "the user name or password holds a NUL octet, which no login can carry")
	}
	s.r.hide = forms(user, password)
	var t *trouble
	for _, mech := range mechanisms(s.ext, user, password) {
		t = s.authenticate(mech)
		if t == nil || !t.aboutMechanism() {
			break
		}
	}
	h.secrets.keep(user, password, t == nil)
	return t
}

// secrets keeps user name and password for further sessions of the same run, once they
// have been accepted: a password command may ask a person.
type secrets struct {
	mu             sync.Mutex
	user, password string
	good           bool
}

// get returns what was accepted, or asks.
func (k *secrets) get(ctx context.Context, ask func(context.Context) (user, password string, err error)) (string, string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.good {
		return k.user, k.password, nil
	}
	return ask(ctx)
}

// keep keeps what was accepted, and forgets what was not.
func (k *secrets) keep(user, password string, good bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.good = good; !good {
		user, password = "", ""
	}
	k.user, k.password = user, password
}

// minSecret is the length from which on a password is looked for in what a host says: a shorter one
// stands in every other word.
const minSecret = 4

// forms returns the forms in which a password goes over the wire.
func forms(user, password string) []string {
	if len(password) < minSecret {
		return nil
	}
	encode := base64.StdEncoding.EncodeToString
	return []string{password, encode([]byte(password)), encode([]byte("\x00" + user + "\x00" + password))}
}

// aboutMechanism tells whether another mechanism may fare better. A refused
// password is not tried again in another wrapping: hosts count, and lock out.
func (t *trouble) aboutMechanism() bool {
	if t.event != eventReply {
		return false
	}
	switch t.reply.code {
	case 500, 501, 502, 504, 534:
		return true
	}
	return false
}

// tlsHint says how to get a session on which a password can be sent.
func (s *session) tlsHint() string {
	if s.ext.has("STARTTLS") {
		return "set TLS to starttls"
	}
	return s.host.name + " does not offer STARTTLS on this port; try port 465 with implicit TLS"
}

// authenticate has one conversation, to its final reply (RFC 4954, section 4).
func (s *session) authenticate(mech sasl.Client) *trouble {
	name, first, err := mech.Start()
	if err != nil {
		return s.refuse(stageAUTH, err.Error())
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
		r, t := s.ask(stageAUTH, line, shown)
		if t != nil {
			return t
		}
		if r.code != 334 {
			return s.authResult(r)
		}
		answer := first
		if first = nil; answer == nil {
			if answer, err = nextResponse(mech, r); err != nil {
				return s.cancelAuth(name, err)
			}
		}
		line, shown = base64.StdEncoding.EncodeToString(answer), "***"
	}
	return s.cancelAuth(name, errors.New("too many challenges"))
}

// authResult judges the final reply.
func (s *session) authResult(r *reply) *trouble {
	switch r.class() {
	case 2:
		return nil
	case 4, 5:
		return s.refused(stageAUTH, r)
	}
	return s.garbage(stageAUTH, r)
}

// cancelAuth ends a conversation that went wrong on our side (RFC 4954, section 4).
func (s *session) cancelAuth(mech string, cause error) *trouble {
	if _, t := s.ask(stageAUTH, "*", "*"); t != nil {
		return t
	}
	return s.refuse(stageAUTH, "AUTH "+mech+" with "+s.host.name+" failed: "+cause.Error())
}

// nextResponse answers the challenge in a 334.
func nextResponse(mech sasl.Client, r *reply) ([]byte, error) {
	challenge, err := base64.StdEncoding.DecodeString(r.text())
	if err != nil {
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
