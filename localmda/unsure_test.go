package localmda

import (
	"strings"
	"testing"
	"time"
)

// An agent that is stopped may have taken the message if it had been given the message's end.
func TestStoppedAgentMayHaveTakenIt(t *testing.T) {
	for _, test := range []struct {
		command string
		unsure  bool
	}{
		{"cat >/dev/null; sleep 600", true},
		{"read line; sleep 600", false},
	} {
		a := newAgent(t, test.command)
		a.Timeout = 1500 * time.Millisecond // cat has to read it all, on a busy machine
		d := mail("A1", "bob")
		d.Content = &fakeContent{text: strings.Repeat("more than a pipe holds\n", 1<<16)}
		if r := run(a, d).reports[0]; r.Unsure != test.unsure {
			t.Errorf("%s: unsure %v, want %v: %s", test.command, r.Unsure, test.unsure, r.Text)
		}
	}
}
