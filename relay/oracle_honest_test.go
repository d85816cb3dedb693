package relay_test

import "esmtpq/queue"

// judgeHonest: a run with a host that keeps to the rules leaves nothing that it did not refuse.
func (w *world) judgeHonest() {
	if w.spool.suspended {
		for _, m := range w.msgs {
			for _, r := range m.rcpts {
				if r.report != nil && r.report.Scope == queue.ScopeIdentity && (r.report.Code == 530 || r.report.Code == 503) {
					return // it says so to each of those that are left, and nothing else
				}
			}
		}
	}
	var order []int
	first := map[*message]bool{}
	for _, s := range w.ofRun {
		for _, t := range s.all {
			if t.took && !first[t.msg] {
				first[t.msg] = true
				order = append(order, t.msg.at)
			}
		}
	}
	for i := 1; i < len(order) && w.count <= 1; i++ {
		if order[i] < order[i-1] {
			w.violate("C", "%d was taken behind %d", order[i], order[i-1])
			break
		}
	}
	for _, m := range w.spool.drawn {
		for _, i := range m.index {
			r := m.rcpts[i]
			if r.reported == 0 {
				continue
			}
			want := w.due(r)
			ok := r.report.Action == want
			if w.plan.holds && want != queue.Relayed {
				ok = r.report.Action == queue.Delayed
			}
			if m.refusal != 0 && m.refusedAt == dot && r.refusal != 0 && r.report.Action == outcomeOf(m.refusal, dot) {
				ok = true // it may be told of the message
			}
			if m.damaged || w.plan.size > 0 && len(m.wire) > w.plan.size {
				ok = r.report.Action != queue.Relayed
			}
			if !ok || r.report.Unsure {
				w.violate("C", "an honest host, and %s is %s, not %s", r.addr, show(*r.report), want)
			}
		}
	}
}

// due is what becomes of a recipient with a host that keeps to the rules.
func (w *world) due(r *recipient) queue.Action {
	m := r.msg
	switch {
	case m.refusal != 0 && (m.refusedAt == mail || r.refusal == 0):
		return outcomeOf(m.refusal, m.refusedAt)
	case r.refusal != 0:
		return outcomeOf(r.refusal, rcpt)
	}
	return queue.Relayed
}

// judgeSingle: one thing that goes wrong costs nobody a run but those it was said to, those
// whose end was not answered, and, where it was silence, the message that it met.
func (w *world) judgeSingle(k kind, at int) {
	switch {
	case at <= 2, w.spool.suspended, k == mute, k == deaf, k == swallow, k == garbage, k == slow:
		return
	}
	for _, m := range w.spool.drawn {
		for _, i := range m.index {
			r := m.rcpts[i]
			if r.reported > 0 && r.report.Action == queue.Delayed && !r.report.Unsure && r.report.Code == 0 && w.due(r) != queue.Delayed {
				w.violate("C", "after a single %v, %s is %s", k, r.addr, show(*r.report))
			}
		}
	}
}

func outcomeOf(code int, at verb) queue.Action {
	r := said{reply: reply{code: code}}
	if r.permanent(at) {
		return queue.Failed
	}
	return queue.Delayed
}
