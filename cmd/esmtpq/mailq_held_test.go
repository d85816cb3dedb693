package main

import (
	"testing"

	"esmtpq/queue"
)

// A message that is held because the host may have it says so; one that its owner holds says no more than that.
func TestHeldSaysWhy(t *testing.T) {
	lost := queue.Progress{State: queue.Unsure, Text: "connection lost", Unsure: 3}
	tests := []struct {
		held bool
		p    queue.Progress
		want string
	}{
		{true, lost, "held: possibly delivered 3 times: connection lost"},
		{false, lost, "possibly delivered 3 times: connection lost"},
		{true, queue.Progress{State: queue.Deferred, Text: "busy"}, "held"},
		{true, queue.Progress{State: queue.Untried}, "held"},
	}
	for _, test := range tests {
		m := &queue.Message{Held: test.held, Progress: []queue.Progress{test.p}}
		if got := why(m, &m.Progress[0]); got != test.want {
			t.Errorf("held %v, %c: %q, want %q", test.held, test.p.State, got, test.want)
		}
	}
}
