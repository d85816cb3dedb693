package deliver

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/smarthost"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/identity"
	"esmtpq/localmda"
	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// A router makes the transports for the routes of mail. It is the one place where identities,
// tunnels, smart hosts and the local agent meet; it implements queue.Router.
type router struct {
	home       string
	queue      *spool.Queue     // in which sessions leave state for later ones
	transcript *door.Transcript // where the SMTP dialogue is shown; nil for nowhere
	step       time.Duration    // limit of each step of a session; 0 for the usual ones
	asked      bool             // a person waits for the result
	progress   *progress
	keeps      bool // sessions are kept open for mail to come

	mu         sync.Mutex // guards what follows
	routes     *submit.Router
	transports map[string]queue.Transport // by destination
	ways       map[string]submit.Route    // that they were made for
	moved      bool                       // the network has changed since this process began
}

func newRouter(home, config string, q *spool.Queue) *router {
	return &router{home: home, queue: q, routes: &submit.Router{Home: home, Config: config}, transports: map[string]queue.Transport{}, ways: map[string]submit.Route{}}
}

// load returns the configuration for an envelope.
func (r *router) load(env *spool.Envelope) (*identity.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.routes.Load(env)
}

// login returns the user's login name.
func (r *router) login() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.routes.Login()
}

// localMail is the destination of mail for the local agent.
const localMail = "local mail"

// destination returns the name of a route's destination. A configuration of its own (-C) has
// destinations of its own.
func destination(route *submit.Route, own bool) string {
	name := localMail
	if route.Identity != nil {
		if name = route.Identity.Name; name == localMail {
			name = "identity " + name
		}
	}
	if own {
		name = route.Config.File + ": " + name
	}
	return name
}

// Route implements queue.Router.
func (r *router) Route(env *spool.Envelope, rcpt spool.Recipient) (queue.Route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	route, err := r.routes.Route(env, rcpt)
	if err != nil {
		return queue.Route{}, submit.ConfigFailure(err)
	}
	name := destination(&route, env.Config != "" && r.routes.Config == "")
	if r.transports[name] == nil {
		t, err := r.transport(&route)
		if err != nil {
			return queue.Route{}, submit.ConfigFailure(err)
		}
		r.transports[name], r.ways[name] = t, route
	}
	var opens time.Time
	if route.Sender != nil {
		opens = route.Sender.SendWindow.Opens(time.Now())
	}
	var holdUntil time.Time
	if id := route.Identity; id != nil && id.FutureRelease && id.Command == "" && !id.LMTP && !env.NotBefore.IsZero() {
		if holdUntil = env.NotBefore; !route.Sender.SendWindow.Opens(holdUntil.Local()).IsZero() {
			holdUntil = route.Sender.SendWindow.Opens(holdUntil.Local())
		}
	}
	rule := ""
	if route.Identity != nil {
		rule = route.Rule.String()
	}
	return queue.Route{
		Renames: route.Identity != nil && route.Identity.RenamesMail, Opens: opens, HoldUntil: holdUntil, Destination: name, Address: route.Address, Rule: rule,
		ReversePath: r.routes.ReversePath(env, &route), Sender: r.routes.SenderField(&route),
	}, nil
}

// hosts returns the maker of transports to smart hosts.
func (r *router) hosts() *smarthost.Hosts {
	h := &smarthost.Hosts{Home: r.home, Queue: r.queue, Step: r.step, Asked: r.asked}
	if r.transcript != nil {
		h.Trace = func(id *identity.Identity, dir byte, line string) {
			fmt.Fprintf(r.transcript, "%s %c %s\n", id.Name, dir, spool.Printable(line))
		}
	}
	return h
}

// smartHost makes the transport to a smart host.
func (r *router) smartHost(cfg *identity.Config, id *identity.Identity) (queue.Transport, error) {
	t, err := r.hosts().Transport(cfg, id)
	if err != nil {
		return nil, err
	}
	if r.keeps {
		t.Keep(max(cmp.Or(id.KeepSession, identity.DefaultKeepSession), 0))
	}
	if r.moved {
		t.NetworkChanged()
	}
	return t, nil
}

// transport makes the transport for a route.
func (r *router) transport(route *submit.Route) (queue.Transport, error) {
	var agent *localmda.Agent
	var err error
	who := localMail
	switch id := route.Identity; {
	case id == nil:
		agent, err = route.Agent()
	case id.Command != "":
		who = id.Name
		agent, err = route.Command()
	default:
		return r.smartHost(route.Config, id)
	}
	if err != nil {
		return nil, err
	}
	if r.transcript != nil {
		agent.Trace = func(line string) { fmt.Fprintf(r.transcript, "%s < %s\n", who, spool.Printable(line)) }
	}
	return agent, nil
}

// Transport implements queue.Router.
func (r *router) Transport(destination string) queue.Transport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.transports[destination]
}
