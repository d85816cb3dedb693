package list

import (
	"testing"

	"esmtpq/queue/spool"
)

// The list says so if a message is held because it may have been delivered; for one that its
// owner holds, it only says that.
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
