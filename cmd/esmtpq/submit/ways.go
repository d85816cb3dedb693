package submit

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/identity/tree"
	"esmtpq/localmda"
	"esmtpq/queue/spool"
	"esmtpq/tunnel/command"
)

// Ways decides which way mail goes: by which identity, or to the local agent. It is safe for
// use by several goroutines.
type Ways struct {
	Home   string
	Config string                           // configuration file to use whatever the envelope says; "" for none
	YAML   func([]byte) (*tree.Node, error) // see [identity.LoadOptions]

	mu      sync.Mutex
	configs map[string]*loaded
	user    string // login name, once asked for
}

// loaded is a configuration file, or why there is none.
type loaded struct {
	cfg *identity.Config
	err error
}

// Load reads the configuration for an envelope, each file once.
func (w *Ways) Load(env *spool.Envelope) (*identity.Config, error) {
	file := w.Config
	if file == "" {
		file = env.Config
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.configs[file]
	if l == nil {
		cfg, err := identity.Load(identity.LoadOptions{File: file, Home: w.Home, YAML: w.YAML})
		l = &loaded{cfg, err}
		if w.configs == nil {
			w.configs = map[string]*loaded{}
		}
		w.configs[file] = l
	}
	return l.cfg, l.err
}

// Login returns the user's login name.
func (w *Ways) Login() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.user == "" {
		w.user = whoami.Login()
	}
	return w.user
}

// Identity returns the identity that an envelope is sent as. It is nil where the configuration has
// none for it; local mail needs none.
func (w *Ways) Identity(env *spool.Envelope) (*identity.Config, *identity.Identity, identity.Rule, error) {
	cfg, err := w.Load(env)
	if err != nil {
		return nil, nil, identity.Rule{}, ConfigFailure(err)
	}
	id, rule, err := cfg.Choose(env.Sender())
	if err != nil {
		return cfg, nil, rule, nil
	}
	return cfg, id, rule, nil
}

// Check makes sure that a message can be sent at all, as far as that can be known now: while
// its author is still there. It returns the batching delay.
func (w *Ways) Check(env *spool.Envelope) (time.Duration, error) {
	cfg, err := w.Load(env)
	if err != nil {
		return 0, ConfigFailure(err)
	}
	for _, rcpt := range env.Recipients {
		way, err := w.Choose(env, rcpt)
		if err == nil {
			err = way.check()
		}
		if err != nil {
			return 0, ConfigFailure(err)
		}
	}
	return BatchDelay(cfg)
}

// BatchDelay returns the configured delay, or that of the environment; negative means to start nothing.
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

// ConfigFailure gives an error about the configuration its exit code.
func ConfigFailure(err error) error {
	f := &exit.Failure{Code: exit.Config, Err: err}
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EIO, syscall.ENOMEM} {
		if errors.Is(err, passing) {
			f.Code = exit.TempFail // the file may be as right as ever
		}
	}
	var ce *identity.ConfigError
	if errors.As(err, &ce) {
		f.Hint = ce.Hint
	}
	return f
}

// A Way is what is decided for a recipient: by which identity, or to the local agent.
type Way struct {
	Config   *identity.Config
	Identity *identity.Identity // nil: to the local agent
	Rule     identity.Rule
	Address  string // complete
}

// Choose decides which way mail for a recipient goes.
func (w *Ways) Choose(env *spool.Envelope, rcpt spool.Recipient) (Way, error) {
	cfg, err := w.Load(env)
	if err != nil {
		return Way{}, err
	}
	way := Way{Config: cfg, Address: rcpt.Address}
	if env.Notice {
		return way, way.needMDA()
	}
	id, rule, chooseErr := cfg.Choose(env.Sender())
	local := !strings.Contains(rcpt.Address, "@")
	if id != nil && id.QualifyDomain != "" {
		if local {
			way.Address += "@" + id.QualifyDomain
		}
		local = false
	} else if cfg.ForceMDA != "" {
		local = true
	}
	if local {
		return way, way.needMDA()
	}
	way.Identity, way.Rule = id, rule
	return way, chooseErr
}

func (w *Way) needMDA() error {
	if w.Config.MDA != "" {
		return nil
	}
	return &identity.ConfigError{
		File: w.Config.File,
		Text: fmt.Sprintf("the recipient %s has no domain, and there is no local delivery agent", spool.Printable(w.Address)),
		Hint: "set mda, or qualify_domain (qualifydomain in an esmtprc) for its identity",
	}
}

// check finds the mistakes in a configuration that would keep this way from ever working.
func (w *Way) check() error {
	if w.Identity == nil {
		_, err := w.Agent()
		return err
	}
	_, err := Tunnel(w.Config, w.Identity)
	return err
}

// Agent returns the local delivery agent.
func (w *Way) Agent() (*localmda.Agent, error) {
	agent, err := localmda.New(w.Config.MDA, w.Config.ForceMDA)
	if err != nil {
		return nil, &identity.ConfigError{File: w.Config.File, Text: err.Error()}
	}
	if w.Config.MDATimeout > 0 {
		agent.Timeout = w.Config.MDATimeout
	}
	return agent, nil
}

// Tunnel returns the command that reaches an identity's smart host, nil if there is none.
func Tunnel(cfg *identity.Config, id *identity.Identity) (*command.Command, error) {
	if id.Tunnel == "" {
		return nil, nil
	}
	cmd, err := command.Parse(id.Tunnel)
	if err != nil {
		return nil, &identity.ConfigError{File: cfg.File, Text: fmt.Sprintf("tunnel of identity %s: %v", id.Name, err)}
	}
	return cmd, nil
}

// StepLimit returns the time limit that the environment sets for each step of a session, 0 for none.
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
