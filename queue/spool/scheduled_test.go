package spool

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// An entry with a time has a version that older programs do not know, others have the old one; both are
// read, and written as encoding/json would.
func TestScheduledEntries(t *testing.T) {
	q := newQueue(t)
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		env  Envelope
		head string
	}{
		{Envelope{}, `{"version":1,`}, {Envelope{NotBefore: at}, `{"version":2,`}, {Envelope{Grace: 30}, `{"version":2,`},
	} {
		w, err := q.NewWriter()
		if err != nil {
			t.Fatal(err)
		}
		c.env.Recipients = []Recipient{{Address: "a@example.net"}}
		id, err := w.Commit(&c.env)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(q.Dir + "/" + id + "/envelope")
		line, _, _ := strings.Cut(string(b), "\n")
		if want, _ := json.Marshal(&c.env); err != nil || line != string(want) || !strings.HasPrefix(line, c.head) {
			t.Errorf("%s, want %s, %v", line, want, err)
		}
		m, err := q.Read(id)
		if err != nil || !m.Envelope.NotBefore.Equal(c.env.NotBefore) || m.Envelope.Grace != c.env.Grace {
			t.Errorf("%+v, %v", m, err)
		}
	}
}

// When the next mail is to be sent is noted and read back; what is no time is none.
func TestScheduleFile(t *testing.T) {
	q := newQueue(t)
	at := time.Date(2030, 1, 2, 3, 4, 5, 600, time.UTC)
	if err := q.SetSchedule(at); err != nil || !q.Schedule().Equal(at.Truncate(time.Second).Add(time.Second)) {
		t.Errorf("%v, %v", q.Schedule(), err)
	}
	for _, text := range []string{"", "x", "-5\n", "99999999999999999999999999\n", "{}"} {
		if err := os.WriteFile(q.Dir+"/"+scheduleFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := q.Schedule(); !got.IsZero() {
			t.Errorf("%q: %v", text, got)
		}
	}
	if err := q.SetSchedule(at); err != nil {
		t.Error(err)
	}
	if err := q.SetSchedule(time.Time{}); err != nil || !q.Schedule().IsZero() {
		t.Errorf("%v, %v", q.Schedule(), err)
	}
	a := q.TryAlarm()
	if b := q.TryAlarm(); a == nil || b != nil {
		t.Errorf("%v and %v have the lock", a, b)
	}
	a.Close()
}
