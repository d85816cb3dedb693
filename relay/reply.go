package relay

import (
	"strconv"
	"strings"

	"esmtpq/queue"
)

// A stage is the point of a session at which something went wrong.
type stage string

const (
	stageResolve  stage = "resolve"  // the host's name was looked up
	stageConnect  stage = "connect"  // a connection was made
	stageTunnel   stage = "tunnel"   // a helper made the connection
	stageGreeting stage = "greeting" // the host's first reply
	stageEHLO     stage = "EHLO"
	stageTLS      stage = "TLS" // STARTTLS and the handshake
	stageAUTH     stage = "AUTH"
	stageMAIL     stage = "MAIL FROM"
	stageRCPT     stage = "RCPT TO"
	stageDATA     stage = "DATA"                   // and the content, but for the final dot
	stageChunk    stage = "BDAT"                   // a chunk that is not the last
	stageProbe    stage = "a probe"                // of what the host does with BDAT
	stageFinal    stage = "the end of the message" // from the final dot on
	stageRSET     stage = "RSET"
	stageQUIT     stage = "QUIT"
	stageLocal    stage = "preparation" // found by ourselves, nothing was sent
	everyStage    stage = ""
)

// An event is what went wrong. Beside these, the policy knows replies: "421",
// a code; "4xx", a class; "login", that the host wants a login.
type event string

const (
	eventAny     event = "any"
	eventReply   event = "reply"   // the host said so: trouble.reply
	eventLost    event = "lost"    // the connection was closed or failed
	eventTimeout event = "timeout" // nothing came, or nothing was taken, in time
	eventGarbage event = "garbage" // not SMTP, or not the reply that can be there
	eventRefused event = "refused" // by us: unsafe, or set up wrongly
	eventStopped event = "stopped" // we were told to stop

	eventDamaged    event = "damaged"    // the content cannot be read to its end
	eventUnrecorded event = "unrecorded" // progress cannot be recorded
	eventTooLarge   event = "too large"  // for the limit in the host's EHLO
	eventSender     event = "sender"     // a reverse-path that cannot be represented
	eventRecipient  event = "recipient"  // a forward-path that cannot be represented
	eventUTF8Sender event = "utf8 sender"
	eventUTF8       event = "utf8 recipient"
)

// A rule is one row of the policy of failure.
type rule struct {
	at     stage
	on     event
	action queue.Action
	scope  queue.Scope
	status string // where the host gave no enhanced status code; "" means class.0.0
	unsure bool   // the host may have taken the message
}

// policy says whom a failure is charged to and what follows; the first rule
// that fits decides. What must be remembered when changing it:
//
//   - Only a permanent reply to a message or a recipient fails mail. Before MAIL
//     everything is the identity's trouble, whatever the class of the reply.
//   - 503 says that we and the host disagree about the state of the session,
//     which is not the message's fault (RFC 5321, 4.2.2).
//   - 552 to RCPT is what old hosts say for 452, too many recipients
//     (RFC 5321, 4.5.3.1.10).
//   - A host that wants a login is not refusing the message.
//   - A resolver that says no may be that of a hotel: never permanent.
var policy = []rule{
	{stageFinal, eventStopped, queue.Delayed, queue.ScopeSession, "4.3.2", true},
	{everyStage, eventStopped, queue.Delayed, queue.ScopeSession, "4.3.2", false},

	{stageResolve, eventAny, queue.Delayed, queue.ScopeIdentity, "4.4.3", false},
	{stageConnect, eventAny, queue.Delayed, queue.ScopeIdentity, "4.4.1", false},
	{stageTunnel, eventAny, queue.Delayed, queue.ScopeIdentity, "4.4.1", false},
	{stageGreeting, eventReply, queue.Delayed, queue.ScopeIdentity, "", false},
	{stageGreeting, eventAny, queue.Delayed, queue.ScopeIdentity, "4.4.2", false},
	{stageEHLO, eventReply, queue.Delayed, queue.ScopeIdentity, "", false},
	{stageEHLO, eventAny, queue.Delayed, queue.ScopeIdentity, "4.4.2", false},
	{stageTLS, eventReply, queue.Delayed, queue.ScopeIdentity, "", false},
	{stageTLS, eventAny, queue.Delayed, queue.ScopeIdentity, "4.7.5", false},
	{stageAUTH, eventReply, queue.Delayed, queue.ScopeIdentity, "", false},
	{stageAUTH, eventRefused, queue.Delayed, queue.ScopeIdentity, "4.7.0", false},
	{stageAUTH, eventAny, queue.Delayed, queue.ScopeIdentity, "4.4.2", false},

	{stageMAIL, "421", queue.Delayed, queue.ScopeSession, "", false},
	{stageMAIL, "503", queue.Delayed, queue.ScopeSession, "", false},
	{stageMAIL, "login", queue.Delayed, queue.ScopeIdentity, "", false},
	{stageMAIL, "4xx", queue.Delayed, queue.ScopeMessage, "", false},
	{stageMAIL, "5xx", queue.Failed, queue.ScopeMessage, "", false},
	{stageMAIL, eventAny, queue.Delayed, queue.ScopeSession, "4.4.2", false},

	{stageRCPT, "421", queue.Delayed, queue.ScopeSession, "", false},
	{stageRCPT, "503", queue.Delayed, queue.ScopeSession, "", false},
	{stageRCPT, "login", queue.Delayed, queue.ScopeIdentity, "", false},
	{stageRCPT, "552", queue.Delayed, queue.ScopeRecipient, "", false},
	{stageRCPT, "4xx", queue.Delayed, queue.ScopeRecipient, "", false},
	{stageRCPT, "5xx", queue.Failed, queue.ScopeRecipient, "", false},
	{stageRCPT, eventAny, queue.Delayed, queue.ScopeSession, "4.4.2", false},

	{stageDATA, "421", queue.Delayed, queue.ScopeSession, "", false},
	{stageDATA, "503", queue.Delayed, queue.ScopeSession, "", false},
	{stageDATA, "login", queue.Delayed, queue.ScopeIdentity, "", false},
	{stageDATA, "4xx", queue.Delayed, queue.ScopeMessage, "", false},
	{stageDATA, "5xx", queue.Failed, queue.ScopeMessage, "", false},
	{stageDATA, eventAny, queue.Delayed, queue.ScopeSession, "4.4.2", false},

	{stageChunk, "421", queue.Delayed, queue.ScopeSession, "", false},
	{stageChunk, "503", queue.Delayed, queue.ScopeSession, "", false},
	{stageChunk, "login", queue.Delayed, queue.ScopeIdentity, "", false},
	{stageChunk, "4xx", queue.Delayed, queue.ScopeMessage, "", false},
	{stageChunk, "5xx", queue.Failed, queue.ScopeMessage, "", false},
	{stageChunk, eventAny, queue.Delayed, queue.ScopeSession, "4.4.2", false},

	{stageFinal, "421", queue.Delayed, queue.ScopeSession, "", false},
	{stageFinal, "503", queue.Delayed, queue.ScopeSession, "", false},
	{stageFinal, "login", queue.Delayed, queue.ScopeIdentity, "", false},
	{stageFinal, "4xx", queue.Delayed, queue.ScopeMessage, "", false},
	{stageFinal, "5xx", queue.Failed, queue.ScopeMessage, "", false},
	{stageFinal, eventAny, queue.Delayed, queue.ScopeSession, "4.4.2", true},

	{stageProbe, eventAny, queue.Delayed, queue.ScopeSession, "4.4.2", false},
	{stageRSET, eventAny, queue.Delayed, queue.ScopeSession, "4.4.2", false},
	{stageQUIT, eventAny, "", "", "", false}, // nothing depends on it

	{stageLocal, eventDamaged, queue.Delayed, queue.ScopeMessage, "4.3.0", false},
	{stageLocal, eventUnrecorded, queue.Delayed, queue.ScopeMessage, "4.3.0", false},
	{stageLocal, eventTooLarge, queue.Failed, queue.ScopeMessage, "5.3.4", false},
	{stageLocal, eventSender, queue.Failed, queue.ScopeMessage, "5.1.7", false},
	{stageLocal, eventRecipient, queue.Failed, queue.ScopeRecipient, "5.1.3", false},
	{stageLocal, eventUTF8Sender, queue.Failed, queue.ScopeMessage, "5.6.7", false},
	{stageLocal, eventUTF8, queue.Failed, queue.ScopeRecipient, "5.6.7", false},
}

// A trouble is one failure: where, what, and who said it.
type trouble struct {
	at    stage
	event event
	reply *reply // for eventReply
	text  string // in our words, for the other events
	host  string // whose words or behaviour it is; "" for ours
}

// rule returns the policy's answer to t.
func (t *trouble) rule() rule {
	for _, r := range policy {
		if (r.at == everyStage || r.at == t.at) && t.fits(r.on) {
			return r
		}
	}
	// Not reached: every stage ends with eventAny, or has only events of its own.
	return rule{action: queue.Delayed, scope: queue.ScopeSession, status: "4.0.0"}
}

// fits tells whether t is the event, or a case of it.
func (t *trouble) fits(on event) bool {
	switch {
	case on == eventAny || on == t.event:
		return true
	case t.event != eventReply:
		return false
	case on == "login":
		return t.reply.wantsLogin(t.at)
	case strings.HasSuffix(string(on), "xx"):
		return int(on[0]-'0') == t.reply.code/100
	}
	return string(on) == strconv.Itoa(t.reply.code)
}

// report returns what t means for one recipient.
func (t *trouble) report() queue.Report {
	r := t.rule()
	rep := queue.Report{
		Action: r.action, Scope: r.scope, Status: r.status,
		Text: t.text, Host: t.host, Unsure: r.unsure,
	}
	if t.event == eventReply {
		rep.Code = t.reply.code
		rep.Status = t.reply.enhanced()
		rep.Text = t.reply.words(t.at)
	}
	return rep
}

// wantsLogin tells whether the reply asks for AUTH or TLS (RFC 4954, section 6;
// RFC 3207, section 4), rather than refusing what it was given. 5.7.0 says no such thing: it is what hosts say
// to a content that they suspect. Once they have seen the content, the code alone counts.
func (r *reply) wantsLogin(at stage) bool {
	switch r.code {
	case 530, 534, 535, 538:
		return true
	}
	if at == stageMAIL && r.code == 502 && r.status == "5.7.0" {
		return true // "not implemented" cannot be meant of MAIL
	}
	switch r.status {
	case "5.7.8", "5.7.9", "5.7.10", "5.7.11":
		return at == stageMAIL || at == stageRCPT
	}
	return false
}
