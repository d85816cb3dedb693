package door

import (
	"testing"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/queue/spool"
)

// An age that is zero, negative or too large is a mistake, and never means any age.
func TestChoiceOlder(t *testing.T) {
	for text, want := range map[string]time.Duration{"30m": 30 * time.Minute, "12h": 12 * time.Hour, "3d": 72 * time.Hour, "100000d": 2400000 * time.Hour} {
		c, _, err := ParseChoice([]string{"all", "--older", text})
		if err != nil || c.older != want {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
	for _, text := range []string{"200000d", "+3d", "106752d", "9223372036854775807d", "-1d", "-3h", "0", "0d", "0s", "1e3d", "d", "5", "soon"} {
		if c, _, err := ParseChoice([]string{"all", "--older=" + text}); err == nil {
			t.Errorf("%s: %+v", text, c)
		}
	}
}

func TestChoiceNamed(t *testing.T) {
	for _, test := range []struct {
		named bool
		args  []string
	}{
		{true, []string{"00AB"}},
		{true, []string{"00AB", "00CD"}},
		{true, []string{"last"}},
		{false, nil},
		{false, []string{"all"}},
		{false, []string{"all", "00AB"}},
		{false, []string{"--sender", "x"}},
		{false, []string{"last", "--older", "1d"}},
	} {
		c, _, err := ParseChoice(test.args)
		if err != nil || c.Named() != test.named {
			t.Errorf("%q: %t, %v", test.args, c.Named(), err)
		}
	}
}

// Everything that a choice says of a message must hold, in words and as selections of -q.
func TestChoiceFilter(t *testing.T) {
	sender := "One@example.org"
	m := &spool.Message{ID: "00AB", Envelope: spool.Envelope{
		ReversePath: &sender, Recipients: []spool.Recipient{{Address: "friend@example.net"}}, Arrival: time.Now().Add(-time.Hour),
	}}
	for _, test := range []struct {
		want bool
		args []string
		also []argv.Selection
	}{
		{true, []string{"--sender", "one@"}, nil},
		{false, []string{"--sender", "two@"}, nil},
		{true, []string{"--recipient", "NET", "--older", "30m"}, nil},
		{false, []string{"--recipient", "NET", "--older", "2h"}, nil},
		{false, []string{"--recipient", "NET", "--sender", "two@"}, nil},
		{true, nil, []argv.Selection{{By: 'I', Substr: "0a"}}},
		{false, nil, []argv.Selection{{By: 'R', Substr: "friend", Not: true}}},
		{false, []string{"--sender", "one@"}, []argv.Selection{{By: 'R', Substr: "other"}}},
	} {
		c, _, err := ParseChoice(test.args)
		if err != nil {
			t.Fatal(err)
		}
		c.Narrow(test.also...)
		if filter, err := c.Filter(nil); err != nil || filter(m) != test.want {
			t.Errorf("%q %v: not %t (%v)", test.args, test.also, test.want, err)
		}
	}
	if filter, err := (&Choice{}).Filter(nil); filter != nil || err != nil {
		t.Error("nothing chosen is not everything")
	}
}
