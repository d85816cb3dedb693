package spool

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var oddTexts = map[string]string{
	"empty":               "",
	"plain":               "mailbox busy",
	"quotes":              strings.Repeat(`"`, 10_000),
	"backslashes":         strings.Repeat(`\`, 10_000),
	"angle brackets":      strings.Repeat("<&>", 10_000),
	"control characters":  strings.Repeat("\x00\x01\x1b[2J\x7f", 2_000),
	"line ends":           strings.Repeat("one\r\ntwo\n", 1_000),
	"not UTF-8":           strings.Repeat("\xff\xfe\xc3", 3_000),
	"line separators":     strings.Repeat("\u2028\u2029\u202e", 3_000),
	"four octets, cut 1":  "x" + strings.Repeat("\U0001F4EB", 3_000),
	"four octets, cut 2":  "xx" + strings.Repeat("\U0001F4EB", 3_000),
	"four octets, cut 3":  "xxx" + strings.Repeat("\U0001F4EB", 3_000),
	"fits by one octet":   strings.Repeat("x", 299),
	"fits exactly":        strings.Repeat("x", 300),
	"is one octet longer": strings.Repeat("x", 301),
}

func TestProgressAlwaysFitsItsLine(t *testing.T) {
	for name, text := range oddTexts {
		for _, host := range []string{"", "mx.example.org", text} {
			for _, state := range []State{Untried, Deferred, Sending, Unsure, Accepted, LocalDone, Refused} {
				p := &Progress{State: state, Time: time.Unix(math.MaxInt64, 0), Code: math.MinInt, Status: text, Host: host, Text: text, Unsure: unsureCeiling}
				line := appendRecipientLine(nil, p)
				if len(line) != recipientLine || bytes.IndexByte(line, '\n') != recipientLine-1 {
					t.Fatalf("%s: %d octets: %q", name, len(line), line)
				}
				if State(line[letterAt]) != state {
					t.Errorf("%s: the letter of state %c is %c", name, state, line[letterAt])
				}
				var j progressJSON
				if err := json.Unmarshal(line, &j); err != nil {
					t.Errorf("%s: %v: %q", name, err, line)
				}
				if !utf8.Valid(line) || j.Text != Printable(j.Text) || j.Host != Printable(j.Host) {
					t.Errorf("%s: not printable: %q", name, line)
				}
				if len(text) > 0 && j.Text == "" {
					t.Errorf("%s: nothing was left of the text", name)
				}
			}
		}
	}
}

func TestMessageLineAlwaysFits(t *testing.T) {
	for _, m := range []*Message{
		{}, {Held: true},
		{Held: true, Attempts: math.MaxInt, Last: time.Unix(math.MinInt64, 0), Next: time.Unix(math.MinInt64, 0)},
	} {
		line := appendMessageLine(nil, m)
		if len(line) != messageLine || bytes.IndexByte(line, '\n') != messageLine-1 || !json.Valid(line) {
			t.Errorf("%+v: %q", m, line)
		}
	}
}

func TestTheSameReasonIsNotWrittenAgain(t *testing.T) {
	for name, text := range oddTexts {
		q := newQueue(t)
		id := submit(t, q, "a@example.com")
		e, err := q.OpenEntry(id)
		if err != nil {
			t.Fatal(err)
		}
		report := Report{Action: Delayed, Scope: ScopeIdentity, Status: "4.4.1", Host: "mx.example.org", Text: text}
		note := func(at int64) string {
			if err := e.Note([]int{0}, []Report{report}, time.Unix(at, 0)); err != nil {
				t.Fatal(err)
			}
			b, _ := os.ReadFile(q.path(id + "/envelope"))
			return string(b)
		}
		first := note(1000)
		if second := note(2000); second != first {
			t.Errorf("%s: written again at once", name)
		}
		e.Close()
		if e, err = q.OpenEntry(id); err != nil {
			t.Fatal(err)
		}
		if third := note(3000); third != first {
			t.Errorf("%s: written again by the next run", name)
		}
		report.Text += "!"
		report.Code = 451
		if other := note(4000); other == first {
			t.Errorf("%s: another reason was not written", name)
		}
		e.Close()
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                "plain",
		"caf\u00e9 \U0001F4EB": "caf\u00e9 \U0001F4EB",
		"a\tb\r\nc":            "a b  c",
		"\x1b[31mred":          "?[31mred",
		"\xff\xfe":             "??",
		"a\u202eb\u200b":       "a?b?",
		"\x7f\x00":             "??",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

// Whatever is reported late of a recipient that is done, the recipient is not tried again.
func TestWhatIsDoneStaysDone(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com", "b@example.com", "c@example.com", "d@example.com")
	setLetters(t, q, id, "rlf-")
	e, err := q.OpenEntry(id)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, late := range []Report{busy, replyLost, unreachable} {
		if err := e.Note([]int{0, 1, 2, 3}, []Report{late, late, late, late}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if got := letters(read(t, q, id)); got != "rlfu" {
		t.Errorf("became %q", got)
	}
}

// The count of possible deliveries outlives any number of processes that die while sending the
// message.
func TestPossiblyDeliveredIsCounted(t *testing.T) {
	for name, text := range oddTexts {
		q := newQueue(t)
		id := submit(t, q, "a@example.com", "b@example.com")
		lost := replyLost
		lost.Text, lost.Host = text, text
		for n := 1; n <= 8; n++ {
			e, err := q.OpenEntry(id)
			if err != nil {
				t.Fatal(err)
			}
			dead := n - 1 // the one before
			if n%2 == 1 {
				dead = 0 // it was recorded
			}
			if e.CutOff() != dead {
				t.Errorf("%s: before the %dth, cut off %d times, want %d", name, n, e.CutOff(), dead)
			}
			if err := e.Sending([]int{0}); err != nil {
				t.Fatal(err)
			}
			if n%2 == 0 {
				all := []Attempt{{Entry: e, Recipients: []int{0}, Reports: []Report{lost}}}
				if err := q.RecordAll(all, time.Now())[0]; err != nil {
					t.Fatal(err)
				}
				if m := read(t, q, id); m.Progress[0].Unsure != n || letters(m) != "u-" {
					t.Errorf("%s: recorded as %+v", name, m.Progress[0])
				}
			}
			e.Close() // as the death of the process does
		}
		if m := read(t, q, id); m.Progress[1].Unsure != 0 {
			t.Errorf("%s: the other recipient: %+v", name, m.Progress[1])
		}
	}
}

// A failed recipient that is tried again starts anew.
func TestRetryForgetsWhatWasPossiblyDelivered(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	e, err := q.OpenEntry(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Report{replyLost, replyLost, unknownUser} {
		q.RecordAll([]Attempt{{Entry: e, Recipients: []int{0}, Reports: []Report{r}}}, time.Now())
	}
	e.Close()
	if _, err := q.Retry(id); err != nil {
		t.Fatal(err)
	}
	if m := read(t, q, id); letters(m) != "d" || m.Progress[0].Unsure != 0 {
		t.Errorf("left as %+v", m.Progress[0])
	}
}

// All that is recorded of a recipient is read again.
func TestProgressIsReadAsWritten(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com", "b@example.com")
	e, err := q.OpenEntry(id)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	said := Report{Action: Failed, Scope: ScopeRecipient, Code: 550, Status: "5.6.0", Host: "smtp.example.org",
		Text: "maximum allowed line length is 998 octets", Remark: "line 9 has 2,500 octets"}
	if err := e.Note([]int{0, 1}, []Report{said, said}, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, p := range read(t, q, id).Progress {
		got := Report{Action: Failed, Scope: ScopeRecipient, Code: p.Code, Status: p.Status, Host: p.Host, Text: p.Text, Remark: p.Remark}
		if got != said || p.State != Refused {
			t.Errorf("%+v, want %+v", p, said)
		}
	}
}
