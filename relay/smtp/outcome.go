package smtp

import (
	"cmp"
	"strings"

	"github.com/emersion/go-sasl"
)

// A meaning is what the end of a conversation means for the login.
type meaning int

const (
	accepted meaning = iota
	refusal          // of the credentials, as far as this mechanism goes
	form             // of the mechanism or of the form of the command, not of the credentials
	expiring         // the token is too old
	passing          // trouble of the host: neither credentials nor mechanism are refused
	unproven         // the host is not the one that knows the password
	broken           // the connection
)

// An outcome is what has become of one way to log in.
type outcome struct {
	is        meaning
	err       *Error
	explicit  bool // the host has said in a challenge why it refuses the token
	cancelled bool // the refusal is ours: the conversation made no sense
	inline    bool // the command had an initial response
	late      bool // the response waited for a challenge
	doubtful  bool // a form may be refused, or the credentials
	outOfStep bool // what the host says next may be about what was sent before
}

// try tries one way.
func (c *Conn) try(e *effort, w Way) outcome {
	mech := c.client(e, w)
	name, first, err := mech.Start()
	if err != nil {
		return outcome{is: refusal, err: c.refuse(StageAUTH, err.Error())}
	}
	line := "AUTH " + name + " " + encodeResponse(first)
	v := outcome{inline: first != nil && inline(line, w.Response)}
	v.late = first != nil && !v.inline
	c.r.challenged = true
	r, failed := c.converse(mech, name, first, v.inline)
	c.r.challenged = false
	if failed != nil {
		v.failed(failed)
		return v
	}
	c.concluded(&v, r, mech, v.inline && len(line) > maxAuthLine)
	return v
}

// failed says what a conversation without a final reply means.
func (v *outcome) failed(err *Error) {
	v.is, v.err = broken, err
	switch {
	case err.cause == errUnproven:
		v.is = unproven
	case err.cause == errContinued:
		v.is, v.outOfStep = form, true
	case err.Kind == KindRefused:
		v.is, v.cancelled = refusal, true
	}
}

// concluded says what the final reply of a conversation means. long says that the command was
// longer than allowed.
func (c *Conn) concluded(v *outcome, r *Reply, mech sasl.Client, long bool) {
	scram, isScram := mech.(*scramClient)
	token, isToken := mech.(*tokenClient)
	v.explicit = isToken && token.said != ""
	switch {
	case r.Class() == 2 && isScram && !scram.proven:
		v.is, v.err = unproven, c.refuse(StageAUTH, c.cfg.Name+" accepts the login, but "+errUnproven.Error())
		return
	case r.Class() == 2:
		c.logged = true
		return
	case !r.Negative():
		v.is, v.err = broken, c.garbage(StageAUTH, r)
		return
	}
	v.err = c.refused(StageAUTH, r)
	v.is = meaningOf(r, long)
	if isToken && token.passing() {
		v.is = passing
	}
	v.err.Passing = v.is == passing || v.is == expiring
	if v.explicit {
		v.err.Hint = "it says of the token: " + shorten(strings.Map(printable, token.said), maxSaid)
	}
	v.doubtful = long && r.Code == 535
	v.outOfStep = v.is == form && (long || r.Code == 500)
}

// maxSaid bounds what is shown of a host's words about a token, in octets, so that what helps has room
// behind them.
const maxSaid = 60

// printable replaces control characters in the words of a host.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

// meaningOf returns the meaning of a negative reply to AUTH.
func meaningOf(r *Reply, long bool) meaning {
	switch {
	case r.Status == "5.5.127": // Microsoft: the token will expire soon
		return expiring
	case r.Status == "5.5.124": // Microsoft: the token is another user's
		return refusal
	case r.Class() == 4, tooManyLogins(r):
		return passing
	case long && r.Code == 535: // Postfix: the line was cut
		return form
	}
	switch r.Code {
	case 500, 501, 502, 504:
		return form
	}
	return refusal
}

// tooManyLogins reports whether a host refuses all logins for a while, whatever the password.
func tooManyLogins(r *Reply) bool {
	return strings.Contains(strings.ToLower(r.Text()), "too many")
}

// explain adds to the error of a login what else is to be said, and what may help.
func (c *Conn) explain(e *effort, err *Error) *Error {
	if err == nil || e.again || err.At != StageAUTH || err.Kind != KindReply && err.Kind != KindRefused {
		return err
	}
	with := *err
	var hints []string
	if err.Hint != "" {
		hints = append(hints, err.Hint)
	}
	if len(e.refused) > 1 {
		hints = append(hints, "refused: "+strings.Join(e.refused, ", "))
	}
	if f := (Way{Mechanism: last(e.tried)}).family(); f == bound && e.known.Bound && len(c.cfg.Mechanisms) == 0 {
		hints = append(hints, "a login bound to the TLS session has worked at this host before, so that no weaker one is tried; auth: would allow it")
	}
	if err.Kind == KindReply {
		if help := c.helpFor(err, e.creds); help != "" {
			hints = append(hints, help)
		}
	}
	with.Hint = strings.Join(hints, "; ")
	return &with
}

func last(tried []Way) string {
	if len(tried) == 0 {
		return ""
	}
	return tried[len(tried)-1].Mechanism
}

// helpFor returns what helps against a refusal: what is known of the words of some hosts, or else
// what belongs to the credentials.
func (c *Conn) helpFor(err *Error, creds Credentials) string {
	r := err.Reply
	text := strings.ToLower(r.Text())
	basic := r.Status == "5.7.30" || strings.Contains(text, "basic authentication is")
	switch {
	case strings.Contains(text, "smtpclientauthentication is disabled"):
		return helpNoAuth
	case basic && !c.cfg.Token:
		return helpNoPassword + c.tokenCure()
	case r.Status == "5.7.9" && r.Code == 534:
		return helpAppPassword + c.tokenCure()
	case r.Status == "5.7.14" && r.Code == 534:
		return helpBrowser
	case r.Status == "5.5.127":
		return helpShortToken
	case r.Class() == 5 && tooManyLogins(r):
		return helpTooMany
	case err.Passing:
		return ""
	case r.Status == "5.5.124" && creds.Cure != "":
		return "the token is another user's than the username; " + creds.Cure
	}
	return creds.Cure
}

// tokenCure says how to log in by token.
func (c *Conn) tokenCure() string { return cmp.Or(c.cfg.TokenCure, "see oauth in esmtpq.yaml(5)") }

// What helps against the refusals of some hosts, where another password does not.
const (
	helpNoAuth      = "an administrator has to allow SMTP AUTH for this mailbox; no other password or token will help"
	helpNoPassword  = "this host takes no password any more, but a token: "
	helpAppPassword = "make an app password in the account's settings, or use a token: "
	helpByToken     = "token (OAuth): "
	helpBrowser     = "log in to the account in a browser once, then type deliver"
	helpShortToken  = "it takes no token that ends within ten minutes"
	helpTooMany     = "after too many failed logins a host refuses all for a while"
)

// KnownHelp returns what helps against a refused login, if it is one of which more is known than that the
// credentials are wrong; reason is what was said of it. "" is for all others.
func KnownHelp(reason string) string {
	for _, help := range [...]string{helpNoAuth, helpNoPassword, helpAppPassword, helpByToken, helpBrowser} {
		if i := strings.Index(reason, help); i >= 0 {
			return reason[i:]
		}
	}
	return ""
}
