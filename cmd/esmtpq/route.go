package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"esmtpq/identity"
	"esmtpq/localmda"
	"esmtpq/queue"
)

// A router decides which way mail goes. It is the one place where identities, tunnels, smart hosts
// and the local agent meet; it implements queue.Router.
type router struct {
	home   string
	config string        // configuration file to use whatever the envelope says; "" for none
	trace  io.Writer     // where the SMTP dialogue is shown; nil for nowhere
	step   time.Duration // limit of each step of a session; 0 for the usual ones

	mu      sync.Mutex
	configs map[string]*loaded
	lanes   map[string]queue.Transport
	user    string // login name, once asked for
}

// loaded is a configuration file, or why there is none.
type loaded struct {
	cfg *identity.Config
	err error
}

func newRouter(home, config string) *router {
	return &router{home: home, config: config, configs: map[string]*loaded{}, lanes: map[string]queue.Transport{}}
}

// load reads a configuration file once.
func (r *router) load(env *queue.Envelope) (*identity.Config, error) {
	file := r.config
	if file == "" {
		file = env.Config
	}
	l := r.configs[file]
	if l == nil {
		cfg, err := identity.Load(identity.LoadOptions{File: file, Home: r.home})
		l = &loaded{cfg, err}
		r.configs[file] = l
	}
	return l.cfg, l.err
}

func (r *router) login() string {
	if r.user == "" {
		r.user = loginName()
	}
	return r.user
}

// identity returns the identity that an envelope is sent as. It is nil where the configuration has
// none for it; local mail needs none.
func (r *router) identity(env *queue.Envelope) (*identity.Config, *identity.Identity, identity.Rule, error) {
	cfg, err := r.load(env)
	if err != nil {
		return nil, nil, identity.Rule{}, configFailure(err)
	}
	id, rule, err := cfg.Choose(env.Sender())
	if err != nil {
		return cfg, nil, rule, nil
	}
	return cfg, id, rule, nil
}

// check makes sure that a message can be sent at all, as far as that can be known now: while
// its author is still there. It returns the batching delay.
func (r *router) check(env *queue.Envelope) (time.Duration, error) {
	cfg, err := r.load(env)
	if err != nil {
		return 0, configFailure(err)
	}
	for _, rcpt := range env.Recipients {
		if _, err := r.Route(env, rcpt); err != nil {
			return 0, configFailure(err)
		}
	}
	return batchDelay(cfg)
}

// batchDelay returns the configured delay, or that of the environment; negative means to start nothing.
func batchDelay(cfg *identity.Config) (time.Duration, error) {
	v := os.Getenv("ESMTPQ_DELAY")
	switch v {
	case "":
		return cfg.BatchDelay, nil
	case "never":
		return identity.Never, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return 0, fail(exConfig, "ESMTPQ_DELAY: a duration such as 5s or 2m, or never")
	}
	return d, nil
}

func configFailure(err error) error {
	f := &failure{code: exConfig, err: err}
	var ce *identity.ConfigError
	if errors.As(err, &ce) {
		f.hint = ce.Hint
	}
	return f
}

// Route implements queue.Router.
func (r *router) Route(env *queue.Envelope, rcpt queue.Recipient) (queue.Route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	cfg, err := r.load(env)
	if err != nil {
		return queue.Route{}, err
	}
	if env.Notice {
		return r.routeLocal(cfg, env, rcpt)
	}
	id, rule, chooseErr := cfg.Choose(env.Sender())
	local := !strings.Contains(rcpt.Address, "@")
	if id != nil && id.QualifyDomain != "" {
		if local {
			rcpt.Address += "@" + id.QualifyDomain
		}
		local = false
	} else if cfg.ForceMDA != "" {
		local = true
	}
	if local {
		return r.routeLocal(cfg, env, rcpt)
	}
	if chooseErr != nil {
		return queue.Route{}, chooseErr
	}
	route := queue.Route{
		Lane: id.Name, Address: rcpt.Address,
		ReversePath: cfg.ReversePath(id, rule, env.ReversePath, env.From, r.login(), hostName()),
		Sender:      identity.Expand(id.Sender, r.login()),
	}
	if file := filepath.Base(cfg.File); env.Config != "" && r.config == "" {
		route.Lane = file + ": " + id.Name
	}
	if r.lanes[route.Lane] == nil {
		lane, err := r.smartHost(cfg, id)
		if err != nil {
			return queue.Route{}, err
		}
		r.lanes[route.Lane] = lane
	}
	return route, nil
}

// localLane is the lane of the local agent.
const localLane = "local mail"

// routeLocal routes a recipient without a domain, or all with force_mda.
func (r *router) routeLocal(cfg *identity.Config, env *queue.Envelope, rcpt queue.Recipient) (queue.Route, error) {
	if cfg.MDA == "" {
		return queue.Route{}, &identity.ConfigError{
			File: cfg.File,
			Text: fmt.Sprintf("the recipient %s has no domain, and there is no local delivery agent", printable(rcpt.Address)),
			Hint: "set mda, or qualify_domain (qualifydomain in an esmtprc) for its identity",
		}
	}
	route := queue.Route{Lane: localLane, Address: rcpt.Address, ReversePath: env.Sender()}
	if file := filepath.Base(cfg.File); env.Config != "" && r.config == "" {
		route.Lane = file + ": " + route.Lane
	}
	if r.lanes[route.Lane] == nil {
		agent, err := localmda.New(cfg.MDA, cfg.ForceMDA)
		if err != nil {
			return queue.Route{}, &identity.ConfigError{File: cfg.File, Text: err.Error()}
		}
		if cfg.MDATimeout > 0 {
			agent.Timeout = cfg.MDATimeout
		}
		r.lanes[route.Lane] = agent
	}
	return route, nil
}

// Transport implements queue.Router.
func (r *router) Transport(lane string) queue.Transport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lanes[lane]
}
