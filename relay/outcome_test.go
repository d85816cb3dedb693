package relay

import (
	"fmt"
	"testing"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

// said is what may be said to a command: nil for nothing that was read.
var said = []*smtp.Reply{nil, {Code: 250}, {Code: 354}, {Code: 450}, {Code: 550}, {Code: 421}, {Code: 503}, {Code: 530}}

// ends are the errors that a session may have ended with; nil where all was answered.
var ends = []*smtp.Error{
	nil,
	{At: smtp.StageEnd, Kind: smtp.KindLost, Text: "lost"},
	{At: smtp.StageRCPT, Kind: smtp.KindTimeout, Text: "silent"},
	{At: smtp.StageRSET, Kind: smtp.KindGarbage, Text: "nonsense"},
	{At: smtp.StageMAIL, Kind: smtp.KindReply, Reply: &smtp.Reply{Code: 421}},
	{At: smtp.StageMAIL, Kind: smtp.KindStopped, Text: "stopped"},
	{At: smtp.StageLocal, Kind: smtp.KindContent, Text: "unreadable"},
}

// closings are the replies that the host's own end of the connection may have followed.
var closings = []struct {
	at    smtp.Stage
	reply *smtp.Reply
}{
	{}, {smtp.StageMAIL, said[4]}, {smtp.StageRCPT, said[4]}, {smtp.StageRCPT, said[5]}, {smtp.StageEnd, said[3]}, {smtp.StageEnd, said[4]},
}

// results calls do with every Result that a transaction for three recipients can have. Recipients come in each
// combination, in one order.
func results(do func(r *smtp.Result)) {
	n := 0
	for a := range said {
		for b := a; b < len(said); b++ {
			for c := b; c < len(said); c++ {
				rcpts := []*smtp.Reply{said[a], said[b], said[c]}
				n++
				for i := range n % 3 {
					rcpts[i], rcpts[2-i] = rcpts[2-i], rcpts[i]
				}
				for _, mail := range said {
					bodies(&smtp.Result{Mail: mail, Rcpt: rcpts}, do)
				}
			}
		}
	}
}

// bodies completes a result in every way that an envelope can go on.
func bodies(r *smtp.Result, do func(r *smtp.Result)) {
	for _, chunks := range []bool{false, true} {
		for _, data := range said {
			for _, sent := range []smtp.Sent{smtp.SentNothing, smtp.SentPart, smtp.SentAll} {
				for _, end := range said {
					switch {
					case data.Positive(), !chunks && data != nil && (data.Code == 354 || sent != smtp.SentNothing):
						continue
					case end != nil && (sent == smtp.SentNothing || end.Code == 354):
						continue
					}
					r.Message = &smtp.Message{Chunks: chunks}
					r.Data, r.Sent, r.End = data, sent, end
					sessions(r, do)
				}
			}
		}
	}
}

// sessions completes it in every way that a session can end.
func sessions(r *smtp.Result, do func(r *smtp.Result)) {
	for _, err := range ends {
		local := err != nil && err.At == smtp.StageLocal
		for k, closing := range closings {
			closed := k > 0
			for flags := range 4 {
				unread, untrusted := flags&1 != 0, flags&2 != 0
				switch {
				case closed && (err == nil || err.Kind != smtp.KindLost || r.End != nil),
					closed && closing.at == smtp.StageMAIL && r.Mail != nil,
					closed && closing.at == smtp.StageRCPT && r.Rcpt[2] != nil,
					unread && (err == nil || err.Kind != smtp.KindLost || r.End != nil),
					local && r.Sent != smtp.SentAll && untrusted,
					err == nil && r.Sent == smtp.SentAll && r.End == nil && !untrusted:
					continue
				}
				r.Err, r.Closing, r.ClosingAt = err, closing.reply, closing.at
				r.Unread, r.Untrusted = unread, untrusted
				do(r)
			}
		}
	}
	r.Err, r.Closing, r.ClosingAt, r.Unread, r.Untrusted = nil, nil, "", false, false
}

// TestOutcome holds outcome against the laws, for every result.
func TestOutcome(t *testing.T) {
	n, wrong := 0, map[string]int{}
	results(func(r *smtp.Result) {
		for _, alone := range []bool{false, true} {
			if alone && r.Message.Chunks {
				continue
			}
			n++
			v := outcome(r, &facts{host: "mx", alone: alone})
			for i := range r.Rcpt {
				law := broken(r, &v, i, alone)
				if law == "" {
					continue
				}
				if wrong[law]++; wrong[law] <= 3 {
					t.Errorf("%s: recipient %d of %s: %+v, again %d", law, i, shown(r, alone), v.reports[i], v.again)
				}
			}
		}
	})
	t.Logf("%d results", n)
	for law, n := range wrong {
		t.Errorf("%s: %d", law, n)
	}
}

// broken returns the law that a verdict breaks for a recipient, "" for none.
func broken(r *smtp.Result, v *verdict, i int, alone bool) string {
	rep, reply := v.reports[i], r.Rcpt[i]
	closing := alone && r.Closing != nil // then it counts
	all := r.Sent == smtp.SentAll
	local := r.Err != nil && r.Err.At == smtp.StageLocal && !all
	accepted, others := reply.Positive(), 0
	for k, other := range r.Rcpt {
		if k != i && other.Positive() {
			others++
		}
	}
	refused := r.Mail != nil && !r.Mail.Positive() || r.Data != nil && !r.Data.Positive() // or asked for something
	taken := r.End.Positive() && all && (accepted || others > 0)
	delivered := accepted && r.End.Positive() && all && !refused && !r.Untrusted && !local
	unanswered := all && r.End == nil && !r.Unread && r.ClosingAt != smtp.StageEnd
	switch {
	case rep.Action == "" && v.again == againNo:
		return "nobody is forgotten"
	case (rep.Action == queue.Relayed) != delivered:
		return "relayed is what was accepted and has 2xx at the end, and nothing else"
	case rep.Unsure && (rep.Action != queue.Delayed || !all || r.Unread):
		return "in doubt is only what was sent to its end"
	case accepted && taken && refused && !r.Untrusted && !rep.Unsure:
		return "refused and taken is not sent again at once"
	case r.Untrusted && !local && all && !r.Unread && !rep.Unsure:
		return "nothing is believed out of step"
	case r.Untrusted && rep.Action == queue.Failed:
		return "nothing fails out of step"
	case !r.Untrusted && unanswered && !refused && !reply.Negative() && !closing && !rep.Unsure:
		return "sent to its end, and no answer: possibly delivered"
	case rep.Unsure && !r.Untrusted && (reply.Negative() || r.End.Negative()):
		return "who was refused is in no doubt"
	case rep.Action == queue.Failed && !r.Untrusted && !fails(r, i, closing):
		return "only 5xx to a recipient or its message fails it"
	}
	if r.Untrusted || r.End.Positive() && !all || r.Mail.Negative() || closing && r.ClosingAt == smtp.StageMAIL {
		return ""
	}
	switch {
	case reply == said[4] && rep.Action != queue.Failed:
		return "a permanent refusal that was read counts"
	case reply == said[3] && (rep.Action != queue.Delayed || rep.Code != 450):
		return "a temporary refusal that was read counts"
	case reply.Negative() && others > 0 && rep.Action != "" && rep.Code == reply.Code && rep.Scope != queue.ScopeRecipient:
		return "a refusal concerns that recipient where another was accepted"
	case accepted && r.End.Negative() && !refused && rep.Action == "" && v.again == againNext:
		return "a refused message is not simply sent again"
	}
	return ""
}

// fails reports whether there is a reply that fails a recipient.
func fails(r *smtp.Result, i int, closing bool) bool {
	for _, reply := range []*smtp.Reply{r.Mail, r.Rcpt[i], r.Data, r.End} {
		if reply == said[4] {
			return true
		}
	}
	return closing && r.Closing == said[4]
}

// shown is a result on one line.
func shown(r *smtp.Result, alone bool) string {
	code := func(r *smtp.Reply) int {
		if r == nil {
			return 0
		}
		return r.Code
	}
	return fmt.Sprintf("MAIL %d, RCPT %d %d %d, DATA %d, end %d, sent %d, %v, closing %d at %q, unread %v, untrusted %v, chunks %v, alone %v",
		code(r.Mail), code(r.Rcpt[0]), code(r.Rcpt[1]), code(r.Rcpt[2]), code(r.Data), code(r.End), r.Sent, r.Err,
		code(r.Closing), r.ClosingAt, r.Unread, r.Untrusted, r.Message.Chunks, alone)
}
