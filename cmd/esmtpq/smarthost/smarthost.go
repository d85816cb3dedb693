// Package smarthost makes the transport to an identity's smart host, for all doors that connect to one:
// identity, tunnel and relay meet here.
package smarthost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/queue/spool"
	"esmtpq/relay"
	"esmtpq/relay/smtp"
	"esmtpq/tunnel"
)

// Limits of what happens around a session.
const (
	shellLimit   = time.Minute      // for a preconnect or postconnect line to exit
	dialLimit    = 30 * time.Second // for a connection
	dialPatience = 10 * time.Second // for a forwarded port to accept
)

// Hosts makes transports.
type Hosts struct {
	Home string
	// Queue is where sessions leave state for later ones; nil for that of Home.
	Queue *spool.Queue
	Step  time.Duration // limit of each step of a session; 0 for the usual ones
	// Asked says that a person waits for the result, and may be asked for a password.
	Asked bool
	// Trace, if set, gets the dialogue, see relay.Options.
	Trace func(id *identity.Identity, dir byte, line string)
}

// Transport returns the transport to an identity's smart host, or to several in order.
func (h *Hosts) Transport(cfg *identity.Config, id *identity.Identity) (*relay.Transport, error) {
	h.Secrets(id)
	first, err := h.transport(cfg, id, id)
	if err != nil {
		return nil, err
	}
	var steps []relay.Step
	for i, one := range id.Each() {
		t := first
		if i > 0 {
			if t, err = h.transport(cfg, id, one); err != nil {
				return nil, err
			}
		}
		step, err := h.step(cfg, id, one, t)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return relay.InOrder(first, steps...), nil
}

// step returns one of the hosts of an identity, t being the transport to it.
func (h *Hosts) step(cfg *identity.Config, whole, one *identity.Identity, t *relay.Transport) (relay.Step, error) {
	switch {
	case one.SRV:
		lookup := func(ctx context.Context) ([]relay.Step, error) { return h.lookUp(ctx, cfg, whole, one) }
		return relay.Step{Lookup: lookup, Name: one.Addr()}, nil
	case !one.AnyPort:
		return relay.Step{Ports: []*relay.Transport{t}}, nil
	}
	implicit := *one
	implicit.Port, implicit.TLS = "465", identity.TLSImplicit // RFC 8314, 3.3: it goes first
	other, err := h.transport(cfg, whole, &implicit)
	return relay.Step{Ports: []*relay.Transport{other, t}}, err
}

// transport returns the transport to one of the hosts of an identity.
func (h *Hosts) transport(cfg *identity.Config, whole, id *identity.Identity) (*relay.Transport, error) {
	dial, err := h.dialer(cfg, whole, id)
	if err != nil {
		return nil, err
	}
	opt := relay.Options{
		Dial: dial, Timeout: h.Step,
		// The address of other connections says whether they are private.
		Private:  id.Private() && (id.Tunnel != "" || id.Proxy != nil || id.IsSocket()),
		StateDir: h.state,
	}
	if h.Trace != nil {
		opt.Trace = func(dir byte, line string) { h.Trace(id, dir, line) }
	}
	if id.Postconnect != "" {
		opt.Dial = h.followed(id, dial)
	}
	return relay.New(id, opt), nil
}

// state opens the directory of state. It is in the directory that was opened as the queue, whatever its
// path leads to by now.
func (h *Hosts) state(create bool) (*os.File, error) {
	if h.Queue != nil {
		return h.Queue.Sessions(create)
	}
	q, err := spool.Open(whoami.Queue(h.Home))
	if err != nil {
		return nil, err
	}
	defer q.Close()
	return q.Sessions(create)
}

// followed returns a function that makes a connection by dial, nil being a direct one, and runs
// the postconnect line after it. The result of the line changes nothing: the mail has been
// accepted, and sending it again would be worse.
func (h *Hosts) followed(id *identity.Identity, dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	if dial == nil {
		dial = h.direct(id)
	}
	f := &tunnel.Follower{Line: id.Postconnect, Limit: h.Limit(shellLimit), Failed: func(err error) {
		fmt.Fprintln(os.Stderr, spool.Printable(err.Error()))
	}}
	return func(ctx context.Context) (net.Conn, error) { return f.Dial(ctx, dial) }
}

// dialer returns the function that makes the connection: through the tunnel, by the proxy,
// to a local socket, or after the preconnect line. Nil leaves it to the transport.
func (h *Hosts) dialer(cfg *identity.Config, whole, id *identity.Identity) (func(context.Context) (net.Conn, error), error) {
	cmd, err := submit.Tunnel(cfg, whole)
	if err != nil {
		return nil, err
	}
	if cmd != nil {
		memory := tunnel.Memory{Dir: h.state, Name: "tunnel-" + url.PathEscape(id.Name)}
		return func(ctx context.Context) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, h.Limit(dialLimit))
			defer cancel()
			return tunnel.Dial(ctx, cmd, id.Host, id.Port, memory)
		}, nil
	}
	if id.Preconnect == "" {
		if id.Proxy == nil && !id.IsSocket() {
			return nil, nil
		}
		return h.direct(id), nil
	}
	to, ready := h.endpoint(id)
	f := &tunnel.Forward{
		Line: id.Preconnect, To: to, Mark: "preconnect " + h.Home + " " + id.Name,
		Limit: h.Limit(shellLimit), Dialing: h.Limit(dialLimit), Patience: h.Limit(dialPatience),
	}
	return func(ctx context.Context) (net.Conn, error) {
		if err := ready(ctx); err != nil {
			return nil, err
		}
		return f.Dial(ctx)
	}, nil
}

// direct returns the function that dials an identity's host from here, or its proxy.
func (h *Hosts) direct(id *identity.Identity) func(context.Context) (net.Conn, error) {
	to, ready := h.endpoint(id)
	return func(ctx context.Context) (net.Conn, error) {
		if err := ready(ctx); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, h.Limit(dialLimit))
		defer cancel()
		return to.Dial(ctx)
	}
}

// endpoint returns what is dialled for an identity, and what gets it ready: once in a run, the
// password for a proxy is asked for.
func (h *Hosts) endpoint(id *identity.Identity) (to tunnel.Endpoint, ready func(context.Context) error) {
	e := tunnel.Endpoint{Host: id.Host, Port: id.Port, Source: id.SourceAddress, Family: id.IPVersion}
	p := id.Proxy
	if p == nil {
		return e, func(context.Context) error { return nil }
	}
	e.Proxy = &tunnel.Proxy{Kind: p.Scheme, Host: p.Host, Port: p.Port, User: p.User}
	var mu sync.Mutex
	known := false
	return e, func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if known {
			return nil
		}
		password, err := id.ProxySecret(ctx)
		if err == nil {
			e.Proxy.Password, known = password, true
		}
		return err
	}
}

// Limit returns the usual limit of a step, or the one that was asked for.
func (h *Hosts) Limit(usual time.Duration) time.Duration {
	if h.Step > 0 {
		return h.Step
	}
	return usual
}

// ExitCode returns the exit status for the failure of a session.
func ExitCode(e *smtp.Error) int {
	switch {
	case errors.Is(e, identity.ErrSecretUnavailable):
		return exit.TempFail
	case e.At == smtp.StageAUTH && e.Kind == smtp.KindReply && e.Reply.Class() == 5 && !e.Passing:
		return exit.NoPerm
	case e.Kind == smtp.KindRefused, e.Kind == smtp.KindConfig:
		return exit.Config // by us: the set-up does not fit the host
	}
	return exit.TempFail
}
