package identity

import (
	"errors"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	c := parseText(t, "c.yaml", `identities:
- {name: lists, host: h, match: ["*@lists.example.com", "bot-?@example.com"]}
- {name: all, host: h, match: ["*@example.com"]}
- {name: ann, host: h, match: [ann@example.com, Ann@Example.ORG], default: true}
- {name: idn, host: h, match: [Ann@bücher.example, "*@*.bücher.example", "*@*fé.example", "*@xn--stble-lva.example"]}
- {name: below, host: h, match: ["*.example.net", "*@*.example.org", work]}
`)
	tests := []struct{ from, name, rule string }{
		{"", "ann", "default"},
		{"ann@example.com", "ann", "address ann@example.com"}, // before the pattern of an earlier one
		{"ann@EXAMPLE.com", "ann", "address ann@example.com"},
		{"Ann@example.com", "ann", "address ann@example.com"},
		{"aNN@xn--bcher-kva.example", "idn", "address Ann@bücher.example"},
		{"ann@BÜCHER.example", "idn", "address Ann@bücher.example"},
		{"x@bücher.example", "ann", "default"},
		{"x@a.bücher.example", "idn", "pattern *@*.bücher.example"},
		{"x@A.xn--bcher-kva.example", "idn", "pattern *@*.bücher.example"},
		{"x@xn--caf-dma.example", "idn", "pattern *@*fé.example"},
		{"x@stüble.example", "idn", "pattern *@xn--stble-lva.example"},
		{"Ann@example.org", "ann", "address Ann@Example.ORG"},
		{"bob@example.com", "all", "pattern *@example.com"},
		{"bot-1@example.com", "lists", "pattern bot-?@example.com"},
		{"bot-12@example.com", "all", "pattern *@example.com"},
		{"x@lists.EXAMPLE.com", "lists", "pattern *@lists.example.com"},
		{"x@example.com.evil.test", "ann", "default"},
		{"x@notexample.com", "ann", "default"},
		{`"x@lists.example.com"@other.test`, "ann", "default"},
		{"x@a.example.net", "below", "pattern *.example.net"},
		{"x@a.example.org", "below", "pattern *@*.example.org"},
		{"x@example.org", "ann", "default"},
		{"work", "below", "address work"},
		{"Work", "below", "address work"},
		{"user", "ann", "default"},
	}
	for _, test := range tests {
		id, rule, err := c.Choose(test.from)
		if err != nil || id.Name != test.name || rule.String() != test.rule {
			t.Errorf("%s: %v by %s (%v), want %s by %s", test.from, id, rule, err, test.name, test.rule)
		}
	}
}

func TestChooseWithoutDefault(t *testing.T) {
	c := parseText(t, "c.yaml", "identities: [{name: a@x.example, host: h}, {name: b@x.example, host: h}]")
	if id, _, err := c.Choose("b@x.example"); err != nil || id.Name != "b@x.example" {
		t.Errorf("b: %v, %v", id, err)
	}
	for from, want := range map[string]string{
		"c@x.example": `c.yaml: no identity matches "c@x.example", and none is the default`,
		"":            "c.yaml: no identity is the default, and there is no sender address to choose one by",
	} {
		id, _, err := c.Choose(from)
		var ce *ConfigError
		if id != nil || !errors.As(err, &ce) || err.Error() != want || ce.Hint == "" {
			t.Errorf("%q: %v, %v, want %s", from, id, err, want)
		}
	}
}

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, yes, no string
	}{
		{"*", "|a|abc", ""},
		{"?", "a|@", "|ab"},
		{"a*c", "ac|abc|abcbc", "|a|c|abcd"},
		{"*a*b*", "ab|xaxbx|aab", "|ba|a|b"},
		{"a**", "a|ab", "|ba"},
		{"?*", "a|ab", ""},
	}
	for _, test := range tests {
		for i, list := range []string{test.yes, test.no} {
			if i == 1 && list == "" {
				continue
			}
			for _, s := range strings.Split(list, "|") {
				if got := glob(test.pattern, s); got != (i == 0) {
					t.Errorf("%q with %q: %t", test.pattern, s, got)
				}
			}
		}
	}
	// A pattern that takes exponential time in a naive matcher.
	if glob(strings.Repeat("*a", 30)+"*b", strings.Repeat("a", 5000)) {
		t.Error("matched without a b")
	}
}

func TestReversePath(t *testing.T) {
	given := func(s string) *string { return &s }
	plain := "name: ann@example.com, match: [ann@example.com, '*@example.com'], host: h"
	nameless := "name: work, match: [], host: h"
	tests := []struct {
		name, settings string
		given          *string
		from, want     string
	}{
		{"null stays null", plain, given(""), "ann@example.com", ""},
		{"null stays null though forced", plain + ", reverse_path: f@example.com", given(""), "", ""},
		{"forced over given", plain + ", reverse_path: f@example.com", given("x@y.example"), "ann@example.com", "f@example.com"},
		{"forced with login", plain + ", reverse_path: '%u@example.com'", nil, "", "login@example.com"},
		{"given", plain, given("x@y.example"), "ann@example.com", "x@y.example"},
		{"From: matches the address", plain, nil, "ann@example.com", "ann@example.com"},
		{"From: matches the pattern", plain, nil, "bob@example.com", "bob@example.com"},
		{"From: does not match", plain, nil, "x@y.example", "ann@example.com"},
		{"no From:", plain, nil, "", "ann@example.com"},
		{"From: without domain", plain, nil, "root", "ann@example.com"},
		{"address among the matches", "name: work, match: ['*@x.example', w@x.example], host: h", nil, "", "w@x.example"},
		{"no own address, From:", nameless, nil, "x@y.example", "x@y.example"},
		{"no own address, no From:", nameless, nil, "", "login@laptop"},
		{"no own address, From: without domain", nameless, nil, "root", "login@laptop"},
		{"cron gives the login name", plain, given("login"), "login", "ann@example.com"},
		{"cron, no own address", nameless, given("login"), "", "login@laptop"},
		{"cron, qualified", nameless + ", qualify_domain: example.com", given("login"), "", "login@example.com"},
		{"another's name", plain, given("root"), "", "root@laptop"},
		{"another's name, qualified", plain + ", qualify_domain: example.com", given("root"), "", "root@example.com"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := parseText(t, "c.yaml", "identities: [{"+test.settings+"}]")
			sender := test.from
			if test.given != nil {
				sender = *test.given
			}
			id, rule, err := c.Choose(sender)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.ReversePath(id, rule, test.given, test.from, "login", "laptop"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestExpand(t *testing.T) {
	for s, want := range map[string]string{
		"":                   "",
		"%u":                 "ann",
		"%u@%u.example":      "ann@ann.example",
		"100%%":              "100%",
		"%%u":                "%u",
		"a%xb":               "ab",
		"a%":                 "a",
		"Ann <%u@a.example>": "Ann <ann@a.example>",
	} {
		if got := Expand(s, "ann"); got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
	}
}
