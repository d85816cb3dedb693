package identity

import (
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	for _, test := range []struct{ settings, want string }{
		{"hosts: [a.example, 'b.example:465', '[2001:db8::1]:25']", "a.example:587 starttls, b.example:465 implicit, [2001:db8::1]:25 starttls"},
		{"hosts: [localhost, b.example], tunnel: ssh gateway", "localhost:587 off, b.example:587 starttls"},
		{"hosts: ['srv:example.org', b.example, c.example]", "srv:example.org implicit, b.example:587 starttls, c.example:587 starttls"},
		{"host: 'srv:example.org.'", "srv:example.org implicit"},
		{"host: example.org, srv: true, tls: starttls", "srv:example.org starttls"},
		{"host: smtp.example.org", "smtp.example.org:587 starttls"},
		{"hosts: [a.example, b.example], port: 2525, tls: opportunistic", "a.example:2525 opportunistic, b.example:2525 opportunistic"},
		{"hosts: [/run/smtp, localhost]", "/run/smtp off, localhost:587 off"},
		{"hosts: [a.example], tls: implicit", "a.example:465 implicit"},
		{"hosts: [a.example, b.example], tunnel: ssh gateway", "a.example:587 starttls, b.example:587 starttls"},
	} {
		c := parseText(t, "c.yaml", "identities: [{name: ann@example.com, username: ann, "+test.settings+"}]")
		var got []string
		for _, one := range c.Identities[0].Each() {
			got = append(got, one.Addr()+" "+one.TLS.String())
			if one.Name != "ann@example.com" || one.Username != "ann" {
				t.Errorf("%+v", one)
			}
		}
		if got := strings.Join(got, ", "); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.settings, got, test.want)
		}
		checkRoundTrip(t, c)
	}
}

func TestHostsErrors(t *testing.T) {
	for _, test := range []struct{ settings, want string }{
		{"hosts: [a]\n  host: b", "c.yaml:4: identities[0] has both hosts and host"},
		{"hosts: [a]\n  preconnect: x", "c.yaml:4: identities[0] has both hosts and preconnect"},
		{"hosts: [a]\n  postconnect: x", "c.yaml:4: identities[0] has both hosts and postconnect"},
		{"hosts: a", "c.yaml:3: identities[0].hosts should be a list, like [smtp1.example.org, smtp2.example.org]"},
		{"hosts: []", "c.yaml:3: identities[0].hosts should be a list, like [smtp1.example.org, smtp2.example.org]"},
		{"hosts:\n  - a\n  - a:587", "c.yaml:5: identities[0].hosts has this host twice, first in line 4"},
		{"hosts:\n  - a\n  - b/" + canary, "c.yaml:5: identities[0].host is no host name"},
		{"hosts:\n  - a\n  - b:25\n  port: 26", "c.yaml:6: identities[0] has a port here and another one in host"},
		{"host: srv:a\n  port: 25", "c.yaml:4: identities[0] has both srv and port"},
		{"host: a\n  srv: true\n  tunnel: ssh g", "c.yaml:5: identities[0] has both srv and tunnel"},
		{"host: srv:a:25", "c.yaml:3: identities[0].host should be a domain behind srv:"},
		{"host: srv:192.0.2.1", "c.yaml:3: identities[0].host should be a domain behind srv:"},
		{"host: srv:a\n  tls: off", "c.yaml:4: identities[0].tls should be implicit or starttls with srv"},
		{"hosts: [a, [b]]", "c.yaml:3: identities[0].hosts[1] should be a single text"},
	} {
		checkYAMLError(t, "identities:\n- name: x\n  "+test.settings+"\n", test.want)
	}
}
