package spool

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// sealed returns an envelope file with any first line, correctly sealed, and any progress.
func sealed(first, progress string) []byte {
	first = strings.ReplaceAll(first, "\n", " ") + "\n"
	return fmt.Appendf(nil, "%s{\"sha256\":\"%x\"}\n%s", first, sha256.Sum256([]byte(first)), progress)
}

func FuzzDecodeEnvelope(f *testing.F) {
	null := ""
	env := envelopeFor("a@example.com", "b")
	env.Version, env.Arrival, env.ReversePath, env.SHA256 = envelopeVersion, time.Unix(1e9, 0).UTC(), &null, "x"
	whole, err := encodeEnvelope(env, []Refusal{{Status: "5.1.3", Reason: "not an address"}})
	if err != nil {
		f.Fatal(err)
	}
	first, rest, _ := bytes.Cut(whole, []byte("\n"))
	_, progress, _ := bytes.Cut(rest, []byte("\n"))
	f.Add(whole, false, "")
	f.Add(whole[:len(whole)-1], false, "")
	f.Add(first, true, string(progress))
	f.Add([]byte(`{"version":1,"recipients":[{}]}`), true, string(progress[:messageLine+recipientLine]))
	f.Add([]byte(`{"version":2}`), true, "")
	f.Add([]byte(`{"version":1,"size":-1,"recipients":null}`), true, string(progress[:messageLine]))
	f.Fuzz(func(t *testing.T, b []byte, seal bool, progress string) {
		if seal { // otherwise nothing would ever get past the checksum
			b = sealed(string(b), progress)
		}
		var m Message
		at, err := decodeEnvelope(b, &m)
		if err != nil {
			return
		}
		if n := len(m.Envelope.Recipients); n == 0 || len(m.Progress) != n || at+messageLine+int64(n)*recipientLine != int64(len(b)) {
			t.Fatalf("%d recipients, %d lines of progress at %d of %d", n, len(m.Progress), at, len(b))
		}
		again, err := encodeEnvelope(&m.Envelope, nil)
		if err != nil {
			t.Fatalf("accepted and not encoded again: %v", err)
		}
		again = again[:int64(len(again))-int64(messageLine+len(m.Progress)*recipientLine)]
		again = appendMessageLine(again, &m)
		for i := range m.Progress {
			again = appendRecipientLine(again, &m.Progress[i])
		}
		var m2 Message
		if _, err := decodeEnvelope(again, &m2); err != nil {
			t.Fatal(err)
		}
		if !m2.Envelope.Arrival.Equal(m.Envelope.Arrival) {
			t.Errorf("arrived at %v, then %v", m.Envelope.Arrival, m2.Envelope.Arrival)
		}
		m.Envelope.Arrival = m2.Envelope.Arrival
		if !reflect.DeepEqual(m.Envelope, m2.Envelope) || m.Held != m2.Held || letters(&m) != letters(&m2) {
			t.Errorf("%+v\nbecame\n%+v", m, m2)
		}
	})
}

func FuzzProgressLine(f *testing.F) {
	for _, text := range oddTexts {
		f.Add(byte('d'), int64(1e9), 450, "4.2.1", "mx.example.org", text)
	}
	f.Add(byte('r'), int64(-1), -1, "\x00\xff", "<<<<", "")
	f.Fuzz(func(t *testing.T, state byte, unix int64, code int, status, host, text string) {
		p := &Progress{State: State('a' + state%26), Time: time.Unix(unix, 0), Code: code, Status: status, Host: host, Text: text}
		line := appendRecipientLine(nil, p)
		if len(line) != recipientLine || bytes.IndexByte(line, '\n') != recipientLine-1 || State(line[letterAt]) != p.State || !utf8.Valid(line) {
			t.Fatalf("%q", line)
		}
		if again := appendRecipientLine(nil, p); !bytes.Equal(again, line) {
			t.Error("not the same twice")
		}
		m := &Message{Envelope: Envelope{Recipients: make([]Recipient, 1)}}
		if err := m.decodeProgress(append(appendMessageLine(nil, m), line...)); err != nil {
			if !strings.ContainsRune("dsurlf", rune(p.State)) {
				return
			}
			t.Fatal(err)
		}
		got := m.Progress[0]
		if p.State == Unsure {
			// A line of an older program has no number: it stands for once.
			p.Unsure = max(p.Unsure, 1)
			line = appendRecipientLine(nil, p)
		}
		if got.State != p.State || got.Code != code || strings.ContainsAny(got.Explain(), "\n\r\x1b") {
			t.Errorf("%+v", got)
		}
		if line2 := appendRecipientLine(nil, &got); got.Time.Equal(p.Time.Truncate(time.Second)) && !bytes.Equal(line2, line) {
			t.Errorf("%q\nbecame\n%q", line, line2)
		}
	})
}

// Progress that has been overwritten with anything is damaged or keeps its letters.
func FuzzDecodeProgress(f *testing.F) {
	whole := appendRecipientLine(appendMessageLine(nil, &Message{}), &Progress{State: Deferred, Text: "why"})
	f.Add(whole)
	f.Add(append(whole[:messageLine:messageLine], make([]byte, recipientLine)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(b, make([]byte, messageLine+recipientLine)...)[:messageLine+recipientLine]
		m := &Message{Envelope: Envelope{Recipients: make([]Recipient, 1)}}
		err := m.decodeProgress(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			return
		}
		if m.Progress[0].State != State(b[messageLine+letterAt]) || m.Held != (State(b[letterAt]) == held) || m.Attempts < 0 {
			t.Errorf("%+v", m)
		}
		appendRecipientLine(appendMessageLine(nil, m), &m.Progress[0])
	})
}

func FuzzReadLegacy(f *testing.F) {
	q := newQueue(f)
	f.Add("ABCDEFGH", "-t", hello, false)
	f.Add("12345678", "-f a@example.org b@example.com\n\n", "", true)
	f.Add("....", "\x00\xff", "x", false)
	f.Fuzz(func(t *testing.T, name, cmd, mail string, lock bool) {
		if name == "" || len(name) > 200 || strings.ContainsAny(name, "/\x00") || name[0] == '.' {
			return
		}
		dir := q.Dir + "/" + name
		defer os.RemoveAll(dir)
		os.Mkdir(dir, 0o700)
		os.WriteFile(dir+"/cmd", []byte(cmd), 0o600)
		os.WriteFile(dir+"/mail", []byte(mail), 0o600)
		if lock {
			os.WriteFile(dir+"/lock", nil, 0o600)
		}
		l, err := q.List()
		if err != nil || len(l.IDs)+len(l.Legacy)+len(l.Foreign) != 1 {
			t.Fatalf("listed %+v, %v", l, err)
		}
		if len(l.Legacy) == 0 {
			return
		}
		e, err := q.ReadLegacy(name)
		if err != nil {
			t.Fatal(err)
		}
		if e.Cmd != strings.TrimSuffix(cmd, "\n") || e.Size != int64(len(mail)) || e.Locked != lock {
			t.Errorf("%+v", e)
		}
		if err := q.RemoveLegacy(name); err != nil {
			t.Error(err)
		}
	})
}
