package main

import (
	"io"
	"sync"
	"time"

	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/identity/yaml"
	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// A router makes the transports of the ways that mail goes. It is the one place where identities,
// tunnels, smart hosts and the local agent meet; it implements queue.Router.
type router struct {
	submit.Ways
	trace io.Writer     // where the SMTP dialogue is shown; nil for nowhere
	step  time.Duration // limit of each step of a session; 0 for the usual ones

	mu    sync.Mutex
	lanes map[string]queue.Transport
}

func newRouter(home, config string) *router {
	return &router{Ways: submit.Ways{Home: home, Config: config, YAML: yaml.Parse}, lanes: map[string]queue.Transport{}}
}

// localLane is the lane of the local agent.
const localLane = "local mail"

// lane names the lane of a way. A configuration of its own (-C) has lanes of its own.
func lane(w *submit.Way, own bool) string {
	name := localLane
	if w.Identity != nil {
		if name = w.Identity.Name; name == localLane {
			name = "identity " + name
		}
	}
	if own {
		name = w.Config.File + ": " + name
	}
	return name
}

// Route implements queue.Router.
func (r *router) Route(env *spool.Envelope, rcpt spool.Recipient) (queue.Route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, err := r.Choose(env, rcpt)
	if err != nil {
		return queue.Route{}, err
	}
	route := queue.Route{Destination: lane(&w, env.Config != "" && r.Config == ""), Address: w.Address}
	if w.Identity != nil {
		route.ReversePath = w.Config.ReversePath(w.Identity, w.Rule, env.ReversePath, env.From, r.Login(), whoami.Host())
		route.Sender = identity.Expand(w.Identity.Sender, r.Login())
	} else {
		route.ReversePath = env.Sender()
	}
	if r.lanes[route.Destination] == nil {
		if r.lanes[route.Destination], err = r.transport(&w); err != nil {
			delete(r.lanes, route.Destination)
			return queue.Route{}, err
		}
	}
	return route, nil
}

// transport makes the transport of a way.
func (r *router) transport(w *submit.Way) (queue.Transport, error) {
	if w.Identity == nil {
		return w.Agent()
	}
	return r.smartHost(w.Config, w.Identity)
}

// Transport implements queue.Router.
func (r *router) Transport(lane string) queue.Transport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lanes[lane]
}
