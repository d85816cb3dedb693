package relay

import (
	"errors"
	"strconv"
	"strings"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

// Besides the kinds of smtp.Error, the policy knows kinds of replies: a code such as "421", a
// class such as "4xx", and what a reply says whatever its code, see says. The kinds below are our
// own findings, before anything is sent.
const (
	kindAny smtp.Kind = "any"

	kindTooLarge   smtp.Kind = "too large" // for the limit in the host's EHLO
	kindSender     smtp.Kind = "sender"    // a reverse-path that cannot be represented
	kindRecipient  smtp.Kind = "recipient" // a forward-path that cannot be represented
	kindUTF8Sender smtp.Kind = "utf8 sender"
	kindRequireTLS smtp.Kind = "requiretls" // is asked for, and cannot be had
	kindUTF8       smtp.Kind = "utf8 recipient"

	everyStage smtp.Stage = ""
)

// A rule is one row of the policy of failure.
type rule struct {
	at     smtp.Stage
	on     smtp.Kind
	action queue.Action
	scope  queue.Scope
	status string // if the host gave no enhanced status code; "" means class.0.0
}

// policy says whom a failure is charged to and what follows; the first rule that fits decides.
// Remember when changing it:
//
//   - Only a permanent reply to a message or a recipient fails mail. Before MAIL every failure is
//     charged to the identity, whatever the class of the reply.
//   - 503 says that we and the host disagree about the state of the session,
//     which is not the message's fault (RFC 5321, 4.2.2).
//   - A host does not refuse the message if it wants a login, says that a sending limit is
//     reached, or refuses the name given in EHLO or the address that the configuration forces
//     upon mail. All mail of the identity would meet the same refusal.
//   - Too many recipients are nobody's fault: the rest goes in the next transaction. Old hosts
//     answer 552 to RCPT in this case (RFC 5321, 4.5.3.1.10).
//   - A resolver that denies a name may be that of a hotel: this is never permanent.
//   - A loss between the end of a message and its reply is not in this table: the message is
//     possibly delivered, see outcome.
var policy = []rule{
	{everyStage, smtp.KindStopped, queue.Delayed, queue.ScopeSession, "4.3.2"},

	{smtp.StageResolve, kindAny, queue.Delayed, queue.ScopeIdentity, "4.4.3"},
	{smtp.StageConnect, kindAny, queue.Delayed, queue.ScopeIdentity, "4.4.1"},
	{smtp.StageTunnel, kindAny, queue.Delayed, queue.ScopeIdentity, "4.4.1"},
	{smtp.StageGreeting, smtp.KindReply, queue.Delayed, queue.ScopeIdentity, ""},
	{smtp.StageGreeting, kindAny, queue.Delayed, queue.ScopeIdentity, "4.4.2"},
	{smtp.StageEHLO, smtp.KindReply, queue.Delayed, queue.ScopeIdentity, ""},
	{smtp.StageEHLO, kindAny, queue.Delayed, queue.ScopeIdentity, "4.4.2"},
	{smtp.StageTLS, smtp.KindReply, queue.Delayed, queue.ScopeIdentity, ""},
	{smtp.StageTLS, smtp.KindConfig, queue.Delayed, queue.ScopeIdentity, "4.3.5"},
	{smtp.StageTLS, kindAny, queue.Delayed, queue.ScopeIdentity, "4.7.5"},
	{smtp.StageAUTH, smtp.KindReply, queue.Delayed, queue.ScopeIdentity, ""},
	{smtp.StageAUTH, smtp.KindRefused, queue.Delayed, queue.ScopeIdentity, "4.7.0"},
	{smtp.StageAUTH, kindAny, queue.Delayed, queue.ScopeIdentity, "4.4.2"},

	{everyStage, "login", queue.Delayed, queue.ScopeIdentity, ""},
	{everyStage, "sending limit", queue.Delayed, queue.ScopeIdentity, ""},
	{everyStage, "name", queue.Delayed, queue.ScopeIdentity, ""},
	{smtp.StageRCPT, "too many", queue.Delayed, queue.ScopeRecipient, ""},

	{smtp.StageProbe, kindAny, queue.Delayed, queue.ScopeSession, "4.4.2"},
	{smtp.StageRSET, kindAny, queue.Delayed, queue.ScopeSession, "4.4.2"},

	{smtp.StageLocal, smtp.KindContent, queue.Delayed, queue.ScopeMessage, "4.3.0"},
	{smtp.StageLocal, smtp.KindFeed, queue.Delayed, queue.ScopeMessage, "4.3.0"},
	{smtp.StageLocal, kindTooLarge, queue.Failed, queue.ScopeMessage, "5.3.4"},
	{smtp.StageLocal, kindSender, queue.Failed, queue.ScopeMessage, "5.1.7"},
	{smtp.StageLocal, kindRequireTLS, queue.Failed, queue.ScopeMessage, "5.7.30"},
	{smtp.StageLocal, kindRecipient, queue.Failed, queue.ScopeRecipient, "5.1.3"},
	{smtp.StageLocal, kindUTF8Sender, queue.Failed, queue.ScopeMessage, "5.6.7"},
	{smtp.StageLocal, kindUTF8, queue.Failed, queue.ScopeRecipient, "5.6.7"},

	{everyStage, "421", queue.Delayed, queue.ScopeSession, ""},
	{everyStage, "503", queue.Delayed, queue.ScopeSession, ""},
	{smtp.StageMAIL, "forced", queue.Delayed, queue.ScopeIdentity, ""},
	{smtp.StageRCPT, "552", queue.Delayed, queue.ScopeRecipient, ""},
	{smtp.StageRCPT, "4xx", queue.Delayed, queue.ScopeRecipient, ""},
	{smtp.StageRCPT, "5xx", queue.Failed, queue.ScopeRecipient, ""},
	{everyStage, "4xx", queue.Delayed, queue.ScopeMessage, ""},
	{everyStage, "5xx", queue.Failed, queue.ScopeMessage, ""},
	{everyStage, kindAny, queue.Delayed, queue.ScopeSession, "4.4.2"},
}

// facts are what the meaning of a reply depends on besides its words.
type facts struct {
	host     string // as configured
	loggedIn bool   // a login has succeeded in this session
	offered  bool   // the host offers a login
	forced   bool   // the reverse-path is one that the configuration forces upon all mail
	accepted bool   // a message of this session has been accepted before
	moved    bool   // the network has changed a short time ago
	alone    bool   // the message was alone in its session, one command at a time
}

// ruleFor returns the policy's answer to a failure.
func (f *facts) ruleFor(e *smtp.Error) rule {
	for _, r := range policy {
		if (r.at == everyStage || r.at == e.At) && f.fits(e, r.on) {
			return r
		}
	}
	panic("relay: the policy does not end in a rule for everything")
}

// fits reports whether e is of a kind.
func (f *facts) fits(e *smtp.Error, on smtp.Kind) bool {
	switch {
	case on == kindAny || on == e.Kind:
		return true
	case e.Kind != smtp.KindReply:
		return false
	case strings.HasSuffix(string(on), "xx"):
		return int(on[0]-'0') == e.Reply.Class()
	case on[0] >= '0' && on[0] <= '9':
		return string(on) == strconv.Itoa(e.Reply.Code)
	}
	return f.says(e.Reply, e.At, string(on))
}

// says reports whether a reply to MAIL, RCPT, DATA or content has a certain meaning, whatever its
// code.
func (f *facts) says(r *smtp.Reply, at smtp.Stage, what string) bool {
	switch what {
	case "login":
		return f.wantsLogin(r, at) || f.lacksLogin(r, at)
	case "sending limit": // RFC 3463, X.4.5
		return strings.HasSuffix(r.Status, ".4.5")
	case "too many":
		return tooMany(r)
	case "name":
		return r.Negative() && at != smtp.StageEnd && refusesName(r)
	case "forced":
		return f.forced && r.Class() == 5
	}
	return false
}

// wantsLogin reports whether the reply asks for AUTH or TLS (RFC 4954, section 6; RFC 3207,
// section 4), rather than refusing what it was given. 5.7.0 does not ask for that: hosts use it
// to refuse a suspicious content. After a successful login the codes alone do not ask for it
// either, and 534 does not where no login is offered: Courier's is about a size.
func (f *facts) wantsLogin(r *smtp.Reply, at smtp.Stage) bool {
	early := at == smtp.StageMAIL || at == smtp.StageRCPT
	byStatus := false
	switch r.Status {
	case "5.7.8", "5.7.9", "5.7.10", "5.7.11":
		byStatus = true
	}
	switch r.Code {
	case 530, 535, 538:
		return byStatus || !f.loggedIn
	case 534:
		return byStatus || !f.loggedIn && f.offered
	case 502: // "not implemented" cannot mean MAIL itself
		return at == smtp.StageMAIL && r.Status == "5.7.0" && !f.loggedIn
	}
	return early && byStatus
}

// lacksLogin reports whether a refusal looks as if a login were missing, provided that one is
// offered and none was made: hosts answer 550, 554 and 513 then. Words about the address itself
// do not count.
func (f *facts) lacksLogin(r *smtp.Reply, at smtp.Stage) bool {
	if f.loggedIn || !f.offered || r.Class() != 5 || at != smtp.StageMAIL && at != smtp.StageRCPT {
		return false
	}
	if r.Status != "" && !strings.HasPrefix(r.Status, "5.7.") && !strings.HasSuffix(r.Status, ".0.0") {
		return false
	}
	return hasAny(r.Text(), "auth", "relay", "denied", "log in", "login", "password")
}

// tooMany reports whether a reply to RCPT says that the transaction has as many recipients as it
// may (RFC 3463, X.5.3; RFC 5321, 4.5.3.1.10).
func tooMany(r *smtp.Reply) bool {
	if strings.HasSuffix(r.Status, ".5.3") {
		return true
	}
	switch r.Code {
	case 431, 451, 452, 552:
		return (r.Status == "" || strings.HasSuffix(r.Status, ".0.0")) && hasAny(r.Text(), "too many")
	}
	return false
}

// refusesName reports whether a reply refuses the name given in EHLO. Some hosts refuse it only
// in reply to a later command.
func refusesName(r *smtp.Reply) bool {
	text := r.Text()
	return hasAny(text, "helo", "ehlo") && hasAny(text, "reject", "invalid", "refused", "denied", "fully", "not found", "must")
}

// portal reports whether a failure is one that a captive portal causes, which answers in the place of
// all hosts: with a certificate of its own, or not in SMTP.
func portal(e *smtp.Error) bool {
	return e.At == smtp.StageTLS && e.Kind != smtp.KindTimeout && e.Kind != smtp.KindConfig || e.At == smtp.StageGreeting && e.Kind == smtp.KindGarbage
}

// hasAny reports whether text contains one of some words, in upper or lower case.
func hasAny(text string, words ...string) bool {
	text = strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// passes reports whether there is no token because of the network, or of the server that it is from.
func passes(err error) bool {
	var p interface{ Passing() bool }
	return errors.As(err, &p) && p.Passing()
}

// maxReason is how much of a reason the queue keeps, in octets.
const maxReason = 300

// advised returns a host's words with what helps behind them. Where both are too long, it is the words
// that are cut.
func advised(e *smtp.Error) string {
	words, advice := e.Reply.Words(e.At), e.Advice()
	if room := max(maxReason-len(advice)-len("..."), maxReason/5); advice != "" && len(words) > room+len("...") {
		words = strings.ToValidUTF8(words[:room], "") + "..."
	}
	return words + advice
}

// mends returns what of the set-up a reply refuses for good.
func mends(e *smtp.Error, r rule) queue.Mend {
	switch {
	case e.Passing || e.Reply.Class() != 5:
	case e.At == smtp.StageAUTH, r.on == "login":
		return queue.MendLogin
	case r.on == "forced":
		return queue.MendSender
	case r.on == "name", e.At == smtp.StageEHLO && refusesName(e.Reply):
		return queue.MendName
	}
	return ""
}

// report returns what a failure means for one recipient.
func (f *facts) report(e *smtp.Error) queue.Report {
	r := f.ruleFor(e)
	rep := queue.Report{Action: r.action, Scope: r.scope, Status: r.status, Text: e.Text + e.Advice(), Host: e.Host}
	if e.Kind != smtp.KindReply {
		if e.At == smtp.StageAUTH && passes(e) {
			rep.Status = "4.4.1"
		}
		if f.moved && portal(e) {
			rep.Text += "; the network has just changed, and may want a login in a browser first"
		}
		return rep
	}
	rep.Code, rep.Status = e.Reply.Code, e.Reply.Enhanced()
	rep.Text, rep.Mend = advised(e), mends(e, r)
	if r.on == "login" && !f.wantsLogin(e.Reply, e.At) {
		rep.Text += "; " + f.host + " offers a login and no user name is configured"
	}
	if r.on == "forced" {
		rep.Text += "; the reverse-path is the one that the configuration forces upon all mail"
	}
	return rep
}
