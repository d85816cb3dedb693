package submit

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/localmda"
	"esmtpq/message"
	"esmtpq/queue/spool"
	"esmtpq/tunnel/command"
)

// A Router decides the route of mail for a recipient: by an identity, or to the local agent.
type Router struct {
	Home   string
	Config string // configuration file that overrides the envelope's; "" for none

	configs map[string]*loaded
	login   string // once it has been asked for
}

// loaded is a configuration file, or the reason why there is none.
type loaded struct {
	cfg *identity.Config
	err error
}

// Configuration returns the person's home, and the configuration there or in a file that a command line
// names. Errors are those for an exit.
func Configuration(file string) (home string, cfg *identity.Config, err error) {
	if home, err = whoami.Home(); err != nil {
		return "", nil, err
	}
	if cfg, err = (&Router{Home: home, Config: file}).Load(&spool.Envelope{}); err != nil {
		return "", nil, ConfigFailure(err)
	}
	return home, cfg, nil
}

// Load reads the configuration for an envelope, each file once.
func (r *Router) Load(env *spool.Envelope) (*identity.Config, error) {
	file := r.Config
	if file == "" {
		file = env.Config
	}
	l := r.configs[file]
	if l == nil {
		cfg, err := identity.Load(identity.LoadOptions{File: file, Home: r.Home})
		if err == nil && cfg.MDA != "" {
			err = checkAgent(cfg)
		}
		if err == nil {
			remarkOnCommands(cfg)
		}
		l = &loaded{cfg, err}
		if r.configs == nil {
			r.configs = map[string]*loaded{}
		}
		r.configs[file] = l
	}
	return l.cfg, l.err
}

// Stale reports whether a configuration file that was read has changed since, or could not be read.
func (r *Router) Stale() bool {
	for _, l := range r.configs {
		if l.err != nil || l.cfg.Info == nil {
			return true
		}
		st, err := os.Stat(l.cfg.File)
		if err != nil || !st.ModTime().Equal(l.cfg.Info.ModTime()) || st.Size() != l.cfg.Info.Size() {
			return true
		}
	}
	return false
}

// Login returns the user's login name.
func (r *Router) Login() string {
	if r.login == "" {
		r.login = whoami.Login()
	}
	return r.login
}

// Identity returns the identity that an envelope is sent as. It is nil if the configuration has
// none for it; local mail needs none.
func (r *Router) Identity(env *spool.Envelope) (*identity.Config, *identity.Identity, identity.Rule, error) {
	cfg, err := r.Load(env)
	if err != nil {
		return nil, nil, identity.Rule{}, ConfigFailure(err)
	}
	id, rule, err := choose(cfg, env)
	if err != nil && env.Identity != "" {
		return nil, nil, rule, ConfigFailure(err)
	}
	if err != nil {
		return cfg, nil, rule, nil
	}
	return cfg, id, rule, nil
}

// choose returns the identity of an envelope: the one that the submitter named, or that of its sender.
func choose(cfg *identity.Config, env *spool.Envelope) (*identity.Identity, identity.Rule, error) {
	if env.Identity != "" {
		return cfg.Named(env.Identity)
	}
	return cfg.Choose(env.Sender())
}

// Check makes sure that a message can be sent, as far as that can be known now, while its author is
// still there. Recipients to whom it cannot are moved to d.Bad, unless there are no others: then it is
// an error, or all are for the keeper of the system and are kept. It returns the batching delay.
func (d *Draft) Check(r *Router) (time.Duration, error) {
	cfg, err := r.Load(d.Env)
	if err != nil {
		return 0, ConfigFailure(err)
	}
	var failure error
	var kept []spool.Recipient
	given := d.Env.Recipients
	d.Env.Recipients = given[:0]
	for _, rcpt := range given {
		route, err := r.checkRoute(d.Env, rcpt)
		if r.keeps(rcpt, err) {
			kept = append(kept, rcpt)
		}
		switch {
		case err != nil:
			if failure == nil {
				failure = err
			}
			d.Bad = append(d.Bad, spool.Refusal{Recipient: rcpt, Status: "5.3.5", Reason: err.Error()})
		case route.Address != rcpt.Address && !d.isNew(route.Address):
			// named with the domain that it gets, too
		default:
			d.keep(rcpt)
			if route.Sender != nil {
				d.Env.Grace = max(d.Env.Grace, int64((route.Sender.HoldFor+time.Second-1)/time.Second))
			}
		}
	}
	if len(d.Env.Recipients) == 0 && len(kept) > 0 {
		d.Env.Recipients = kept
		d.Bad = slices.DeleteFunc(d.Bad, func(bad spool.Refusal) bool { return slices.Contains(kept, bad.Recipient) })
	}
	if len(d.Env.Recipients) == 0 {
		return 0, failure
	}
	d.known = nil // which may be large
	return BatchDelay(cfg)
}

// CheckRecipient is CheckRoute, except for mail that is kept where nobody delivers it.
func (r *Router) CheckRecipient(env *spool.Envelope, rcpt spool.Recipient) error {
	err := r.CheckRoute(env, rcpt)
	if r.keeps(rcpt, err) {
		return nil
	}
	return err
}

// keeps reports whether mail is taken although there is no agent to deliver it: that for the keeper
// of the system. Most programs that send such mail look at no exit status. It waits in the queue,
// and its owner is told.
func (r *Router) keeps(rcpt spool.Recipient, err error) bool {
	return errors.Is(err, errNoMDA) && (slices.Contains(keepers, strings.ToLower(rcpt.Address)) || rcpt.Address == r.Login())
}

// keepers are the local names to which the programs of a system send their mail.
var keepers = []string{"root", "postmaster", "mailer-daemon"}

// BatchDelay returns the configured delay, or that of the environment; if it is negative, nothing
// is started.
func BatchDelay(cfg *identity.Config) (time.Duration, error) {
	v := os.Getenv("ESMTPQ_DELAY")
	switch v {
	case "":
		return cfg.BatchDelay, nil
	case "never":
		return identity.Never, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return 0, exit.Fail(exit.Config, "ESMTPQ_DELAY: a duration such as 5s or 2m, or never")
	}
	return d, nil
}

// ConfigFailure gives an error about the configuration its exit code, and its text the hint.
func ConfigFailure(err error) error {
	var done *exit.Failure
	if errors.As(err, &done) {
		return err
	}
	f := &exit.Failure{Code: exit.Config, Err: err}
	if exit.MayPass(err) {
		f.Code = exit.TempFail // there may be nothing wrong with the file
	}
	var ce *identity.ConfigError
	if errors.As(err, &ce) {
		f.Hint = ce.Hint
	}
	return f
}

// A Route is the decision for a recipient.
type Route struct {
	Config   *identity.Config
	Identity *identity.Identity // whose smart host carries it; nil: to the local agent
	Sender   *identity.Identity // as which it is sent: Identity, unless Via says that another one carries it
	Rule     identity.Rule      // that has chosen Sender
	Via      identity.Rule      // the recipient's rule; the zero one where the sender decides
	Address  string             // complete
	home     string
}

// Route decides the route of mail for a recipient.
func (r *Router) Route(env *spool.Envelope, rcpt spool.Recipient) (Route, error) {
	cfg, err := r.Load(env)
	if err != nil {
		return Route{}, err
	}
	route := Route{Config: cfg, Address: rcpt.Address, home: r.Home}
	if env.Notice {
		return route, route.needMDA()
	}
	id, rule, chooseErr := choose(cfg, env)
	var local, bare bool
	route.Address, local, bare = cfg.Resolve(rcpt.Address)
	if id != nil && id.QualifyDomain != "" {
		if bare {
			route.Address += "@" + id.QualifyDomain
			local = false
		}
	} else if cfg.ForceMDA != "" {
		local = true
	}
	if local {
		return route, route.needMDA()
	}
	route.Identity, route.Sender, route.Rule = id, id, rule
	if by, via := cfg.Via(route.Address); by != nil {
		route.Identity, route.Via = by, via
		if id == nil {
			route.Sender, route.Rule, chooseErr = by, via, nil
		}
	}
	if chooseErr != nil {
		return route, chooseErr
	}
	if route.Identity.ReversePath == "" {
		if err := checkSender(env, route.Sender); err != nil {
			return route, err
		}
	}
	for _, id := range [...]*identity.Identity{route.Identity, route.Sender} {
		if strings.Contains(id.ReversePath+id.Sender, "%") {
			if err := cfg.CheckForced(id, r.Login()); err != nil {
				return route, err
			}
		}
	}
	return route, nil
}

// author returns the identity whose settings say what the reverse-path is: what the one that carries
// the mail forces goes before all that the sender's says.
func (r *Route) author() *identity.Identity {
	if r.Identity.ReversePath != "" {
		return r.Identity
	}
	return r.Sender
}

// ReversePath returns the reverse-path of mail on a route.
func (r *Router) ReversePath(env *spool.Envelope, route *Route) string {
	if route.Identity == nil {
		return env.Sender()
	}
	id := route.author()
	return route.Config.ReversePath(id, route.Rule, env.ReversePath, env.From, r.Login(), whoami.Host())
}

// ReversePathReason says in a few words why mail on a route has its reverse-path.
func (r *Router) ReversePathReason(env *spool.Envelope, route *Route) string {
	id := route.author()
	_, reason := route.Config.ReversePathAndReason(id, route.Rule, env.ReversePath, env.From, r.Login(), whoami.Host())
	return reason
}

// SenderField returns the Sender: field that the route's identities force, "" if they force none.
func (r *Router) SenderField(route *Route) string {
	if route.Identity == nil {
		return ""
	}
	return identity.Expand(cmp.Or(route.Identity.Sender, route.Sender.Sender), r.Login())
}

// CheckRoute finds the mistakes in a configuration with which mail for a recipient could never be
// delivered.
func (r *Router) CheckRoute(env *spool.Envelope, rcpt spool.Recipient) error {
	_, err := r.checkRoute(env, rcpt)
	return err
}

func (r *Router) checkRoute(env *spool.Envelope, rcpt spool.Recipient) (Route, error) {
	route, err := r.Route(env, rcpt)
	switch {
	case err != nil:
	case route.Identity == nil:
		_, err = route.Agent()
	case route.Identity.Command != "":
		_, err = route.Command()
	default:
		_, err = Tunnel(route.Config, route.Identity)
	}
	if err != nil {
		return route, ConfigFailure(err)
	}
	return route, nil
}

// checkSender returns an error if an identity would have to send mail with what the submitter gave
// as its sender, and that is no address. To the local agent it does not matter: mail that was
// fetched has whatever senders there are.
func checkSender(env *spool.Envelope, id *identity.Identity) error {
	if env.ReversePath == nil || *env.ReversePath == "" || id.ReversePath != "" {
		return nil
	}
	if err := message.CheckAddress(*env.ReversePath); err != nil {
		return exit.Fail(exit.Usage, "sender: %w", err)
	}
	return nil
}

// errNoMDA is wrapped by the error of a route to the local agent where there is none.
var errNoMDA = errors.New("no local delivery agent")

func (r *Route) needMDA() error {
	if r.Config.MDA != "" {
		return nil
	}
	return &identity.ConfigError{
		File: r.Config.File,
		Text: fmt.Sprintf("the recipient %s has no domain, and there is no local delivery agent", spool.Printable(r.Address)),
		Hint: "set mda, qualify_domain (in an esmtprc: qualifydomain) or an alias",
		Err:  errNoMDA,
	}
}

// Agent returns the local delivery agent.
func (r *Route) Agent() (*localmda.Agent, error) {
	a, err := agent(r.Config)
	if err == nil {
		a.Queue = r.home
	}
	return a, err
}

// Command returns the command that carries the mail of the route's identity.
func (r *Route) Command() (*localmda.Agent, error) {
	a, err := commandOf(r.Config, r.Identity)
	if err == nil {
		a.Queue = r.home + " " + r.Identity.Name // a call for local mail of the same message is another one
	}
	return a, err
}

func commandOf(cfg *identity.Config, id *identity.Identity) (*localmda.Agent, error) {
	a, err := localmda.NewCommand(id.Command)
	if err != nil {
		return nil, &identity.ConfigError{File: cfg.File, Line: cfg.LineOf(id, "command"), Text: fmt.Sprintf("command of identity %s: %v", id.Name, err)}
	}
	if id.Timeout > 0 {
		a.Timeout = id.Timeout
	}
	return a, nil
}

// checkAgent checks the line of the agent when a configuration has been read, whatever it is read
// for, and adds what may be wrong to the warnings.
func checkAgent(cfg *identity.Config) error {
	a, err := agent(cfg)
	if err != nil {
		return err
	}
	for _, remark := range a.Remarks() {
		warning := identity.ConfigError{File: cfg.File, Line: cfg.MDALine, Text: "mda: " + remark}
		cfg.Warnings = append(cfg.Warnings, warning.Error())
	}
	return nil
}

func agent(cfg *identity.Config) (*localmda.Agent, error) {
	agent, err := localmda.New(cfg.MDA, cfg.ForceMDA)
	if err != nil {
		return nil, &identity.ConfigError{File: cfg.File, Line: cfg.MDALine, Text: err.Error()}
	}
	agent.Unread = cfg.MDAUnread
	if cfg.MDATimeout > 0 {
		agent.Timeout = cfg.MDATimeout
	}
	return agent, nil
}

// Tunnel returns the tunnel command of an identity, nil if there is none.
func Tunnel(cfg *identity.Config, id *identity.Identity) (*command.Command, error) {
	if id.Tunnel == "" {
		return nil, nil
	}
	cmd, err := command.Parse(id.Tunnel)
	if err != nil {
		return nil, &identity.ConfigError{File: cfg.File, Line: cfg.LineOf(id, "tunnel"), Text: fmt.Sprintf("tunnel of identity %s: %v", id.Name, err)}
	}
	return cmd, nil
}

// remarkOnCommands adds what may be wrong with tunnels and commands of identities to the warnings.
// Mistakes are told where one is used.
func remarkOnCommands(cfg *identity.Config) {
	for _, id := range cfg.Identities {
		key, remarks := "tunnel", []string(nil)
		if id.Command != "" {
			key = "command"
			if cmd, err := commandOf(cfg, id); err == nil {
				remarks = cmd.Remarks()
			}
		} else if cmd, err := Tunnel(cfg, id); cmd != nil && err == nil {
			remarks = cmd.Remarks()
		}
		for _, remark := range remarks {
			warning := identity.ConfigError{File: cfg.File, Line: cfg.LineOf(id, key), Text: key + " of identity " + id.Name + ": " + remark}
			cfg.Warnings = append(cfg.Warnings, warning.Error())
		}
	}
}

// StepLimit returns the time limit that the environment sets for each step of a session, 0 for
// none.
func StepLimit() (time.Duration, error) {
	v := os.Getenv("ESMTPQ_TIMEOUT")
	if v == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		return 0, exit.Fail(exit.Config, "ESMTPQ_TIMEOUT: a duration such as 30s or 2m")
	}
	return d, nil
}
