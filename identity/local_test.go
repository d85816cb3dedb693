package identity

import (
	"fmt"
	"testing"
)

func TestResolve(t *testing.T) {
	const aliases = `
local_domains: [home.example., bücher.example]
aliases: {root: ann@example.org, admin: ROOT, webmaster: joe, list: joe@Home.Example}
identities: [{name: a@example.org, host: h}]
`
	for mda, tests := range map[string][]struct{ in, want string }{
		"mda: procmail": {
			{"joe", "joe local bare"},
			{"joe@example.org", "joe@example.org"},
			{"joe@localhost", "joe local"},
			{"joe@LocalHost", "joe local"},
			{"joe@localhost.localdomain", "joe local"},
			{"joe@127.0.0.1", "joe local"},
			{"joe@[127.0.0.1]", "joe local"},
			{"joe@[127.1.2.3]", "joe local"},
			{"joe@[::1]", "joe local"},
			{"joe@[IPv6:::1]", "joe local"},
			{"joe@[ipv6:0:0:0:0:0:0:0:1]", "joe local"},
			{"joe@[192.0.2.1]", "joe@[192.0.2.1]"},
			{"joe@[IPv6:2001:db8::1]", "joe@[IPv6:2001:db8::1]"},
			{"joe@localhost.example.org", "joe@localhost.example.org"},
			{"joe@HOME.example", "joe local"},
			{"joe@not.home.example", "joe@not.home.example"},
			{"joe@xn--bcher-kva.example", "joe local"},
			{`"joe smith"@localhost`, `"joe smith" local`},
			{`"joe@localhost"`, `"joe@localhost" local bare`},
			{`"joe@localhost"@example.org`, `"joe@localhost"@example.org`},
			{"root", "ann@example.org"},
			{"Root@localhost", "ann@example.org"},
			{"admin@home.example", "ann@example.org"},
			{"root@example.org", "root@example.org"},
			{"webmaster", "joe local bare"},
			{"list", "joe local"},
		},
		"": {
			{"joe", "joe local bare"},
			{"joe@localhost", "joe@localhost"},
			{"joe@home.example", "joe@home.example"},
			{"root@localhost", "ann@example.org"},
			{"admin", "ann@example.org"},
			{"list", "joe@Home.Example"},
		},
	} {
		c := parseText(t, "c.yaml", mda+aliases)
		for _, test := range tests {
			address, local, bare := c.Resolve(test.in)
			got := address
			if local {
				got += " local"
			}
			if bare {
				got += " bare"
			}
			if got != test.want {
				t.Errorf("%q, %s: got %s, want %s", mda, test.in, got, test.want)
			}
		}
	}
}

// Circles are found whatever else there is, and chains of any length are followed to their end.
func TestLongChainsOfAliases(t *testing.T) {
	text := "aliases:\n"
	for i := range 1000 {
		text += fmt.Sprintf("  a%d: a%d\n", i, i+1)
	}
	c := parseText(t, "c.yaml", text+"  a1000: end@example.org\nidentities: [{name: a@example.org, host: h}]")
	if got, _, _ := c.Resolve("a0"); got != "end@example.org" {
		t.Errorf("a0 leads to %s", got)
	}
	if _, err := parse("c.yaml", []byte(text+"  a1000: a500\nidentities: [{name: a@example.org, host: h}]"), noHome); err == nil {
		t.Error("a circle is accepted")
	}
}
