package discover

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"esmtpq/identity"
)

// Limit is how long everything may take together.
const Limit = 6 * time.Second

// A Source is where settings come from, in the order of their weight.
type Source int

// The sources. What is authenticated goes before what is not, and what the domain says before what
// somebody else says; but Google and Microsoft, who are named by the MX, go before the domain's own
// web server, which is often left over from an earlier provider.
const (
	Table      Source = iota // the table of providers, by domain
	StrongMX                 // the table, by the MX: Google, Microsoft
	PACC                     // user-agent-configuration of the domain
	Autoconfig               // of the domain
	SRV                      // RFC 6186, RFC 8314
	TableMX                  // the table, by the MX
	MXConfig                 // autoconfig of the domain that takes the mail
	Probe                    // usual names
	sources
)

// String returns what a person calls it.
func (s Source) String() string {
	return [...]string{"table", "MX", "PACC", "autoconfig", "SRV", "MX", "autoconfig of the MX", "probing"}[s]
}

// A State is what came of asking a source.
type State int

// The states.
const (
	Unasked    State = iota // something of more weight was found before
	Found                   // servers
	NotOffered              // the answer is that there is none, or none that can be used
	Nothing                 // nothing is there
	Trouble                 // no answer: no network, no name server, a server in trouble
)

// A Server is a smart host.
type Server struct {
	Host, Port string
	TLS        identity.TLSMode
	Username   string // "" for no login
	// Vouched says that the host is the one which the domain, or the table, names for certain.
	// Otherwise it is one that an unauthenticated answer of the DNS names, and a person should look.
	Vouched  bool
	Provider *Provider // its row of the table; nil if it has none
}

// A Finding is what a source has said.
type Finding struct {
	Source  Source
	State   State
	At      string   // what was asked: a name, or an address of the web
	Why     string   // for a state that is not Found; or a remark
	Servers []Server // best first
	Clear   []Server // servers that speak without TLS alone, which are not used
	Hints   []string // for the person

	noDomain bool // the DNS knows nothing of the domain
}

// A Result is what all sources have said.
type Result struct {
	Findings []Finding // in order of weight; a source may have several
	Provider *Provider // of the domain or its MX, if the table has it
	// Offline says that there was no answer from anywhere: no network, or no name server.
	Offline bool
	// NoDomain says that the DNS knows nothing of the domain: neither who takes its mail, nor any name.
	NoDomain bool
}

// A Finder looks for the smart hosts of addresses.
type Finder struct {
	Resolver *net.Resolver // nil for the system's
	// Probe tries whether a server greets, with TLS and a login. Without it nothing is probed.
	Probe func(context.Context, Server) error
	PACC  bool // ask for a user-agent-configuration as well
	Limit time.Duration
}

// An address, taken apart; the domain is in ASCII and lower case.
type address struct{ local, domain string }

func (a address) whole() string { return a.local + "@" + a.domain }

// ASCIIDomain returns a domain as the DNS has it.
func ASCIIDomain(domain string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(domain, "."))
	switch {
	case err != nil:
		return "", errors.New("no domain such as example.org")
	case !strings.Contains(ascii, "."):
		return "", errors.New("a domain has a dot in it, such as example.org")
	case strings.ContainsAny(ascii, "[]:_ "), len(ascii) > 253, net.ParseIP(ascii) != nil:
		return "", errors.New("no domain such as example.org")
	}
	for _, label := range strings.Split(ascii, ".") {
		if label == "" || len(label) > 63 {
			return "", errors.New("no domain such as example.org")
		}
	}
	return ascii, nil
}

// Find asks all sources at once. It returns when nothing of more weight can come any more than what
// was found, or at the limit.
func (f *Finder) Find(ctx context.Context, local, domain string) (*Result, error) {
	ascii, err := ASCIIDomain(domain)
	if err != nil {
		return nil, err
	}
	if f.Limit == 0 {
		f.Limit = Limit
	}
	ctx, cancel := context.WithTimeout(ctx, f.Limit)
	defer cancel()
	s := &search{Finder: f, address: address{local, ascii}, found: make(chan []Finding, sources)}
	if p := ByDomain(ascii); p != nil {
		return s.table(p), nil
	}
	s.begin(ctx)
	return s.collect(ctx), nil
}

// A search is one search for an address.
type search struct {
	*Finder
	address
	found   chan []Finding // of one source, or of several that are asked together
	pending [sources]bool
}

// table answers from the table of providers alone.
func (s *search) table(p *Provider) *Result {
	return &Result{Provider: p, Findings: []Finding{s.fromTable(Table, p, s.domain)}}
}

// fromTable is what the table says of a provider.
func (s *search) fromTable(source Source, p *Provider, at string) Finding {
	f := Finding{Source: source, State: Found, At: at, Servers: p.servers(s.address)}
	if p.Hint != "" {
		f.Hints = append(f.Hints, p.Hint)
	}
	if p.Refuses != "" {
		f.State, f.Why = NotOffered, p.Refuses
	}
	return f
}

// begin asks all.
func (s *search) begin(ctx context.Context) {
	ask := func(what func(context.Context) []Finding, covers ...Source) {
		for _, source := range covers {
			s.pending[source] = true
		}
		go func() { s.found <- what(ctx) }()
	}
	ask(s.mx, StrongMX, TableMX, MXConfig)
	ask(s.autoconfig, Autoconfig)
	ask(s.srv, SRV)
	if s.Probe != nil {
		ask(s.probe, Probe)
	}
	if s.PACC {
		ask(s.pacc, PACC)
	}
}

// collect waits for answers until nothing of more weight can come.
func (s *search) collect(ctx context.Context) *Result {
	var got [sources][]Finding
	for s.undecided(&got) {
		select {
		case fs := <-s.found:
			for _, f := range fs {
				got[f.Source] = append(got[f.Source], f)
				s.pending[f.Source] = false
			}
		case <-ctx.Done():
			return s.result(&got, true)
		}
	}
	return s.result(&got, false)
}

// undecided reports whether a source that has not answered may still say something that counts.
func (s *search) undecided(got *[sources][]Finding) bool {
	for source := range sources {
		if s.pending[source] {
			return true
		}
		for _, f := range got[source] {
			if f.State == Found {
				return false
			}
		}
	}
	return false
}

// result puts the answers together.
func (s *search) result(got *[sources][]Finding, late bool) *Result {
	r := &Result{Offline: true}
	something := false
	for source := range sources {
		if len(got[source]) == 0 && s.pending[source] {
			f := Finding{Source: source, State: Unasked, At: s.domain, Why: "not waited for"}
			if late {
				f.State, f.Why = Trouble, "no answer in time"
			}
			r.Findings = append(r.Findings, f)
		}
		r.Findings = append(r.Findings, got[source]...)
	}
	for i, f := range r.Findings {
		if f.State == Found || f.State == NotOffered || f.State == Nothing {
			r.Offline = false
		}
		r.NoDomain = r.NoDomain || f.noDomain
		something = something || f.State != Nothing || f.Why != "" && f.Why != notInDNS
		for j := range f.Servers {
			p := ByHost(f.Servers[j].Host)
			f.Servers[j].Provider = p
			if p != nil && p.Hint != "" && len(f.Hints) == 0 {
				r.Findings[i].Hints = append(r.Findings[i].Hints, p.Hint)
			}
		}
		if p := ByMX(f.At); p != nil && (f.Source == StrongMX || f.Source == TableMX) {
			r.Provider = p
		}
	}
	r.NoDomain = r.NoDomain && !something
	return r
}

// Servers returns all servers that were found, best first, each once.
func (r *Result) Servers() []Server {
	var all []Server
	seen := map[string]bool{}
	for _, f := range r.Findings {
		for _, s := range f.Servers {
			if key := s.Host + ":" + s.Port; f.State == Found && !seen[key] {
				seen[key] = true
				all = append(all, s)
			}
		}
	}
	return all
}

// Refused says why the provider cannot be used, if that is what was found; "" if not.
func (r *Result) Refused() string {
	for _, f := range r.Findings {
		if f.State == NotOffered && (f.Source == Table || f.Source == StrongMX || f.Source == TableMX) && f.Why != "" {
			return f.Why
		}
		if f.State == Found {
			return ""
		}
	}
	return ""
}

// From says where a server was found.
func (r *Result) From(s Server) string {
	for _, f := range r.Findings {
		for _, one := range f.Servers {
			if f.State == Found && one.Host == s.Host && one.Port == s.Port {
				return f.Source.String()
			}
		}
	}
	return ""
}
