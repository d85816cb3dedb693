package queue

import (
	"os"
	"strings"
	"syscall"
	"testing"
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

// A full disk cannot prevent recording progress, since that takes no new space.
func TestRecordingNeedsNoSpace(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com", "b@example.com", "c@example.com")
	use := func() (size, blocks int64) {
		var st syscall.Stat_t
		if err := syscall.Stat(file(q, id, "envelope"), &st); err != nil {
			t.Fatal(err)
		}
		return st.Size, int64(st.Blocks)
	}
	size, blocks := use()
	for name, text := range oddTexts {
		h := &fakeHost{answer: func(d *Delivery, rcpt Recipient) Report {
			if rcpt.Address[0] == 'a' {
				return Report{Action: Delayed, Scope: ScopeRecipient, Code: 450, Status: text, Host: text, Text: text}
			}
			return Report{Action: Failed, Scope: ScopeRecipient, Code: 550, Status: "5.0.0", Text: text}
		}}
		runQueue(t, q, one(h), everything)
		if s, b := use(); s != size || b != blocks {
			t.Errorf("%s: the envelope had %d octets in %d blocks, has %d in %d", name, size, blocks, s, b)
		}
		if s := letters(read(t, q, id)); s != "dff" {
			t.Errorf("%s: %q", name, s)
		}
	}
}

// What a run answers, and what is on disk afterwards. Each line is one run: the answers to
// a, b and c by letter, and the states afterwards.
func TestProgressOverSeveralRuns(t *testing.T) {
	answers := map[byte]Report{
		'r': relayed, 'd': busy, 'f': unknownUser, 'u': replyLost,
		'l': {Action: Delivered, Status: "2.0.0"},
	}
	for name, dialogue := range map[string]string{
		"partial delivery, then the rest":           "rdd rdd | -rd rrd | --r gone",
		"failed stays failed":                       "frd frd | --r frr | --- frr",
		"possibly delivered stays so while delayed": "udu udu | ddd udu | rfd rfu | --d rfu | --r rfr",
		"possibly delivered, then refused":          "uuu uuu | fff fff",
		"local delivery":                            "lld lld | --l gone",
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t)
			id := submit(t, q, "a@example.com", "b@example.com", "c@example.com")
			for _, round := range strings.Split(dialogue, " | ") {
				answer, want, _ := strings.Cut(round, " ")
				h := &fakeHost{answer: func(d *Delivery, rcpt Recipient) Report {
					c := answer[rcpt.Address[0]-'a']
					if c == '-' {
						t.Errorf("in round %q, %s was tried", round, rcpt.Address)
						return busy
					}
					return answers[c]
				}}
				runQueue(t, q, one(h), everything)
				got := "gone"
				if m, err := q.Read(id); err == nil {
					got = letters(m)
				}
				if got != want {
					t.Fatalf("after round %q: %q", round, got)
				}
				if wanted := 3 - strings.Count(answer, "-"); len(h.to) != wanted {
					t.Errorf("in round %q, tried %q", round, h.to)
				}
			}
		})
	}
}

// A run that died between the last octet and the reply leaves "s" behind.
func TestRunThatDiedWhileSending(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com", "b@example.com")
	e, err := q.OpenEntry(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Sending([]int{0}); err != nil {
		t.Fatal(err)
	}
	e.Close() // as the death of the process does
	if m := read(t, q, id); letters(m) != "s-" || !strings.HasPrefix(m.Progress[0].Explain(), "possibly delivered") {
		t.Fatalf("left as %+v", m.Progress)
	}

	h := &fakeHost{answer: refusing(busy)}
	runQueue(t, q, one(h), everything)
	if m := read(t, q, id); letters(m) != "ud" {
		t.Errorf("after a delay: %q", letters(m))
	}
	runQueue(t, q, one(&fakeHost{}), everything)
	if _, err := q.Read(id); err == nil {
		t.Error("was not sent in the end")
	}
}

// A message is marked before its last octet is sent, whatever the marks said before.
func TestSendingIsOnDiskBeforeTheEnd(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com", "b@other.example")
	h := &fakeHost{answer: func(d *Delivery, _ Recipient) Report {
		if m := read(t, q, id); letters(m) != "sd" {
			t.Errorf("while the reply is awaited: %q", letters(m))
		}
		return busy
	}}
	router := &fakeRouter{hosts: map[string]Transport{"example.com": h}}
	router.route = func(env *Envelope, rcpt Recipient) (Route, error) {
		if domainOf(rcpt.Address) == "example.com" {
			return Route{Destination: "example.com", Address: rcpt.Address}, nil
		}
		return Route{}, os.ErrInvalid
	}
	runQueue(t, q, router, everything)
	if got := letters(read(t, q, id)); got != "dd" {
		t.Errorf("afterwards: %q", got)
	}
}

func TestAttemptsAndTimes(t *testing.T) {
	for _, c := range []struct {
		name     string
		report   Report
		attempts int
		next     bool
	}{
		{"recipient", busy, 1, true},
		{"lost reply", replyLost, 1, true},
		{"identity", unreachable, 0, false},
		{"failed for good", unknownUser, 0, false},
	} {
		q := newQueue(t)
		id := submit(t, q, "a@example.com")
		runQueue(t, q, one(&fakeHost{answer: refusing(c.report)}), everything)
		m := read(t, q, id)
		if m.Attempts != c.attempts || m.Next.IsZero() == c.next || m.Last.IsZero() {
			t.Errorf("%s: %d attempts, last %v, next %v", c.name, m.Attempts, m.Last, m.Next)
		}
	}
}
