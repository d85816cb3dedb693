package clients

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// viaPerson is a person with a host for all mail and one for recipients at corp.example.
func viaPerson(t *testing.T, own, corp string) *stage.Person {
	p := stage.NewPerson(t)
	p.Write(".config/esmtpq/config.yaml", fmt.Sprintf(`identities:
  - name: me@example.org
    default: true
    host: %s
    sender: Me <me@example.org>
  - name: corp
    host: %s
    match: me@corp.example
  - name: forced
    host: %s
    reverse_path: robot@forced.example
via:
  - match: "*@corp.example"
    identity: corp
  - match: "*@forced.example"
    identity: forced
`, own, corp, corp))
	return p
}

// Each recipient goes by its own host, once and in order, as the sender that the mail has; a host that
// is down keeps only its own recipients.
func TestViaAnotherHost(t *testing.T) {
	own, corp := stage.NewSmartHost(t), stage.NewSmartHost(t)
	p := viaPerson(t, own.Addr, corp.Addr)
	for i := range 5 {
		p.Run(fmt.Sprintf("Subject: %d\n\n", i), "sendmail", "-f", "me@example.org", "a@corp.example", "b@example.net", "C@CORP.example", "d@forced.example")
	}
	p.Run("Subject: 5\n\n", "sendmail", "-f", "me@corp.example", "a@corp.example", "b@example.net")
	p.Deliver()
	own.Received()[0].Is(t, "me@example.org", "b@example.net")
	subjects := func(h *stage.SmartHost, from string) (all []string) {
		for _, m := range h.Received() {
			if m.From == from {
				all = append(all, m.Parse(t).Header.Get("Subject")+" "+strings.Join(m.To, ","))
			}
		}
		return all
	}
	want := func(to string) (all []string) {
		for i := range 5 {
			all = append(all, fmt.Sprintf("%d %s", i, to))
		}
		return all
	}
	for _, c := range []struct {
		host *stage.SmartHost
		from string
		want []string
	}{
		{own, "me@example.org", want("b@example.net")},
		{corp, "me@example.org", want("a@corp.example,C@CORP.example")},
		{corp, "robot@forced.example", want("d@forced.example")},
		{corp, "me@corp.example", []string{"5 a@corp.example,b@example.net"}},
	} {
		if got := subjects(c.host, c.from); !slices.Equal(got, c.want) {
			t.Errorf("from %s: %q, want %q", c.from, got, c.want)
		}
	}
	if sender := corp.Received()[0].Parse(t).Header.Get("Sender"); sender != "Me <me@example.org>" {
		t.Errorf("Sender: %q", sender)
	}
}

// A host that is down keeps its own recipients and no others, and they go by it later.
func TestViaHostThatIsDown(t *testing.T) {
	own := stage.NewSmartHost(t)
	p := viaPerson(t, own.Addr, stage.DeadAddress(t))
	p.Run("x\n", "sendmail", "a@corp.example", "b@example.net")
	if r := p.Try("", "deliver"); r.Code != 75 || !strings.Contains(r.Stderr, "corp: cannot connect") {
		t.Errorf("exit %d: %s", r.Code, r.Stderr)
	}
	own.One(t).Is(t, "me@example.org", "b@example.net")
	corp := stage.NewSmartHost(t)
	text := strings.SplitAfter(stage.Read(t, p.Path(".config/esmtpq/config.yaml")), "name: corp\n    host: ")
	_, rest, _ := strings.Cut(text[1], "\n")
	p.Write(".config/esmtpq/config.yaml", text[0]+corp.Addr+"\n"+rest)
	p.Deliver()
	corp.One(t).Is(t, "me@example.org", "a@corp.example")
	own.One(t)
}

// It is explained, and a sender that nothing matches can send by it.
func TestViaIsExplained(t *testing.T) {
	p := viaPerson(t, "own.example", "corp.example")
	out := p.Run("", "esmtpq", "explain", "-f", "me@example.org", "a@corp.example", "b@forced.example", "c@example.net")
	for _, want := range []string{
		"identity:      me@example.org, chosen by address me@example.org\n  via:           corp, by pattern *@corp.example of via\n",
		"reverse-path:  <me@example.org>, as given\n  smart host:    corp.example, port 465 or 587\n",
		"via:           forced, by pattern *@forced.example of via\n",
		"reverse-path:  <robot@forced.example>, forced by the identity\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Count(out, "  via:") != 2 || strings.Contains(out, "note:") {
		t.Errorf("%s", out)
	}
	p.Write(".config/esmtpq/config.yaml", strings.Replace(stage.Read(t, p.Path(".config/esmtpq/config.yaml")), "    default: true\n", "", 1))
	out = p.Run("", "esmtpq", "explain", "-f", "who@else.example", "a@corp.example")
	if !strings.Contains(out, "reverse-path:  <who@else.example>") {
		t.Errorf("%s", out)
	}
	p.Try("", "esmtpq", "explain", "-f", "who@else.example", "a@example.net")
}
