package queue

import (
	"strings"
	"testing"
)

// Damage found while the content is sent delays the message, and the next goes out.
func TestTransportIsToldOfDamage(t *testing.T) {
	q := newQueue(t)
	id := commit(t, q, envelopeFor("a@example.com"), body(smallContent+1))
	flipBit(t, file(q, id, "mail"), 5)
	good := submit(t, q, "a@example.com")
	runQueue(t, q, one(&fakeHost{}), everything)
	if m := read(t, q, id); letters(m) != "d" || !strings.Contains(m.Progress[0].Text, "damaged") {
		t.Errorf("left as %+v", m.Progress)
	}
	if _, err := q.Read(good); err == nil {
		t.Error("the message behind it was not sent")
	}
}

// smallContent is the size up to which a content is checked before anything of it is sent.
const smallContent = 256 << 10

// body returns content of n octets in lines.
func body(n int) string {
	return strings.Repeat("Line after line, until there are enough of them.\n", n/49+1)[:n-1] + "\n"
}
