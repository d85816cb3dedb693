package relay

import (
	"slices"
	"strconv"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

// What a worker learns from the results of a session: of the host, and of the identity.

// note notes what a result shows about the session and the host.
func (w *worker) note(t *task, r *smtp.Result, v *verdict) {
	if (r.Mail != nil || r.End != nil) && decides(v.reports) {
		w.decided = true
	}
	w.waited = w.waited && r.Mail == nil
	w.explained = w.explained || r.Closing != nil
	if v.full && v.taken > 0 && v.taken < w.maxRecipients() {
		w.remember(func(k *known) { k.Recipients = v.taken })
	}
	taken := r.End.Positive() && v.taken > 0 && !r.Untrusted
	if taken {
		w.accepted = true
	}
	if r.Message.Chunks {
		w.noteChunks(r, v, taken)
	}
	w.noteRefusal(r, v)
	if unsure(v.reports) && w.hopeless(t) && w.ctx.Err() == nil {
		v.rescope(queue.ScopeSession, queue.ScopeIdentity) // otherwise it would be the same with all others
	}
}

// maxRecipients returns how many recipients a transaction with this host may have.
func (w *worker) maxRecipients() int {
	n := maxRecipients
	for _, limit := range [...]int{w.conn.Extensions().Limit("RCPTMAX"), w.known.Recipients} {
		if limit > 0 {
			n = min(n, limit)
		}
	}
	return n
}

// decides reports whether the host has decided about a recipient.
func decides(reports []queue.Report) bool {
	return slices.ContainsFunc(reports, func(rep queue.Report) bool { return rep.Action != "" && !rep.Unsure })
}

// unsure reports whether a report is of a message that was possibly delivered.
func unsure(reports []queue.Report) bool {
	return slices.ContainsFunc(reports, func(rep queue.Report) bool { return rep.Unsure })
}

// noteRefusal counts messages in a row with the same temporary refusal. From the third on it is
// taken for a refusal of all mail: the identity waits, and the other messages are not charged.
func (w *worker) noteRefusal(r *smtp.Result, v *verdict) {
	reply := r.End
	for _, other := range [...]*smtp.Reply{r.Data, r.Mail} {
		if other.Negative() {
			reply = other
		}
	}
	if !reply.Negative() || reply.Class() != 4 {
		if reply.Positive() {
			w.refused = 0
		}
		return
	}
	words := strconv.Itoa(reply.Code) + reply.Status + withoutBrackets(reply.Text())
	if words != w.refusal {
		w.refusal, w.refused = words, 0
	}
	if w.refused++; w.refused >= sameWords {
		v.rescope(queue.ScopeMessage, queue.ScopeIdentity)
	}
}

// withoutBrackets returns s without the text in brackets, which differs from one message to the
// next.
func withoutBrackets(s string) string {
	var out []byte
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(', '[', '<':
			depth++
		case ')', ']', '>':
			depth = max(depth-1, 0)
		default:
			if depth == 0 {
				out = append(out, s[i])
			}
		}
	}
	return string(out)
}
