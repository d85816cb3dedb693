package discover

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"esmtpq/identity"
)

// resolver returns what answers names.
func (s *search) resolver() *net.Resolver {
	if s.Resolver != nil {
		return s.Resolver
	}
	return net.DefaultResolver
}

const notInDNS = "not in the DNS"

// reason says why the DNS gave no answer, and what that means.
func reason(err error) (State, string) {
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns):
		return Trouble, err.Error()
	case dns.IsNotFound:
		return Nothing, notInDNS
	case dns.IsTimeout:
		return Trouble, "the name server does not answer"
	case strings.Contains(dns.Err, "unreachable"), strings.Contains(dns.Err, "connection refused"):
		return Trouble, "the name server cannot be reached: " + dns.Err
	}
	return Trouble, "the name server is in trouble: " + dns.Err
}

// mx asks who takes the domain's mail, and what the table and that host's own domain say.
func (s *search) mx(ctx context.Context) []Finding {
	records, err := s.resolver().LookupMX(ctx, s.domain+".")
	if err != nil && len(records) == 0 {
		state, why := reason(err)
		f := Finding{Source: StrongMX, State: state, At: s.domain, Why: why, noDomain: state == Nothing && s.unknown(ctx)}
		other := Finding{Source: TableMX, State: state, At: s.domain}
		s.found <- []Finding{f, other}
		return []Finding{{Source: MXConfig, State: state, At: s.domain}}
	}
	slices.SortStableFunc(records, func(a, b *net.MX) int { return cmp.Compare(a.Pref, b.Pref) })
	host := strings.ToLower(strings.TrimSuffix(records[0].Host, "."))
	strong := Finding{Source: StrongMX, State: Nothing, At: host}
	table := Finding{Source: TableMX, State: Nothing, At: host, Why: "not in the table"}
	switch p := ByMX(host); {
	case host == "":
		strong.State, strong.At, strong.Why = NotOffered, s.domain, "this domain takes no mail at all"
		table.State, table.Why = Nothing, ""
	case p != nil && p.Strong:
		strong, table.Why = s.fromTable(StrongMX, p, host), ""
	case p != nil:
		table = s.fromTable(TableMX, p, host)
	}
	s.found <- []Finding{strong, table}
	return s.mxConfig(ctx, host)
}

// unknown reports whether the DNS has no address for the domain.
func (s *search) unknown(ctx context.Context) bool {
	_, err := s.resolver().LookupNetIP(ctx, "ip", s.domain+".")
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// mxConfig asks the domain of the host that takes the mail: first the one above the host, then the
// registered one (autoconfig, section 3.2 of the draft).
func (s *search) mxConfig(ctx context.Context, host string) []Finding {
	_, parent, _ := strings.Cut(host, ".")
	base, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil || base == s.domain || within(s.domain, base) {
		return []Finding{{Source: MXConfig, State: Nothing, At: host}}
	}
	domains := []string{base}
	if parent != base && within(parent, base) {
		domains = []string{parent, base}
	}
	var last Finding
	for _, d := range domains {
		last = s.config(ctx, MXConfig, "https://autoconfig."+d+"/mail/config-v1.1.xml")
		for i := range last.Servers {
			last.Servers[i].Vouched = false // the MX is not authenticated
		}
		if last.State == Found {
			break
		}
	}
	return []Finding{last}
}

// srv asks for the SRV records of both kinds of submission. That with TLS from the start goes first.
func (s *search) srv(ctx context.Context) []Finding {
	services := []struct {
		name string
		tls  identity.TLSMode
	}{{"submissions", identity.TLSImplicit}, {"submission", identity.TLSStartTLS}}
	answers := make([]chan Finding, len(services))
	for i, service := range services {
		answers[i] = make(chan Finding, 1)
		go func() { answers[i] <- s.records(ctx, service.name, service.tls) }()
	}
	var all []Finding
	for _, c := range answers {
		all = append(all, <-c)
	}
	return all
}

// records asks for the records of one kind.
func (s *search) records(ctx context.Context, service string, mode identity.TLSMode) Finding {
	f := Finding{Source: SRV, At: "_" + service + "._tcp." + s.domain}
	// An error may come with records that are good, beside some that are not.
	_, records, err := s.resolver().LookupSRV(ctx, "", "", f.At+".")
	for _, r := range records {
		host := strings.ToLower(strings.TrimSuffix(r.Target, "."))
		switch {
		case host == "":
			f.State, f.Why = NotOffered, "the domain says that it does not offer this"
		case !isHost(host) || r.Port == 0:
			continue
		default:
			f.Servers = append(f.Servers, Server{
				Host: host, Port: strconv.Itoa(int(r.Port)), TLS: mode, Username: s.whole(),
				Vouched: within(host, s.domain),
			})
		}
	}
	switch {
	case len(f.Servers) > 0:
		f.State, f.Why = Found, ""
	case f.State == NotOffered:
	case err != nil:
		f.State, f.Why = reason(err)
	default:
		f.State, f.Why = Nothing, "no record that can be used"
	}
	return f
}

// isHost reports whether a text is the name of a host, and not an address.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return false
	}
	ascii, err := ASCIIDomain(s)
	return err == nil && ascii == s
}

// probe tries the usual names, all at once.
func (s *search) probe(ctx context.Context) []Finding {
	var tries []Server
	for _, host := range []string{"smtp." + s.domain, "mail." + s.domain, s.domain} {
		for _, port := range []string{"465", "587"} {
			one := Server{Host: host, Port: port, TLS: identity.TLSStartTLS, Username: s.whole(), Vouched: true}
			if port == "465" {
				one.TLS = identity.TLSImplicit
			}
			tries = append(tries, one)
		}
	}
	answers := make([]chan error, len(tries))
	for i, one := range tries {
		answers[i] = make(chan error, 1)
		go func() { answers[i] <- s.try(ctx, one) }()
	}
	f := Finding{Source: Probe, State: Nothing, At: "smtp., mail. and " + s.domain}
	trouble := 0
	for i, one := range tries {
		select {
		case err := <-answers[i]:
			if err == nil {
				f.State, f.Servers = Found, append(f.Servers, one)
				continue
			}
			if state, why := reason(err); state == Trouble {
				trouble++
				f.Why = one.Host + ":" + one.Port + ": " + why
			}
		case <-ctx.Done():
			trouble++
		}
	}
	if f.State == Nothing && trouble == len(tries) {
		f.State = Trouble
	}
	if f.State == Found {
		f.Why = ""
	} else if f.Why == "" {
		f.Why = notInDNS
	}
	return []Finding{f}
}

// try tries one server. A name that the DNS does not know is not dialled: the search list could make
// something else of it.
func (s *search) try(ctx context.Context, one Server) error {
	if _, err := s.resolver().LookupNetIP(ctx, "ip", one.Host+"."); err != nil {
		return err
	}
	return s.Probe(ctx, one)
}
