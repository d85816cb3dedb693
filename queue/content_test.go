package queue

import (
	"strings"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// Damage found while the content is sent delays the message, and the next goes out.
func TestTransportIsToldOfDamage(t *testing.T) {
	q := newQueue(t)
	id := commit(t, q, envelopeFor("a@example.com"), body(smallContent+1))
	flipBit(t, file(q, id, "mail"), 5)
	good := submit(t, q, "a@example.com")
	runQueue(t, q, one(&fakeHost{}), everything)
	if m := read(t, q, id); letters(m) != "d" || !strings.Contains(m.Progress[0].Text, "damaged") ||
		m.Progress[0].Status != spool.StatusDamaged || !strings.Contains(m.Progress[0].Text, "esmtpq rm "+id) {
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

// Damage expires by the schedule, and is told of when it does; but what nobody can read is never
// deleted.
func TestDamageExpires(t *testing.T) {
	for _, size := range []int{10, smallContent + 1} {
		q, l := newQueue(t), &listener{}
		env := envelopeFor("a@example.com")
		env.Arrival = time.Now().Add(-6 * day)
		id := commit(t, q, env, body(size))
		flipBit(t, file(q, id, "mail"), 5)
		run := RunOptions{All: true, Notifier: l}
		runQueue(t, q, one(&fakeHost{}), run)
		l.hears(t, "stuck a@example.com")
		setMessage(t, q, id, func(m *spool.Message) { m.First = m.Envelope.Arrival })
		runQueue(t, q, one(&fakeHost{}), run)
		l.hears(t, "lost a@example.com")
		if m := read(t, q, id); letters(m) != "f" {
			t.Errorf("%d octets: left as %+v", size, m)
		}
		run.Limits.KeepFailed = time.Nanosecond
		run.Attended = true
		for range 2 {
			runQueue(t, q, one(&fakeHost{}), run)
		}
		if _, err := q.Read(id); err != nil && size < smallContent {
			t.Errorf("%d octets: %v", size, err)
		}
	}
}
