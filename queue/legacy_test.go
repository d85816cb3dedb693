package queue

import (
	"os"
	"slices"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

func TestLegacyMailGoesOutInTheOrderOfItsDirectories(t *testing.T) {
	q := newQueue(t)
	now := time.Now()
	order := []string{"ZZZZZZZZ", "12345678", "ABCDEF01", "aaaaaaaa"}
	for i, name := range order {
		wrapperLeft(t, q, name, now.Add(time.Duration(i-10)*time.Hour), wrapperFiles)
	}
	last := submit(t, q, "a@example.com")
	l, _ := q.List()
	if want := slices.Sorted(slices.Values(order)); !slices.Equal(l.Legacy, want) {
		t.Errorf("listed as %q", l.Legacy)
	}
	for _, name := range l.Legacy {
		takeOver(t, q, name, false)
	}
	var sent []string
	h := &fakeHost{before: func(d *Delivery) { sent = append(sent, d.Envelope.Legacy) }}
	runQueue(t, q, one(h), everything)
	if !slices.Equal(sent, append(order, "")) || h.got()[4] != last {
		t.Errorf("sent in the order %q", sent)
	}
}

// wrapperLeft puts an entry into the queue as esmtp-wrapper did.
func wrapperLeft(t testing.TB, q *spool.Queue, name string, arrival time.Time, files map[string]string) {
	t.Helper()
	dir := q.Dir + "/" + name
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		if err := os.WriteFile(dir+"/"+file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(dir, arrival, arrival); err != nil {
		t.Fatal(err)
	}
}

var wrapperFiles = map[string]string{"cmd": "-f author@example.org a@example.com\n", "mail": hello}

func readLegacy(t testing.TB, q *spool.Queue, name string) *spool.LegacyEntry {
	t.Helper()
	e, err := q.ReadLegacy(name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// takeOver does what a queue run does with each legacy entry, up to a step at which it dies.
func takeOver(t testing.TB, q *spool.Queue, name string, diesAfterCommit bool) {
	t.Helper()
	e := readLegacy(t, q, name)
	if done, err := q.FinishLegacy(e); err != nil || done {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	w, err := q.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(hello))
	env := envelopeFor("a@example.com")
	if diesAfterCommit {
		env.Arrival, env.Legacy = e.Arrival, e.Name
		_, err = w.Commit(env)
	} else {
		_, err = q.ReplaceLegacy(e, w, env)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A message whose takeover is cut off at any step is sent once.
func TestLegacyEntryIsSentOnce(t *testing.T) {
	q := newQueue(t)
	arrival := time.Date(2015, 4, 3, 2, 1, 0, 123456789, time.UTC)
	wrapperLeft(t, q, "AAAAAAAA", arrival, wrapperFiles)
	wrapperLeft(t, q, "BBBBBBBB", arrival, wrapperFiles)
	takeOver(t, q, "AAAAAAAA", true)
	takeOver(t, q, "AAAAAAAA", true)
	takeOver(t, q, "BBBBBBBB", false)
	h := &fakeHost{}
	runQueue(t, q, one(h), everything)
	if len(h.got()) != 2 {
		t.Errorf("sent %q", h.got())
	}
	wantNames(t, q.Dir)
}

// There is no complaint if the removal of an entry of esmtp-wrapper was cut off.
func TestLegacyRemainsAreSweptInSilence(t *testing.T) {
	for _, left := range []map[string]string{wrapperFiles, {"cmd": "x"}, {"mail": "x"}, {}} {
		q := newQueue(t)
		wrapperLeft(t, q, ".new-AAAAAAAA", time.Now(), left)
		if sum := runQueue(t, q, one(&fakeHost{}), everything); len(sum.Trouble) > 0 {
			t.Errorf("complained: %q", sum.Trouble)
		}
		wantNames(t, q.Dir)
	}
}
