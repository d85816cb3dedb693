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
	"time"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/helper"
	"esmtpq/identity"
	"esmtpq/identity/oauth"
	"esmtpq/identity/secret"
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
	// Trace, if set, gets the dialogue, see relay.Options.
	Trace func(id *identity.Identity, dir byte, line string)
}

// Transport returns the transport to an identity's smart host, or to several in order.
func (h *Hosts) Transport(cfg *identity.Config, id *identity.Identity) (*relay.Transport, error) {
	h.Secrets(id)
	var all []*relay.Transport
	for _, one := range id.Each() {
		t, err := h.transport(cfg, id, one)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return relay.InOrder(all...), nil
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

// Secrets gives an identity the means to obtain its secrets.
func (h *Hosts) Secrets(id *identity.Identity) {
	id.Run = helper.Output
	id.Lookup = h.lookup(id)
	if id.OAuth != nil {
		id.Tokens = (&oauth.Source{Home: h.Home, Identity: id}).Token
	}
}

// lookup returns the function that finds an identity's password outside of the configuration.
func (h *Hosts) lookup(id *identity.Identity) func(context.Context) (string, error) {
	k := &secret.Key{Host: id.Host, Port: id.Port, User: id.Username, Identity: id.Name, Home: h.Home}
	return func(ctx context.Context) (string, error) {
		switch {
		case id.PasswordKeyring:
			return secret.Keyring(ctx, k)
		case id.PasswordCredential != "":
			return secret.Credential(os.Getenv("CREDENTIALS_DIRECTORY"), id.PasswordCredential)
		}
		return secret.Netrc(ctx, k)
	}
}

// followed returns a function that makes a connection by dial, nil being a direct one, and runs
// the postconnect line after it. The result of the line changes nothing: the mail has been
// accepted, and sending it again would be worse.
func (h *Hosts) followed(id *identity.Identity, dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, h.Limit(dialLimit))
			defer cancel()
			return endpoint(id).Dial(ctx)
		}
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
		return func(ctx context.Context) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, h.Limit(dialLimit))
			defer cancel()
			return endpoint(id).Dial(ctx)
		}, nil
	}
	f := &tunnel.Forward{
		Line: id.Preconnect, To: *endpoint(id), Mark: "preconnect " + h.Home + " " + id.Name,
		Limit: h.Limit(shellLimit), Dialing: h.Limit(dialLimit), Patience: h.Limit(dialPatience),
	}
	return f.Dial, nil
}

// endpoint returns what is dialled for an identity.
func endpoint(id *identity.Identity) *tunnel.Endpoint {
	e := &tunnel.Endpoint{Host: id.Host, Port: id.Port}
	if p := id.Proxy; p != nil {
		e.Proxy = &tunnel.Proxy{Kind: p.Scheme, Host: p.Host, Port: p.Port, User: p.User, Password: id.ProxyPassword.Reveal()}
	}
	return e
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
	case e.At == smtp.StageAUTH && e.Kind == smtp.KindReply && e.Reply.Class() == 5:
		return exit.NoPerm
	case e.Kind == smtp.KindRefused:
		return exit.Config // by us: the set-up does not fit the host
	}
	return exit.TempFail
}
