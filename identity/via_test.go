package identity

import (
	"strings"
	"testing"
)

const viaYAML = `identities:
  - name: me@example.org
    default: true
    host: smtp.example.org
  - name: corp
    host: mail.corp.example
    match: "*@sales.example"
via:
  - match: "*@*.corp.example"
    identity: corp
  - match: [boss@a.corp.example, "*@bücher.example"]
    identity: me@example.org
`

// An address goes before all patterns, then the first pattern that fits; a domain has two spellings.
func TestVia(t *testing.T) {
	c := parseText(t, "c.yaml", viaYAML)
	for rcpt, want := range map[string]string{
		"x@a.corp.example": "corp pattern *@*.corp.example", "BOSS@A.Corp.Example": "me@example.org address boss@a.corp.example",
		"x@corp.example": "", "x@xn--bcher-kva.example": "me@example.org pattern *@bücher.example", "x@y.example": "",
	} {
		got := ""
		if id, rule := c.Via(rcpt); id != nil {
			got = id.Name + " " + rule.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", rcpt, got, want)
		}
	}
	if got := c.Unreached(); len(got) > 0 {
		t.Errorf("all are used: %q", got)
	}
}

func TestViaMistakes(t *testing.T) {
	for rules, want := range map[string]string{
		"  - match: a@b.example\n    identity: nobody\n":            "c.yaml:10: via[0].identity is not the name of an identity in this file",
		"  - match: a@b.example\n":                                  "c.yaml:9: via[0] has no identity",
		"  - identity: corp\n":                                      "c.yaml:9: via[0] has no match",
		"  - match: []\n    identity: corp\n":                       "c.yaml:9: via[0] has no match",
		"  - match: \"@b.example\"\n    identity: corp\n":           "via[0].match has nothing before its \"@\"",
		"  - match: a@b.example\n    identity:\n":                   "via[0].identity has no value",
		"  - match: a@b.example\n    identity: corp\n    host: h\n": "unknown key via[0].(not shown)",
		"  - match: a@b.example\n    identitiy: corp\n":             "unknown key via[0].identitiy; is it identity?",
		"  corp: a@b.example\n":                                     "via should be a list",
		"  - corp\n":                                                "via[0] should be made of lines",
	} {
		head, _, _ := strings.Cut(viaYAML, "via:")
		_, err := parseYAML("c.yaml", []byte(head+"via:\n"+rules), noHome)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", rules, err, want)
		}
	}
}

// What no mail can reach is told; an identity that a rule names is reached.
func TestViaUnused(t *testing.T) {
	c := parseText(t, "c.yaml", strings.Replace(viaYAML, "via:\n", "via:\n  - match: \"*@*\"\n    identity: corp\n", 1)+
		"  - match: boss@a.corp.example\n    identity: corp\n")
	got := strings.Join(c.Unreached(), "\n")
	for _, want := range []string{"match *@*.corp.example of via is never used: the rule in line 9", "match boss@a.corp.example of via is never used"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	c = parseText(t, "c.yaml", "identities:\n  - name: a\n    default: true\n    host: h\n  - name: b\n    host: i\nvia:\n  - match: x@y.example\n    identity: b\n")
	if got := c.Unreached(); len(got) > 0 {
		t.Errorf("b is reached by via: %q", got)
	}
}
