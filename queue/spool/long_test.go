package spool

import (
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"
)

// An envelope that is read in pieces is read as one that is read at once, whatever its states, and
// damage at any place is found.
func TestLongEnvelope(t *testing.T) {
	for _, n := range []int{490, 511, 512, 513, 3000} {
		q := newQueue(t)
		var to []string
		for i := range n {
			to = append(to, fmt.Sprintf("recipient%d@example.com", i))
		}
		id := submit(t, q, to...)
		e, err := q.OpenEntry(id)
		if err != nil {
			t.Fatal(err)
		}
		var which []int
		var reports []Report
		for i := range n {
			report := Report{Action: Delayed, Scope: ScopeRecipient, Code: 450, Status: "4.2.1", Text: fmt.Sprint("busy ", i/7), Host: "mx"}
			switch i % 5 {
			case 0:
				continue
			case 1:
				report.Action = Relayed
			case 2:
				report.Action, report.Status = Failed, "5.1.1"
			case 3:
				report.Unsure = true
			}
			which, reports = append(which, i), append(reports, report)
		}
		if err := e.record(&Attempt{Entry: e, Recipients: which, Reports: reports, Next: time.Now()}, time.Now()); err != nil {
			t.Fatal(err)
		}
		e.Close()
		path := q.path(id + "/envelope")
		b, err := os.ReadFile(path)
		if err != nil || len(b) <= wholeEnvelope && n > 600 {
			t.Fatal(len(b), err)
		}
		want := &Message{ID: id}
		at, err := decodeEnvelope(b, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := q.Read(id)
		want.birth = got.birth
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%d recipients: %v, or another message", n, err)
		}
		for _, spoil := range []func(b []byte) []byte{
			func(b []byte) []byte { return b[:len(b)-1] },
			func(b []byte) []byte { return b[:len(b)/2] },
			func(b []byte) []byte { return append(b, b[len(b)-recipientLine:]...) },
			func(b []byte) []byte { b[at/2] ^= 1; return b },
			func(b []byte) []byte { b[at+int64(letterAt)] = '?'; return b },
			func(b []byte) []byte { b[len(b)-recipientLine+letterAt] = '?'; return b },
			func(b []byte) []byte { return []byte{} },
		} {
			if err := os.WriteFile(path, spoil(append([]byte(nil), b...)), 0o600); err != nil {
				t.Fatal(err)
			}
			if m, err := q.Read(id); err == nil {
				t.Errorf("%d recipients: damage is not seen: %d recipients", n, len(m.Progress))
			}
		}
	}
}
