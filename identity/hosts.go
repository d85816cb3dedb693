package identity

import (
	"fmt"
	"maps"
	"strings"

	"esmtpq/identity/tree"
)

// A Fallback is a further smart host of an identity, with what depends on the host.
type Fallback struct {
	Host, Port string // as those of Identity
	TLS        TLSMode
	AnyPort    bool
	SRV        bool
}

// Each returns the identity once for each of its smart hosts, in order; the first is the identity
// itself.
func (id *Identity) Each() []*Identity {
	all := []*Identity{id}
	for _, f := range id.Fallbacks {
		one := *id
		one.Host, one.Port, one.TLS, one.AnyPort, one.SRV, one.Fallbacks = f.Host, f.Port, f.TLS, f.AnyPort, f.SRV, nil
		all = append(all, &one)
	}
	return all
}

// srvPrefix begins a host that is a domain with SRV records.
const srvPrefix = "srv:"

// Written returns the host as YAML has it.
func (id *Identity) Written() string {
	switch {
	case id.SRV:
		return srvPrefix + id.Host
	case id.AnyPort:
		return joinHost(id.Host, "")
	}
	return id.Addr()
}

// finishSRV checks a host that is a domain with SRV records.
func (r *yamlReader) finishSRV(id *Identity, path string, seen map[string]*tree.Node, lineOf func(string) int) {
	id.Host, id.Port = strings.TrimSuffix(id.Host, "."), ""
	for _, key := range [...]string{"port", "tunnel", "proxy", "preconnect"} {
		if seen[key] != nil {
			r.fail(lineOf(key), "%s has both srv and %s", path, key)
		}
	}
	if text := badHost(id.Host); text != "" || isIPAddress(id.Host) {
		r.fail(lineOf("host"), "%s.host should be a domain behind srv:", path)
	}
	switch {
	case seen["tls"] == nil:
		id.TLS, id.AnyPort = TLSImplicit, true
	case id.TLS != TLSImplicit && id.TLS != TLSStartTLS:
		r.fail(lineOf("tls"), "%s.tls should be implicit or starttls with srv", path)
	}
}

// finishHosts reads a list of smart hosts, each as if it were the only one.
func (r *yamlReader) finishHosts(id *Identity, path string, seen map[string]*tree.Node, lineOf func(string) int) {
	list := seen["hosts"]
	for _, key := range [...]string{"host", "preconnect", "postconnect"} {
		if seen[key] != nil {
			r.fail(lineOf(key), "%s has both hosts and %s", path, key)
			return
		}
	}
	if list.Kind != tree.List || len(list.Items) == 0 {
		r.fail(list.Line, "%s.hosts should be a list, like [smtp1.example.org, smtp2.example.org]", path)
		return
	}
	lines := map[string]int{}
	for i, item := range list.Items {
		one := *id
		if one.Host = r.text(item, fmt.Sprintf("%s.hosts[%d]", path, i)); one.Host == "" {
			return // reported
		}
		as := maps.Clone(seen)
		as["host"] = item
		r.finishHost(&one, path, as, func(key string) int {
			if key == "host" {
				return item.Line
			}
			return lineOf(key)
		})
		if line := lines[one.Addr()]; line > 0 {
			r.fail(item.Line, "%s.hosts has this host twice, first in line %d", path, line)
		}
		lines[one.Addr()] = item.Line
		if i == 0 {
			defer func() {
				id.Host, id.Port, id.TLS, id.AnyPort, id.SRV = one.Host, one.Port, one.TLS, one.AnyPort, one.SRV
			}()
			continue
		}
		id.Fallbacks = append(id.Fallbacks, Fallback{one.Host, one.Port, one.TLS, one.AnyPort, one.SRV})
	}
}

// addHosts adds the hosts of an identity with several. If their TLS modes differ, these are those of
// their ports, and need not be written.
func addHosts(n *tree.Node, id *Identity) {
	var hosts []string
	same := true
	for _, one := range id.Each() {
		hosts = append(hosts, one.Written())
		same = same && one.TLS == id.TLS && !one.AnyPort
	}
	add(n, "hosts", textList(hosts))
	if same {
		addPlain(n, "tls", id.TLS.String())
	}
}
