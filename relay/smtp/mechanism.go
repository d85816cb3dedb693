package smtp

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/emersion/go-sasl"
)

// A family is a group of mechanisms that put the same question to a host: what one of them is
// refused for, the others are refused for as well.
type family int

const (
	bound     family = iota // SCRAM, bound to the TLS session
	scram                   // SCRAM
	byCert                  // EXTERNAL
	bearer                  // with an access token
	plain                   // with the password itself
	challenge               // CRAM-MD5
)

// A mechanism is one that is known here.
type mechanism struct {
	name    string
	family  family
	request bool // only if the configuration names it
}

// mechanisms are those that are known here, strongest first.
var mechanisms = [...]mechanism{
	{"SCRAM-SHA-256-PLUS", bound, false},
	{"SCRAM-SHA-1-PLUS", bound, false},
	{"SCRAM-SHA-256", scram, false},
	{"SCRAM-SHA-1", scram, false},
	{"OAUTHBEARER", bearer, false},
	{"XOAUTH2", bearer, false},
	{"EXTERNAL", byCert, true},
	{"CRAM-MD5", challenge, true},
	{"PLAIN", plain, false},
	{"LOGIN", plain, false},
}

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

// cramClient is the mechanism CRAM-MD5 (RFC 2195).
type cramClient struct {
	user, password string
	done           bool
}

// Start implements sasl.Client.
func (c *cramClient) Start() (string, []byte, error) { return "CRAM-MD5", nil, nil }

// Next implements sasl.Client.
func (c *cramClient) Next(challenge []byte) ([]byte, error) {
	if c.done {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	c.done = true
	h := hmac.New(md5.New, []byte(c.password))
	h.Write(challenge)
	return []byte(c.user + " " + hex.EncodeToString(h.Sum(nil))), nil
}

// A tokenClient is OAUTHBEARER (RFC 7628) or XOAUTH2. A host that refuses the token says why in a
// challenge, whose answer only asks for the final reply.
type tokenClient struct {
	name, message string
	nothing       []byte // answer to the challenge of a refusal
	said          string // that challenge
}

func newTokenClient(name, user, token string) *tokenClient {
	if name == "XOAUTH2" {
		return &tokenClient{name: name, message: "user=" + user + "\x01auth=Bearer " + token + "\x01\x01", nothing: []byte{}}
	}
	return &tokenClient{
		name: name, message: "n,a=" + escapeName(user) + ",\x01auth=Bearer " + token + "\x01\x01", nothing: []byte{1},
	}
}

// Start implements sasl.Client.
func (c *tokenClient) Start() (string, []byte, error) { return c.name, []byte(c.message), nil }

// Next implements sasl.Client.
func (c *tokenClient) Next(challenge []byte) ([]byte, error) {
	if c.said != "" {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	c.said = string(challenge)
	return c.nothing, nil
}

// passing reports whether a refusal of a token is trouble of the host and not of the token: some
// say so only in the challenge, and the code of their final reply is that of a wrong password.
func (c *tokenClient) passing() bool {
	var refusal struct{ Status any }
	if json.Unmarshal([]byte(c.said), &refusal) != nil {
		return false
	}
	status, ok := refusal.Status.(string)
	if n, isNumber := refusal.Status.(float64); isNumber {
		return n >= 500 && n < 600
	}
	switch status {
	case "internal_failure", "temporarily_unavailable", "server_error":
		return true
	}
	return ok && len(status) == 3 && strings.HasPrefix(status, "5")
}
