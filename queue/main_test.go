package queue

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"esmtpq/queue/spool"
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

func newQueue(t testing.TB) *spool.Queue {
	t.Helper()
	return openQueue(t, t.TempDir()+"/queue")
}

func openQueue(t testing.TB, dir string) *spool.Queue {
	t.Helper()
	q, err := spool.OpenOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// again opens a queue as another process would.
func again(t testing.TB, q *spool.Queue) *spool.Queue { return openQueue(t, q.Dir) }

func envelopeFor(recipients ...string) *Envelope {
	env := &Envelope{From: "author@example.org"}
	for _, r := range recipients {
		env.Recipients = append(env.Recipients, Recipient{Address: r})
	}
	return env
}

func commit(t testing.TB, q *spool.Queue, env *Envelope, content string) string {
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

func submit(t testing.TB, q *spool.Queue, recipients ...string) string {
	t.Helper()
	return commit(t, q, envelopeFor(recipients...), hello)
}

func read(t testing.TB, q *spool.Queue, id string) *spool.Message {
	t.Helper()
	m, err := q.Read(id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// letters returns the states of a message's recipients.
func letters(m *spool.Message) string {
	var b strings.Builder
	for i := range m.Progress {
		b.WriteByte(byte(m.Progress[i].State))
	}
	return b.String()
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

func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if e.Name() != ".lock" && e.Name() != ".sent" { // which every run makes
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

func receive[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(soon):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// The lengths of the lines of progress, and the place of the state's letter in them.
const (
	messageLine   = 256
	recipientLine = 512
	letterAt      = len(`{"state":"`)
)

// file returns the path of a file of an entry.
func file(q *spool.Queue, id, name string) string { return q.Dir + "/" + id + "/" + name }

// progressOffset returns where the message's line begins in the file envelope.
func progressOffset(t testing.TB, q *spool.Queue, id string) int64 {
	t.Helper()
	b, err := os.ReadFile(file(q, id, "envelope"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfterN(b, []byte("\n"), 3)
	return int64(len(lines[0]) + len(lines[1]))
}

// setLetters writes the states of a message's recipients into its envelope.
func setLetters(t testing.TB, q *spool.Queue, id, states string) {
	t.Helper()
	at := progressOffset(t, q, id) + messageLine + int64(letterAt)
	for i := range len(states) {
		overwrite(t, file(q, id, "envelope"), at+int64(i)*recipientLine, states[i:i+1])
	}
}

// lineOf returns the line of a message's own state.
func lineOf(m *spool.Message) string {
	state, next, last := "-", int64(0), int64(0)
	if m.Held {
		state = "h"
	}
	if !m.Next.IsZero() {
		next = m.Next.Unix()
	}
	if !m.Last.IsZero() {
		last = m.Last.Unix()
	}
	line := fmt.Sprintf(`{"state":%q,"attempts":%d,"last":%d,"next":%d`, state, m.Attempts, last, next)
	if !m.First.IsZero() {
		line += fmt.Sprintf(`,"first":%d`, m.First.Unix())
	}
	if !m.Drop.IsZero() {
		line += fmt.Sprintf(`,"drop":%d`, m.Drop.Unix())
	}
	if m.DelayTold {
		line += `,"told":true`
	}
	return fmt.Sprintf("%-*s\n", messageLine-1, line+"}")
}

// recipientLineOf returns the line of a failed recipient.
func recipientLineOf(p *spool.Progress) string {
	line := fmt.Sprintf(`{"state":%q,"time":%d,"code":%d,"status":%q,"text":%q`, string(rune(p.State)), p.Time.Unix(), p.Code, p.Status, p.Text)
	if !p.Told.IsZero() {
		line += fmt.Sprintf(`,"told":%d`, p.Told.Unix())
	}
	return fmt.Sprintf("%-*s\n", recipientLine-1, line+"}")
}

// setMessage overwrites the message's line: attempts, times, held.
func setMessage(t testing.TB, q *spool.Queue, id string, change func(m *spool.Message)) {
	t.Helper()
	m := read(t, q, id)
	change(m)
	overwrite(t, file(q, id, "envelope"), progressOffset(t, q, id), lineOf(m))
}

// entryUnsynced puts the i-th message of many into the queue, tried before and not due. It writes
// what Commit writes, without the syncs.
func entryUnsynced(t testing.TB, q *spool.Queue, i int) {
	t.Helper()
	env := envelopeFor("a@example.com")
	env.Version, env.Arrival = 1, time.Now().Add(time.Duration(i-1_000_000)*time.Millisecond)
	sum := sha256.Sum256([]byte(hello))
	env.Size, env.Lines, env.SHA256 = int64(len(hello)), 3, hex.EncodeToString(sum[:])
	first, err := json.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	first = append(first, '\n')
	progress := lineOf(&spool.Message{Attempts: 1, Last: time.Now(), Next: time.Now().Add(4 * time.Hour)})
	progress += fmt.Sprintf("%-*s\n", recipientLine-1, `{"state":"-","time":0}`)
	b := fmt.Appendf(nil, "%s{\"sha256\":\"%x\"}\n%s", first, sha256.Sum256(first), progress)
	id := fmt.Sprintf("%014X%02X", env.Arrival.UnixMicro(), i&255)
	if err := os.Mkdir(q.Dir+"/"+id, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"mail": []byte(hello), "envelope": b} {
		if err := os.WriteFile(file(q, id, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
