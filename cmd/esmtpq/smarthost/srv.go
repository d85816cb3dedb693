package smarthost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"esmtpq/identity"
	"esmtpq/relay"
	"esmtpq/relay/smtp"
)

// maxTargets bounds how many hosts a domain can name.
const maxTargets = 16

// services are those that hosts for submission have, best first (RFC 8314, 5.1; RFC 6186, 3.1).
var services = [...]struct {
	name string
	tls  identity.TLSMode
}{{"submissions", identity.TLSImplicit}, {"submission", identity.TLSStartTLS}}

// lookUp returns the hosts that a domain names for submission, in the order of their services,
// priorities and weights.
func (h *Hosts) lookUp(ctx context.Context, cfg *identity.Config, whole, one *identity.Identity) ([]relay.Step, error) {
	ctx, cancel := context.WithTimeout(ctx, h.Limit(dialLimit))
	defer cancel()
	domain, err := smtp.ASCIIHost(one.Host)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", one.Addr(), err)
	}
	var steps []relay.Step
	var failed error
	none := "names no host for mail to send in DNS (_submissions._tcp, _submission._tcp)"
	for _, service := range services {
		if !one.AnyPort && one.TLS != service.tls {
			continue
		}
		_, records, err := net.DefaultResolver.LookupSRV(ctx, service.name, "tcp", domain+".")
		if dns, ok := errors.AsType[*net.DNSError](err); ok && len(records) == 0 {
			if !dns.IsNotFound {
				failed = fmt.Errorf("cannot look up %s: %s", one.Addr(), dns.Err)
			}
			continue
		}
		for _, r := range records {
			if r.Target == "." { // RFC 2782: decidedly not available
				none = "says in DNS that it takes no mail to send there (_" + service.name + "._tcp)"
				continue
			}
			if len(steps) == maxTargets {
				break
			}
			t, err := h.transport(cfg, whole, target(one, domain, r, service.tls))
			if err != nil {
				return nil, err
			}
			steps = append(steps, relay.Step{Ports: []*relay.Transport{t}})
		}
	}
	switch {
	case len(steps) > 0:
		return steps, nil
	case failed != nil:
		return nil, failed
	}
	return nil, fmt.Errorf("%s: the domain %s: set host to the name of the smart host", one.Addr(), none)
}

// target returns the identity with a host that an SRV record names. Nobody vouches for the record, so
// the certificate must be for the domain itself (RFC 6125, 6.2.1), or for the host where that lies
// within the domain.
func target(one *identity.Identity, domain string, r *net.SRV, mode identity.TLSMode) *identity.Identity {
	id := *one
	id.SRV, id.AnyPort, id.TLS = false, false, mode
	id.Host, id.Port = strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))
	within := strings.EqualFold(id.Host, domain) || strings.HasSuffix(strings.ToLower(id.Host), "."+strings.ToLower(domain))
	if id.TLSName == "" && !within {
		id.TLSName = domain
	}
	return &id
}
