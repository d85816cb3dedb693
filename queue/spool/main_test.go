package spool

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var long = flag.Bool("long", false, "run the long versions of tests and benchmarks")

// roleVariable is the environment variable that says what a copy of this test binary is to do
// instead of testing.
const roleVariable = "QUEUE_TEST_ROLE"

var roles = map[string]func() error{}

func TestMain(m *testing.M) {
	name := os.Getenv(roleVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := roles[name](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newQueue(t testing.TB) *Queue {
	t.Helper()
	return openQueue(t, t.TempDir()+"/queue")
}

func openQueue(t testing.TB, dir string) *Queue {
	t.Helper()
	q, err := OpenOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// again opens a queue as another process would.
func again(t testing.TB, q *Queue) *Queue { return openQueue(t, q.Dir) }

func envelopeFor(recipients ...string) *Envelope {
	env := &Envelope{From: "author@example.org"}
	for _, r := range recipients {
		env.Recipients = append(env.Recipients, Recipient{Address: r})
	}
	return env
}

func commit(t testing.TB, q *Queue, env *Envelope, content string) string {
	t.Helper()
	w, err := q.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	id, err := w.Commit(env)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

const hello = "Subject: hello\n\nHello.\n"

func submit(t testing.TB, q *Queue, recipients ...string) string {
	t.Helper()
	return commit(t, q, envelopeFor(recipients...), hello)
}

func read(t testing.TB, q *Queue, id string) *Message {
	t.Helper()
	m, err := q.Read(id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// letters returns the states of a message's recipients.
func letters(m *Message) string {
	var b strings.Builder
	for i := range m.Progress {
		b.WriteByte(byte(m.Progress[i].State))
	}
	return b.String()
}

// progressOffset returns where the message's line begins in the file envelope.
func progressOffset(t testing.TB, q *Queue, id string) int64 {
	t.Helper()
	b, err := os.ReadFile(q.path(id + "/envelope"))
	if err != nil {
		t.Fatal(err)
	}
	at, err := decodeEnvelope(b, &Message{})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// overwrite writes s at an offset of a file, as a failing disk or another program would.
func overwrite(t testing.TB, path string, at int64, s string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(s), at); err != nil {
		t.Fatal(err)
	}
}

// setLetters writes the states of a message's recipients into its envelope.
func setLetters(t testing.TB, q *Queue, id, states string) {
	t.Helper()
	at := progressOffset(t, q, id) + messageLine + int64(letterAt)
	for i := range len(states) {
		overwrite(t, q.path(id+"/envelope"), at+int64(i)*recipientLine, states[i:i+1])
	}
}

// setMessage overwrites the message's line: attempts, times, held.
func setMessage(t testing.TB, q *Queue, id string, change func(m *Message)) {
	t.Helper()
	m := read(t, q, id)
	change(m)
	overwrite(t, q.path(id+"/envelope"), progressOffset(t, q, id), string(appendMessageLine(nil, m)))
}

// sweep does the first step of a queue run.
func sweep(t testing.TB, q *Queue) {
	t.Helper()
	v, err := q.Inventory()
	if err == nil {
		err = q.Sweep(v)
	}
	if err != nil {
		t.Error(err)
	}
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if e.Name() != ".lock" && e.Name() != sentFile { // which every run makes
			all = append(all, e.Name())
		}
	}
	return all
}

func wantNames(t testing.TB, dir string, want ...string) {
	t.Helper()
	got := names(t, dir)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// soon is when a test that hangs gives up; it never decides whether a test passes.
const soon = 30 * time.Second

func wait[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(soon):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// entryUnsynced puts the i-th message of many into the queue, tried before and not due. It writes
// what Commit writes, without the syncs.
func entryUnsynced(t testing.TB, q *Queue, i int) {
	t.Helper()
	env := envelopeFor("a@example.com")
	env.Version, env.Arrival = envelopeVersion, time.Now().Add(time.Duration(i-1_000_000)*time.Millisecond)
	sum := sha256.Sum256([]byte(hello))
	env.Size, env.Lines, env.SHA256 = int64(len(hello)), 3, hex.EncodeToString(sum[:])
	b, err := encodeEnvelope(env, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &Message{}
	at, err := decodeEnvelope(b, m)
	if err != nil {
		t.Fatal(err)
	}
	m.Attempts, m.Last, m.Next = 1, time.Now(), time.Now().Add(4*time.Hour)
	copy(b[at:], appendMessageLine(nil, m))
	id := newID(env.Arrival, byte(i))
	if err := os.Mkdir(q.Dir+"/"+id, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{"mail": []byte(hello), "envelope": b} {
		if err := os.WriteFile(q.path(id+"/"+file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Reports of what hosts said.
var (
	relayed     = Report{Action: Relayed, Code: 250, Status: "2.0.0", Text: "queued", Host: "mx.example.org"}
	busy        = Report{Action: Delayed, Scope: ScopeRecipient, Code: 450, Status: "4.2.1", Text: "mailbox busy", Host: "mx.example.org"}
	unknownUser = Report{Action: Failed, Scope: ScopeRecipient, Code: 550, Status: "5.1.1", Text: "no such user", Host: "mx.example.org"}
	unreachable = Report{Action: Delayed, Scope: ScopeIdentity, Status: "4.4.1", Text: "connect to mx.example.org: connection refused"}
	replyLost   = Report{Action: Delayed, Scope: ScopeSession, Status: "4.4.2", Text: "connection closed", Unsure: true}
)

func readContent(c Content) (string, error) {
	r, err := c.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// encodeEnvelope returns the file envelope of a message.
func encodeEnvelope(env *Envelope, refused []Refusal) ([]byte, error) {
	var b bytes.Buffer
	err := writeEnvelope(&b, env, refused)
	return b.Bytes(), err
}
