package relay

import (
	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

// again says how undecided recipients are to be tried once more in the same run.
type again int

const (
	againNo    again = iota
	againNext        // in the next transaction of the same session
	againData        // likewise, by DATA
	againAnew        // over a new session
	againAlone       // over a new session, with nothing else in flight
)

// A verdict is the outcome of a transaction.
type verdict struct {
	reports []queue.Report // one for each of Message.To; Action "" where it is undecided
	again   again          // for those
	cause   *smtp.Error    // why they are undecided
	taken   int            // recipients that the host accepted
	full    bool           // it said that a transaction may not have more
}

// outcome returns what the replies to a message mean for each of its recipients. It alone decides
// this, for every way of sending, under these laws:
//
//   - An accepted recipient and 2xx at the end is relayed, whatever others got.
//   - All sent and no answer to the end is possibly delivered, whatever came before or behind; by LMTP,
//     where each recipient has an answer to the end, that goes for each of them.
//   - A reply that was read for a recipient counts, whatever becomes of the session, with one
//     exception: after a negative reply the host closed the connection, and more had been sent
//     than it had answered. That message is tried once more, alone.
//   - Nothing else is ever relayed.
func outcome(r *smtp.Result, f *facts) verdict {
	if f.alone && r.Closing != nil {
		r = counted(r)
	}
	v := verdict{reports: make([]queue.Report, len(r.Rcpt))}
	switch {
	case r.Err != nil && r.Err.At == smtp.StageLocal && r.Sent != smtp.SentAll:
		v.recipients(r, f)
		v.settle(f.report(r.Err))
	case r.Untrusted, r.End.Positive() && r.Sent != smtp.SentAll:
		v.undecided(r, f)
	case contradictory(r):
		v.recipients(r, f)
		v.doubt(r, f)
	case r.Mail.Negative():
		v.refuse(r, f, smtp.StageMAIL, r.Mail)
	default:
		v.recipients(r, f)
		v.end(r, f)
	}
	return v
}

// contradictory reports whether the host says that it has taken a message of which it has refused MAIL or a chunk, or whether
// it accepts recipients of one of which it has refused MAIL, and has not said what became of it.
func contradictory(r *smtp.Result) bool {
	refused := r.Mail != nil && !r.Mail.Positive() || r.Data != nil && !r.Data.Positive()
	unsaid := r.Mail.Negative() && r.Sent == smtp.SentAll && r.End == nil && !r.Unread
	return (refused && r.End.Positive() || unsaid) && r.Accepted()
}

// counted returns a result in which the reply that the host closed with counts.
func counted(r *smtp.Result) *smtp.Result {
	c := *r
	c.Closing = nil
	switch r.ClosingAt {
	case smtp.StageMAIL:
		c.Mail = r.Closing
	case smtp.StageDATA, smtp.StageChunk:
		c.Data = r.Closing
	case smtp.StageEnd:
		c.End = r.Closing
	case smtp.StageRCPT:
		c.Rcpt = append([]*smtp.Reply(nil), r.Rcpt...)
		for i, reply := range c.Rcpt { // one command at a time: the first without a reply
			if reply == nil {
				c.Rcpt[i] = r.Closing
				break
			}
		}
	}
	return &c
}

// replied is the error of a reply.
func (f *facts) replied(at smtp.Stage, reply *smtp.Reply) *smtp.Error {
	return &smtp.Error{At: at, Kind: smtp.KindReply, Reply: reply, Host: f.host}
}

// settle gives rep to every recipient that has no report.
func (v *verdict) settle(rep queue.Report) {
	for i := range v.reports {
		if v.reports[i].Action == "" {
			v.reports[i] = rep
		}
	}
}

// settled reports whether every recipient has its report.
func (v *verdict) settled() bool {
	for i := range v.reports {
		if v.reports[i].Action == "" {
			return false
		}
	}
	return true
}

// rescope changes whom delays are charged to.
func (v *verdict) rescope(from, to queue.Scope) {
	for i := range v.reports {
		if rep := &v.reports[i]; rep.Action == queue.Delayed && rep.Scope == from {
			rep.Scope = to
		}
	}
}

// refuse settles the undecided recipients by a refusal of the whole message, unless the next
// session may do better.
func (v *verdict) refuse(r *smtp.Result, f *facts, at smtp.Stage, reply *smtp.Reply) {
	e := f.replied(at, reply)
	scope := f.ruleFor(e).scope
	switch {
	case scope == queue.ScopeSession:
		v.again, v.cause = againAnew, e
	case at == smtp.StageMAIL && f.accepted && reply.Class() == 4 && scope == queue.ScopeMessage:
		v.again = againAnew // the session has had as many messages as it may
	case at != smtp.StageMAIL && r.Message.Chunks && distrusted(reply):
		v.again, v.cause = againData, e
	default:
		v.settle(f.report(e))
	}
}

// distrusted reports whether a refusal of a chunk may concern the command and not the message:
// 500 to 504 concern commands, 551 and 555 their arguments, and a large provider was seen to
// answer 552 to any BDAT.
func distrusted(r *smtp.Reply) bool {
	switch r.Code {
	case 500, 501, 502, 503, 504, 551, 552, 555:
		return true
	}
	return false
}

// recipients settles the recipients that the host has refused. If any recipient was accepted, a
// refusal concerns only its own recipient, whatever it says.
func (v *verdict) recipients(r *smtp.Result, f *facts) {
	for _, reply := range r.Rcpt {
		if reply.Positive() {
			v.taken++
		}
	}
	for i, reply := range r.Rcpt {
		if !reply.Negative() {
			continue
		}
		e := f.replied(smtp.StageRCPT, reply)
		rep := f.report(e)
		switch {
		case reply.Code == 421: // about the session
			v.again, v.cause = againAnew, e
			continue
		case tooMany(reply):
			v.full = true
			if rep.Action, rep.Scope = queue.Delayed, queue.ScopeRecipient; v.taken > 0 {
				v.again = againNext
				continue
			}
		case rep.Scope == queue.ScopeSession && v.taken == 0:
			v.again, v.cause = againAnew, e
			continue
		case rep.Scope != queue.ScopeRecipient && v.taken > 0 && !f.says(reply, smtp.StageRCPT, "sending limit"):
			rep.Scope = queue.ScopeRecipient
		}
		v.reports[i] = rep
	}
}

// end settles the recipients that depend on the end of the message.
func (v *verdict) end(r *smtp.Result, f *facts) {
	switch {
	case v.taken == 0 && r.End.Positive():
		v.doubt(r, f) // for somebody it has been taken
	case v.taken == 0:
		v.undecided(r, f)
	case r.Data.Negative():
		v.refuse(r, f, smtp.StageDATA, r.Data)
	case r.Ends != nil:
		v.each(r, f)
	case r.End.Positive():
		for i, reply := range r.Rcpt {
			if reply.Positive() {
				v.reports[i] = queue.Report{Action: queue.Relayed, Status: r.End.Enhanced(), Code: r.End.Code,
					Text: r.End.Words(smtp.StageEnd), Host: f.host}
			}
		}
		v.undecided(r, f)
	case r.End.Negative():
		v.refuse(r, f, smtp.StageEnd, r.End)
	default:
		v.undecided(r, f)
	}
}

// each settles the recipients by LMTP, where the end has a reply for each of them: a refusal concerns its
// own recipient, and who has no reply possibly has the message.
func (v *verdict) each(r *smtp.Result, f *facts) {
	for i, end := range r.Ends {
		switch {
		case end.Positive() && r.Sent == smtp.SentAll && r.Rcpt[i].Positive():
			v.reports[i] = queue.Report{Action: queue.Relayed, Status: end.Enhanced(), Code: end.Code, Text: end.Words(smtp.StageEnd), Host: f.host}
		case end.Negative() && v.reports[i].Action == "":
			rep := f.report(f.replied(smtp.StageEnd, end))
			if rep.Scope != queue.ScopeIdentity {
				rep.Scope = queue.ScopeRecipient
			}
			v.reports[i] = rep
		}
	}
	v.undecided(r, f)
}

// doubt says of the undecided recipients that the message was possibly delivered to them, but for those
// that were refused.
func (v *verdict) doubt(r *smtp.Result, f *facts) {
	rep := f.unsure(r)
	for i := range v.reports {
		if v.reports[i].Action == "" && (r.Untrusted || !r.Rcpt[i].Negative()) {
			v.reports[i] = rep
		}
	}
}

// undecided says what becomes of the recipients that are still undecided because the session has
// ended.
func (v *verdict) undecided(r *smtp.Result, f *facts) {
	if r.Sent == smtp.SentAll && !r.Unread && (r.Untrusted || r.End == nil && r.ClosingAt != smtp.StageEnd) {
		v.doubt(r, f)
	}
	lives := r.Err == nil && r.Closing == nil
	if v.settled() || v.again != againNo && (lives || v.again != againNext) {
		return
	}
	v.cause = r.Err
	switch {
	case r.Err != nil && r.Err.Kind == smtp.KindStopped:
		v.again = againAnew
	case r.Closing != nil && r.Closing.Code != 421:
		v.again, v.cause = againAlone, f.replied(r.ClosingAt, r.Closing)
	case r.Closing != nil:
		v.again, v.cause = againAnew, f.replied(r.ClosingAt, r.Closing)
	case r.Err == nil:
		v.again = againNext // drawn, and not begun
	default:
		v.again = againAnew
	}
}

// unsure is the report for a message that was sent to its end without an answer.
func (f *facts) unsure(r *smtp.Result) queue.Report {
	rep := queue.Report{Action: queue.Delayed, Scope: queue.ScopeSession, Status: "4.4.2", Host: f.host, Unsure: true}
	switch e := r.Err; {
	case e == nil:
		rep.Text = f.host + " did not answer to the end of the message"
	case e.Kind == smtp.KindReply:
		rep.Text = f.host + " answered " + e.Reply.String() + " to another message and nothing to this one"
	case e.Kind == smtp.KindStopped:
		rep.Status, rep.Text, rep.Host = "4.3.2", e.Text, e.Host
	case e.At == smtp.StageEnd:
		rep.Text = e.Text
	default:
		rep.Text = e.Text + "; all of this message had been sent"
	}
	return rep
}

// before returns the first refusal of a transaction, to be added to a reason that is another
// refusal.
func (f *facts) before(r *smtp.Result, cause *smtp.Error) string {
	for _, reply := range append([]*smtp.Reply{r.Mail}, r.Rcpt...) {
		if reply.Negative() && reply != cause.Reply {
			return "; the first refusal was " + reply.String()
		}
	}
	return ""
}
