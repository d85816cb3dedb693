package relay

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"esmtpq/relay/smtp"
)

// A Step is one of the smart hosts of an identity.
type Step struct {
	// Ports are the transports to the host, one for each port that it may be reached at, best first. The
	// port that accepts first is used.
	Ports []*Transport
	// Lookup, if set, finds the steps in place of this one, once in a run; Name is what is looked up.
	Lookup func(ctx context.Context) ([]Step, error)
	Name   string
}

// An order is the hosts of an identity that has several, best first. The one that a session came
// about with is the first to be tried from then on, for the rest of the run.
type order struct {
	login smtp.Login // all of them use it

	mu    sync.Mutex
	keep  time.Duration // as that of a host
	steps []Step
	good  *host // with which a session came about last; nil for none
}

// InOrder returns a transport that uses the first of several hosts with which a session comes about.
// They are those of one identity, whose secret is asked for once. The first is the transport that is
// returned, which need not be one of the steps.
func InOrder(first *Transport, steps ...Step) *Transport {
	if len(steps) == 1 && len(steps[0].Ports) == 1 && steps[0].Ports[0] == first {
		return first
	}
	o := &order{login: first.host.config.Login, steps: steps}
	first.host.order = o
	o.adopt(steps)
	return first
}

// adopt makes the hosts of some steps hosts of the order.
func (o *order) adopt(steps []Step) {
	for _, s := range steps {
		for _, t := range s.Ports {
			t.host.order, t.host.config.Login, t.host.keep = o, o.login, o.keep
		}
	}
}

// known returns the hosts that are known by now, but for one.
func (o *order) known(but *host) []*host {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []*host
	for _, s := range o.steps {
		for _, t := range s.Ports {
			if &t.host != but {
				all = append(all, &t.host)
			}
		}
	}
	return all
}

// last returns the host that a session came about with last; nil for none.
func (o *order) last() *host {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.good
}

// An attempt is the failure to open a session.
type attempt struct {
	host *host // nil where not even a host was found
	err  *smtp.Error
}

// open opens a session with the first host that can be used, and returns which it was.
func (o *order) open(ctx context.Context, first *host) (*host, *smtp.Conn, *smtp.Error) {
	good := o.last()
	var failed []attempt
	if good != nil {
		conn, err := good.open(ctx)
		if err == nil || !another(err) {
			return good, conn, err
		}
		failed = append(failed, attempt{good, err})
	}
	for i := 0; ; i++ {
		step, more, err := o.step(ctx, i)
		if !more {
			break
		}
		if err != nil {
			failed = append(failed, attempt{nil, err})
			continue
		}
		h, conn, tried := step.open(ctx, good)
		if conn != nil {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.good = h
			return h, conn, nil
		}
		failed = append(failed, tried...)
		if n := len(tried); n > 0 && !another(tried[n-1].err) {
			return h, nil, tried[n-1].err
		}
	}
	return first, nil, o.none(failed)
}

// none says why no host can be used.
func (o *order) none(failed []attempt) *smtp.Error {
	if len(failed) == 1 {
		return failed[0].err
	}
	var reasons []string
	hosts := 0
	for i, f := range failed {
		if i == 0 || f.host == nil || failed[i-1].host == nil || f.host.name != failed[i-1].host.name {
			hosts++
		}
		reasons = append(reasons, f.err.Error())
	}
	text := "none of " + strconv.Itoa(hosts) + " hosts can be used: "
	if hosts == 1 {
		text = "no port of " + failed[0].host.name + " can be used: "
		for i, f := range failed {
			if port := "port " + f.host.port(); !strings.Contains(reasons[i], f.host.addr) {
				reasons[i] = port + ": " + reasons[i]
			}
		}
	}
	return &smtp.Error{At: smtp.StageConnect, Kind: smtp.KindLost, Text: text + strings.Join(reasons, "; ")}
}

// step returns the i-th step; more is false where there is none. A step that looks up others is
// replaced by them.
func (o *order) step(ctx context.Context, i int) (s *Step, more bool, failed *smtp.Error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i >= len(o.steps) {
		return nil, false, nil
	}
	if s = &o.steps[i]; s.Lookup == nil {
		return s, true, nil
	}
	found, err := s.Lookup(ctx)
	if ctx.Err() != nil {
		return nil, true, &smtp.Error{At: smtp.StageResolve, Kind: smtp.KindStopped, Text: "the delivery was interrupted"}
	}
	if err != nil || len(found) == 0 {
		return nil, true, &smtp.Error{At: smtp.StageResolve, Kind: smtp.KindLost, Text: err.Error()}
	}
	o.adopt(found)
	all := append([]Step(nil), o.steps[:i]...)
	o.steps = append(append(all, found...), o.steps[i+1:]...)
	return &o.steps[i], true, nil
}

// open opens a session with the host, but for one that was tried before. Without a session, it
// returns what was tried.
func (s *Step) open(ctx context.Context, before *host) (*host, *smtp.Conn, []attempt) {
	var hosts []*host
	for _, t := range s.Ports {
		if &t.host != before {
			hosts = append(hosts, &t.host)
		}
	}
	if len(hosts) == 0 {
		return before, nil, nil
	}
	ports := &portMemory{state: hosts[0].memory.state, host: hosts[0].name}
	if len(s.Ports) > 1 {
		ports.sort(hosts)
	}
	if len(hosts) == 1 {
		conn, err := hosts[0].open(ctx)
		if err != nil {
			return hosts[0], nil, []attempt{{hosts[0], err}}
		}
		if len(s.Ports) > 1 {
			ports.learn(hosts[0].port())
		}
		return hosts[0], conn, nil
	}
	return openRaced(ctx, hosts, ports)
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
	case smtp.KindRefused: // by us
		return e.At == smtp.StageTLS
	case smtp.KindReply:
		return e.Reply.Class() == 4 || e.Passing || e.At == smtp.StageGreeting
	}
	return false
}
