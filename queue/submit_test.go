package queue

import "testing"

func TestEmptyContentIsAMessage(t *testing.T) {
	q := newQueue(t)
	commit(t, q, envelopeFor("a@example.com"), "")
	h := &fakeHost{}
	runQueue(t, q, one(h), everything)
	if len(h.contents) != 1 || h.contents[0] != "" {
		t.Errorf("sent %q", h.contents)
	}
}
