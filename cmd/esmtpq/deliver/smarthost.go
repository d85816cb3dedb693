package deliver

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/net/idna"

	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/helper"
	"esmtpq/identity"
	"esmtpq/identity/oauth"
	"esmtpq/identity/secret"
	"esmtpq/queue"
	"esmtpq/queue/spool"
	"esmtpq/relay"
	"esmtpq/tunnel"
)

// stateName is the name of the directory in the queue directory in which sessions leave state for
// later ones.
const stateName = ".sessions"

// Limits of what happens around a session.
const (
	shellLimit   = time.Minute      // for a preconnect or postconnect line to exit
	dialLimit    = 30 * time.Second // for a connection
	dialPatience = 10 * time.Second // for a forwarded port to accept
)

// smartHost returns the transport to an identity's smart host.
func (r *router) smartHost(cfg *identity.Config, id *identity.Identity) (queue.Transport, error) {
	dial, err := r.dialer(cfg, id)
	if err != nil {
		return nil, err
	}
	opt := relay.Options{
		Dial: dial, Private: id.Tunnel != "", Timeout: r.step,
		StateDir: filepath.Join(whoami.Queue(r.home), stateName),
	}
	if r.transcript != nil {
		opt.Trace = func(dir byte, line string) {
			fmt.Fprintf(r.transcript, "%s %c %s\n", id.Name, dir, spool.Printable(line))
		}
	}
	if id.Postconnect != "" {
		opt.Dial = r.followed(id, dial)
	}
	id.Run = helper.Output
	id.Lookup = r.lookup(id)
	if id.OAuth != nil {
		id.Tokens = (&oauth.Source{Home: r.home, Identity: id}).Token
	}
	return relay.New(id, opt), nil
}

// lookup returns the function that finds an identity's password outside of the configuration.
func (r *router) lookup(id *identity.Identity) func(context.Context) (string, error) {
	k := &secret.Key{Host: id.Host, Port: id.Port, User: id.Username, Identity: id.Name, Home: r.home}
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
func (r *router) followed(id *identity.Identity, dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) {
			name, err := idna.Lookup.ToASCII(id.Host)
			if err != nil {
				name = id.Host // an address, or a name that the resolver will refuse
			}
			return (&net.Dialer{Timeout: r.limit(dialLimit)}).DialContext(ctx, "tcp", net.JoinHostPort(name, id.Port))
		}
	}
	f := &tunnel.Follower{Line: id.Postconnect, Limit: r.limit(shellLimit), Failed: func(err error) {
		fmt.Fprintln(os.Stderr, spool.Printable(err.Error()))
	}}
	return func(ctx context.Context) (net.Conn, error) { return f.Dial(ctx, dial) }
}

// dialer returns the function that makes the connection: through the tunnel, or after the
// preconnect line. Nil leaves it to the transport.
func (r *router) dialer(cfg *identity.Config, id *identity.Identity) (func(context.Context) (net.Conn, error), error) {
	cmd, err := submit.Tunnel(cfg, id)
	if err != nil {
		return nil, err
	}
	if cmd != nil {
		memory := tunnel.Memory(filepath.Join(whoami.Queue(r.home), stateName, "tunnel-"+url.PathEscape(id.Name)))
		return func(ctx context.Context) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, r.limit(dialLimit))
			defer cancel()
			return tunnel.Dial(ctx, cmd, id.Host, id.Port, memory)
		}, nil
	}
	if id.Preconnect == "" {
		return nil, nil
	}
	f := &tunnel.Forward{
		Line: id.Preconnect, Addr: net.JoinHostPort(id.Host, id.Port), Mark: "preconnect " + r.home + " " + id.Name,
		Limit: r.limit(shellLimit), Dialing: r.limit(dialLimit), Patience: r.limit(dialPatience),
	}
	return f.Dial, nil
}

// limit returns the usual limit of a step, or the one that was asked for.
func (r *router) limit(usual time.Duration) time.Duration {
	if r.step > 0 {
		return r.step
	}
	return usual
}
