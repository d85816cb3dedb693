package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"esmtpq/queue/spool"
)

// The owner is told when a run is over and its lock has been let go, so that a command that tells
// keeps no mail waiting.

// tellLimit bounds how long it may take to tell everything.
const tellLimit = time.Minute

// Tell gives the notices of a run. It is to be called after the summary has been shown, and returns
// what there is to add: trouble, what was dropped, and what became of notices that are mail. It takes
// a minute at most, besides their delivery.
func (s *Summary) Tell(ctx context.Context) *Summary {
	more := &Summary{}
	if s.run == nil || len(s.run.piles) == 0 {
		return more
	}
	r := s.run
	limited, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	told, err := r.awaitTold(limited, s.news())
	if err != nil {
		more.Trouble = append(more.Trouble, err.Error())
	}
	if told == nil {
		return more
	}
	spooled := false
	for _, p := range r.piles {
		if limited.Err() != nil {
			more.Trouble = append(more.Trouble, "there was no time to tell you of everything: the next run does")
			break
		}
		done := r.tell(limited, p, told, more)
		spooled = spooled || done && p.way.Spooled
	}
	if err := told.Close(r.stillSo); err != nil {
		more.Trouble = append(more.Trouble, err.Error())
	}
	if spooled {
		r.deliverNotices(ctx, more)
	}
	return more
}

// news reports whether there is more to tell than refusals that earlier runs have met: whoever met
// those is telling, and what he leaves the next run tells.
func (s *Summary) news() bool {
	return len(s.Failed) > 0 || slices.ContainsFunc(s.run.piles, func(p *pile) bool { return p.kind != Lost })
}

// awaitTold takes the lock of those who tell. Unless it is to wait, it returns nil and no error where
// another process has the lock.
func (r *run) awaitTold(ctx context.Context, wait bool) (*spool.Told, error) {
	for {
		told, err := r.q.TryTold()
		if told != nil || err != nil || !wait {
			return told, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.New("another queue run is telling you of mail: the next one tells the rest")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// What Told knows of, by name. Of an identity it knows each trouble that a person has to mend in
// another way; a host has no say in how many there are.
func identityKey(name string) string { return "identity " + name + "\n" }
func entryKey(id string) string      { return "entry " + id }

func troubleKey(name string, b *backoff) string {
	return fmt.Sprintf("%srefused %t: %s", identityKey(name), b.Report.Code != 0, b.Cure)
}

// stillSo reports whether something that its owner was told of still is so.
func (r *run) stillSo(what string) bool {
	for name := range r.backoffs {
		if strings.HasPrefix(what, identityKey(name)) {
			return true
		}
	}
	for id := range r.unsendable {
		if what == entryKey(id) {
			return true
		}
	}
	return false
}

// tell gives the notice of a pile, unless another run has given it meanwhile, and records that.
func (r *run) tell(ctx context.Context, p *pile, told *spool.Told, sum *Summary) bool {
	if p.kind == Blocked && told.Has(p.trouble, p.since) {
		return false
	}
	n, members := r.notice(p, told)
	if len(members) == 0 {
		return false
	}
	if err := r.opt.Notifier.Notify(ctx, n); err != nil {
		sum.Trouble = append(sum.Trouble, fmt.Sprintf("tell of %s: %v", n.Parts[0].Message.ID, err))
		return false
	}
	if p.kind == Blocked {
		told.Add(p.trouble, p.since)
		return true
	}
	for _, m := range members {
		if m.why != "" {
			told.Add(entryKey(m.id), time.Time{})
		} else if err := r.record(p.kind, m, sum); err != nil {
			sum.Trouble = append(sum.Trouble, fmt.Sprintf("record that %s was told of: %v", m.id, err))
		}
	}
	return true
}

// notice makes the notice of a pile from what the entries say now, and returns the members of which
// there is still something to tell.
func (r *run) notice(p *pile, told *spool.Told) (*Notice, []member) {
	n := &Notice{Kind: p.kind, Cure: p.cure}
	var members []member
	named := maxNamed
	if p.kind == Overdue && p.members[0].destination != "" && r.backoffs[p.members[0].destination] != nil {
		named = 1 // all for the same reason
	}
	for _, mem := range p.members {
		part, ok := r.part(p.kind, mem, told)
		if !ok {
			continue
		}
		members = append(members, mem)
		switch {
		case len(n.Parts) == named:
			n.Others++
		case mem.why == "":
			part.Content = r.content(part.Message)
			fallthrough
		default:
			n.Parts = append(n.Parts, part)
		}
	}
	if len(n.Parts) > 0 {
		n.Until = r.until(n)
	}
	return n, members
}

// content returns the content of a message for a notice; nil if it cannot be read.
func (r *run) content(m *spool.Message) Content {
	if c, err := r.q.Content(m); err == nil {
		return c
	}
	return nil
}

// until returns when mail is given up, or dropped.
func (r *run) until(n *Notice) time.Time {
	l, now := &r.opt.Limits, r.now()
	switch n.Kind {
	case Lost:
		return after(now, l.keepFailed())
	case Overdue:
		if t := after(firstTried(n.Parts[0].Message, now), l.expire()); len(n.Parts) == 1 && t.After(now) {
			return t
		}
	}
	return time.Time{}
}

// part returns what is to be told of a member now.
func (r *run) part(kind NoticeKind, mem member, told *spool.Told) (Part, bool) {
	part := Part{Destination: mem.destination, Why: mem.why}
	if mem.why != "" {
		part.Message = stub(mem.id)
		return part, !told.Has(entryKey(mem.id), time.Time{})
	}
	m, err := r.q.Read(mem.id)
	if err != nil {
		return part, false
	}
	which := untold
	switch kind {
	case Overdue, Stuck, Blocked:
		if which = delayed; m.Held || m.DelayTold && kind != Blocked {
			return part, false
		}
	case Dropped:
		if which = kept; !r.opt.Limits.forgotten(m, r.now()) {
			return part, false
		}
	}
	part.Message = m
	for _, c := range concerns(r.router, m, which) {
		if c.destination == mem.destination {
			part.Recipients = c.recipients
		}
	}
	return part, len(part.Recipients) > 0
}

// record records in an entry that its owner was told of it.
func (r *run) record(kind NoticeKind, mem member, sum *Summary) error {
	e, err := r.q.AwaitEntry(context.Background(), mem.id, entryPatience)
	if err != nil {
		return err
	}
	defer e.Close()
	switch kind {
	case Dropped:
		r.drop(e, sum)
		return nil
	case Lost:
		var indexes []int
		for _, c := range concerns(r.router, e.Message(), untold) {
			if c.destination == mem.destination {
				indexes = append(indexes, c.recipients...)
			}
		}
		return e.Told(indexes, r.now())
	}
	return e.DelayTold()
}

// noticePatience is how long the delivery of notices waits for another run.
const noticePatience = 10 * time.Second

// deliverNotices delivers notices that are mail.
func (r *run) deliverNotices(ctx context.Context, sum *Summary) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	patience := time.AfterFunc(noticePatience, cancel)
	defer patience.Stop()
	opt := RunOptions{
		Select: func(m *spool.Message) bool { return m.Envelope.Notice && m.Last.IsZero() },
		Begun:  func() { patience.Stop() },
		Setup:  r.opt.Setup, ConfigChanged: r.opt.ConfigChanged, HoldUnsure: r.opt.HoldUnsure, Limits: r.opt.Limits,
		Observer: r.opt.Observer, Keeper: r.opt.Keeper,
	}
	s, err := Run(ctx, r.q, r.router, opt)
	if err != nil {
		return // the run that goes on, or the next one, delivers them
	}
	sum.Done += s.Done
	sum.Failed = append(sum.Failed, s.Failed...)
	sum.Waiting = append(sum.Waiting, s.Waiting...)
	sum.Trouble = append(sum.Trouble, s.Trouble...)
}
