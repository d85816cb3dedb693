package spool

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// What the scanner reads, it reads as encoding/json does.
func FuzzScanner(f *testing.F) {
	null := ""
	for _, env := range []*Envelope{
		{Version: 1, Arrival: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), From: "a@example.org", Recipients: []Recipient{{Address: "b@example.org"}}, Size: 1, SHA256: "ab"},
		{Version: 2, NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Grace: 30, Arrival: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), Size: 1, SHA256: "ab"},
		{Version: 1, ReversePath: &null, Recipients: []Recipient{{Address: `"a b"@x`, Notify: "NEVER"}, {Address: "grüße@x"}}, EightBit: true, UTF8: true, MaxLine: 99},
	} {
		b, err := json.Marshal(env)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(b, '\n'))
	}
	f.Add(appendMessageLine(nil, &Message{Attempts: 3, Last: time.Unix(5, 0)}))
	f.Add(appendRecipientLine(nil, &Progress{State: Deferred, Time: time.Unix(7, 0), Code: 450, Status: "4.2.0", Host: "h", Text: "later"}))
	f.Add([]byte(`{"size":1e3}`))
	f.Add([]byte(`{"size":-0,"size":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, fast := &scanner{b: b}, Envelope{}
		s.object(func(name []byte) { s.envelopeMember(&fast, name) })
		var slow Envelope
		if s.done() {
			if err := json.Unmarshal(b, &slow); err != nil || !reflect.DeepEqual(fast, slow) {
				t.Errorf("envelope %q: %+v, encoding/json: %+v, %v", b, fast, slow, err)
			}
		}
		var m, m2 messageJSON
		if readMessageJSON(b, &m) == nil && json.Unmarshal(b, &m2) == nil && m != m2 {
			t.Errorf("message %q: %+v, encoding/json: %+v", b, m, m2)
		}
		var p, p2 progressJSON
		if readRecipientJSON(b, &p) == nil && json.Unmarshal(b, &p2) == nil && p != p2 {
			t.Errorf("recipient %q: %+v, encoding/json: %+v", b, p, p2)
		}
	})
}

// The usual files are read without encoding/json.
func TestScannerKnowsOurLines(t *testing.T) {
	b, err := encodeEnvelope(&Envelope{Version: 1, Arrival: time.Now(), From: "a@example.org", Recipients: []Recipient{{Address: "b@example.org"}}, SHA256: "00"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := cutLine(b)
	_, rest, _ = cutLine(rest)
	s := &scanner{b: first}
	s.object(func(name []byte) { s.envelopeMember(&Envelope{}, name) })
	if !s.done() {
		t.Errorf("envelope: stopped before %q", s.b)
	}
	m, r := messageJSON{}, progressJSON{}
	if allocs := testing.AllocsPerRun(10, func() { readMessageJSON(rest[:messageLine], &m) }); allocs > 2 {
		t.Errorf("message: %v allocations, as encoding/json", allocs)
	}
	if allocs := testing.AllocsPerRun(10, func() { readRecipientJSON(rest[messageLine:], &r) }); allocs > 2 {
		t.Errorf("recipient: %v allocations, as encoding/json", allocs)
	}
}

// An envelope written without encoding/json is what encoding/json would have written.
func FuzzWriter(f *testing.F) {
	f.Add(int64(1e18), "a@example.org", "b@example.org", "NEVER", "250 ok", 7, true)
	f.Add(int64(-5), `"a b"@x`, "grüße@x", "<&>\u2028", "\x1b\xff", 0, false)
	f.Add(int64(0), "", "", "", "", -1, true)
	f.Fuzz(func(t *testing.T, nano int64, a, b, c, d string, n int, on bool) {
		env := &Envelope{Version: n, Arrival: time.Unix(0, nano).UTC(), From: a, Recipients: []Recipient{{Address: b, Notify: c}, {Address: a}},
			Return: c, EnvelopeID: d, Body: a, RequireTLS: on, Config: b, Notice: on, Legacy: d, Size: nano, Lines: int64(n), EightBit: on, UTF8: !on, MaxLine: -nano, SHA256: d}
		if on {
			env.ReversePath, env.Remarks = &c, []string{a, d}
		}
		same(t, env, appendEnvelopeJSON(nil, env))
		m := &messageJSON{State: a, Attempts: n, Last: nano, Next: int64(n), Told: on}
		same(t, m, m.appendJSON(nil))
		p := &progressJSON{State: a, Time: nano, Code: n, Status: b, Host: c, Text: d, Told: int64(n)}
		same(t, p, p.appendJSON(nil))
	})
}

func same(t *testing.T, v any, got []byte) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s\nencoding/json: %s", got, want)
	}
}
