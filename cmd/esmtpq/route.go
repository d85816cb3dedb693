package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"esmtpq/identity"
	"esmtpq/identity/yaml"
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
		cfg, err := identity.Load(identity.LoadOptions{File: file, Home: r.home, YAML: yaml.Parse})
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
		w, err := r.choose(env, rcpt)
		if err == nil {
			err = w.check()
		}
		if err != nil {
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
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EIO, syscall.ENOMEM} {
		if errors.Is(err, passing) {
			f.code = exTempFail // the file may be as right as ever
		}
	}
	var ce *identity.ConfigError
	if errors.As(err, &ce) {
		f.hint = ce.Hint
	}
	return f
}

// A way is what is decided for a recipient: by which identity, or to the local agent.
type way struct {
	cfg     *identity.Config
	id      *identity.Identity // nil: to the local agent
	rule    identity.Rule
	address string // complete
}

// choose decides which way mail for a recipient goes.
func (r *router) choose(env *queue.Envelope, rcpt queue.Recipient) (way, error) {
	cfg, err := r.load(env)
	if err != nil {
		return way{}, err
	}
	w := way{cfg: cfg, address: rcpt.Address}
	if env.Notice {
		return w, w.needMDA()
	}
	id, rule, chooseErr := cfg.Choose(env.Sender())
	local := !strings.Contains(rcpt.Address, "@")
	if id != nil && id.QualifyDomain != "" {
		if local {
			w.address += "@" + id.QualifyDomain
		}
		local = false
	} else if cfg.ForceMDA != "" {
		local = true
	}
	if local {
		return w, w.needMDA()
	}
	w.id, w.rule = id, rule
	return w, chooseErr
}

func (w *way) needMDA() error {
	if w.cfg.MDA != "" {
		return nil
	}
	return &identity.ConfigError{
		File: w.cfg.File,
		Text: fmt.Sprintf("the recipient %s has no domain, and there is no local delivery agent", printable(w.address)),
		Hint: "set mda, or qualify_domain (qualifydomain in an esmtprc) for its identity",
	}
}

// check finds the mistakes in a configuration that would keep this way from ever working.
func (w *way) check() error {
	if w.id == nil {
		_, err := w.agent()
		return err
	}
	_, err := tunnelOf(w.cfg, w.id)
	return err
}

// agent returns the local delivery agent.
func (w *way) agent() (*localmda.Agent, error) {
	agent, err := localmda.New(w.cfg.MDA, w.cfg.ForceMDA)
	if err != nil {
		return nil, &identity.ConfigError{File: w.cfg.File, Text: err.Error()}
	}
	if w.cfg.MDATimeout > 0 {
		agent.Timeout = w.cfg.MDATimeout
	}
	return agent, nil
}

// localLane is the lane of the local agent.
const localLane = "local mail"

// lane names the lane of a way. A configuration of its own (-C) has lanes of its own.
func (w *way) lane(own bool) string {
	name := localLane
	if w.id != nil {
		if name = w.id.Name; name == localLane {
			name = "identity " + name
		}
	}
	if own {
		name = w.cfg.File + ": " + name
	}
	return name
}

// Route implements queue.Router.
func (r *router) Route(env *queue.Envelope, rcpt queue.Recipient) (queue.Route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, err := r.choose(env, rcpt)
	if err != nil {
		return queue.Route{}, err
	}
	route := queue.Route{Lane: w.lane(env.Config != "" && r.config == ""), Address: w.address}
	if w.id != nil {
		route.ReversePath = w.cfg.ReversePath(w.id, w.rule, env.ReversePath, env.From, r.login(), hostName())
		route.Sender = identity.Expand(w.id.Sender, r.login())
	} else {
		route.ReversePath = env.Sender()
	}
	if r.lanes[route.Lane] == nil {
		if r.lanes[route.Lane], err = r.transport(&w); err != nil {
			delete(r.lanes, route.Lane)
			return queue.Route{}, err
		}
	}
	return route, nil
}

// transport makes the transport of a way.
func (r *router) transport(w *way) (queue.Transport, error) {
	if w.id == nil {
		return w.agent()
	}
	return r.smartHost(w.cfg, w.id)
}

// Transport implements queue.Router.
func (r *router) Transport(lane string) queue.Transport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lanes[lane]
}
