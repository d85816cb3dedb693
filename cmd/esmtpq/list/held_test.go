package list

import (
	"testing"

	"esmtpq/queue/spool"
)

// A message that is held because the host may have it says so; one that its owner holds says no more than that.
func TestHeldSaysWhy(t *testing.T) {
	lost := spool.Progress{State: spool.Unsure, Text: "connection lost", Unsure: 3}
	tests := []struct {
		held bool
		p    spool.Progress
		want string
	}{
		{true, lost, "held: possibly delivered 3 times: connection lost"},
		{false, lost, "possibly delivered 3 times: connection lost"},
		{true, spool.Progress{State: spool.Deferred, Text: "busy"}, "held"},
		{true, spool.Progress{State: spool.Untried}, "held"},
	}
	for _, test := range tests {
		m := &spool.Message{Held: test.held, Progress: []spool.Progress{test.p}}
		if got := why(m, &m.Progress[0]); got != test.want {
			t.Errorf("held %v, %c: %q, want %q", test.held, test.p.State, got, test.want)
		}
	}
}
