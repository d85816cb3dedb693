package relay

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"esmtpq/relay/smtp"
)

// An order is the hosts of an identity that has several, best first. The one that a session came
// about with is the first to be tried from then on, for the rest of the run.
type order struct {
	hosts []*host

	mu   sync.Mutex
	best int
}

// InOrder returns a transport that uses the first of several hosts with which a session comes about.
// They are those of one identity, whose secret is asked for once.
func InOrder(all ...*Transport) *Transport {
	first := all[0]
	if len(all) == 1 {
		return first
	}
	o := &order{}
	for _, t := range all {
		o.hosts = append(o.hosts, &t.host)
		t.host.order, t.host.config.Login = o, first.host.config.Login
	}
	return first
}

// reach opens a session with h, or with another host where there are several, and returns which it
// was.
func (h *host) reach(ctx context.Context) (*host, *smtp.Conn, bool, *smtp.Error) {
	if h.order == nil {
		conn, idle, err := h.session(ctx)
		return h, conn, idle, err
	}
	return h.order.reach(ctx)
}

func (o *order) reach(ctx context.Context) (*host, *smtp.Conn, bool, *smtp.Error) {
	o.mu.Lock()
	first := o.best
	o.mu.Unlock()
	var reasons []string
	for i := range o.hosts {
		n := (first + i) % len(o.hosts)
		h := o.hosts[n]
		conn, idle, err := h.session(ctx)
		if err == nil || !another(err) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.best = n
			return h, conn, idle, err
		}
		reasons = append(reasons, err.Error())
	}
	text := "none of " + strconv.Itoa(len(o.hosts)) + " hosts can be used: " + strings.Join(reasons, "; ")
	return o.hosts[first], nil, false, &smtp.Error{At: smtp.StageConnect, Kind: smtp.KindLost, Text: text}
}

// another reports whether a failure to open a session is one of that host: another one may do
// better. A login that was refused for good would be refused there, too, and count as an attempt.
func another(e *smtp.Error) bool {
	switch e.At {
	case smtp.StageResolve, smtp.StageConnect, smtp.StageTunnel, smtp.StageGreeting, smtp.StageEHLO, smtp.StageTLS, smtp.StageAUTH:
	default:
		return false
	}
	switch e.Kind {
	case smtp.KindLost, smtp.KindTimeout, smtp.KindGarbage:
		return true
	case smtp.KindReply:
		return e.Reply.Class() == 4 || e.At == smtp.StageGreeting
	}
	return false
}
