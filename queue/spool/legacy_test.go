package spool

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// wrapperLeft puts an entry into the queue as esmtp-wrapper did.
func wrapperLeft(t testing.TB, q *Queue, name string, arrival time.Time, files map[string]string) {
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

func readLegacy(t testing.TB, q *Queue, name string) *LegacyEntry {
	t.Helper()
	e, err := q.ReadLegacy(name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// takeOver does what a queue run does with each legacy entry, up to a step at which it dies.
func takeOver(t testing.TB, q *Queue, name string, diesAfterCommit bool) {
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

func TestLegacyEntry(t *testing.T) {
	q := newQueue(t)
	arrival := time.Date(2015, 4, 3, 2, 1, 0, 123456789, time.UTC)
	wrapperLeft(t, q, "aB3dE6gH", arrival, wrapperFiles)
	e := readLegacy(t, q, "aB3dE6gH")
	if e.Cmd != "-f author@example.org a@example.com" || e.Size != int64(len(hello)) || e.Locked || !e.Arrival.Equal(arrival) {
		t.Errorf("read as %+v", e)
	}
	takeOver(t, q, "aB3dE6gH", false)
	l, err := q.List()
	if err != nil || len(l.IDs) != 1 || len(l.Legacy)+len(l.Foreign) != 0 {
		t.Fatalf("listed %+v, %v", l, err)
	}
	if m := read(t, q, l.IDs[0]); !m.Envelope.Arrival.Equal(arrival) || m.Envelope.Legacy != "aB3dE6gH" {
		t.Errorf("taken over as %+v", m.Envelope)
	}
	wantNames(t, q.Dir, l.IDs[0])
}

func TestLegacyEntryIsTakenOverOnce(t *testing.T) {
	q := newQueue(t)
	arrival := time.Date(2015, 4, 3, 2, 1, 0, 123456789, time.UTC)
	// Two entries have the same instant: one must not be taken for the other.
	wrapperLeft(t, q, "AAAAAAAA", arrival, wrapperFiles)
	wrapperLeft(t, q, "BBBBBBBB", arrival, wrapperFiles)
	takeOver(t, q, "AAAAAAAA", true)
	takeOver(t, q, "AAAAAAAA", true)
	takeOver(t, q, "BBBBBBBB", false)
	l, err := q.List()
	if err != nil || len(l.IDs) != 2 || len(l.Legacy) != 0 {
		t.Fatalf("listed %+v, %v", l, err)
	}
	wantNames(t, q.Dir, l.IDs...)
}

// Its removal can be cut off anywhere: the rest is neither sent nor complained about.
func TestLegacyEntryCutOffWhileRemoved(t *testing.T) {
	for _, left := range []map[string]string{wrapperFiles, {"cmd": "x"}, {"mail": "x"}, {}} {
		q := newQueue(t)
		wrapperLeft(t, q, newPrefix+"AAAAAAAA", time.Now(), left)
		sweep(t, q)
		wantNames(t, q.Dir)
	}
	q := newQueue(t)
	wrapperLeft(t, q, "AAAAAAAA", time.Now(), wrapperFiles)
	os.Mkdir(q.Dir+"/"+newPrefix+"AAAAAAAA", 0o700)
	os.WriteFile(q.Dir+"/"+newPrefix+"AAAAAAAA/in-the-way", nil, 0o600)
	if err := q.RemoveLegacy("AAAAAAAA"); err == nil {
		t.Error("removed")
	}
	if e := readLegacy(t, q, "AAAAAAAA"); e.Cmd == "" {
		t.Error("what could not be removed was damaged")
	}
}

func TestLegacyNames(t *testing.T) {
	q := newQueue(t)
	legacy := []string{"01234567", "DEADBEEF", "deadbeef", "a1B2c3D4"}
	for _, name := range append(legacy, "1234567", "123456789", "abc-defg", "\xc3\xa9abcdef") {
		wrapperLeft(t, q, name, time.Now(), wrapperFiles)
	}
	wrapperLeft(t, q, "EMPTYDIR", time.Now(), nil)
	os.Symlink(q.Dir+"/DEADBEEF", q.Dir+"/LINKLINK")
	os.WriteFile(q.Dir+"/FILEFILE", nil, 0o600)
	l, err := q.List()
	if err != nil || !slices.Equal(l.Legacy, slices.Sorted(slices.Values(legacy))) || len(l.Foreign) != 7 {
		t.Errorf("listed %+v, %v", l, err)
	}
	for _, name := range []string{"EMPTYDIR", "LINKLINK", "FILEFILE", "..", "", "../queue"} {
		if err := q.RemoveLegacy(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("RemoveLegacy(%q): %v", name, err)
		}
	}
}

func TestLegacyEntriesThatAreNotWhole(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		plant func(dir string)
		err   string
	}{
		"no cmd":       {files: map[string]string{"mail": hello}, err: "arguments"},
		"no mail":      {files: map[string]string{"cmd": "x"}, err: "content"},
		"cmd too long": {files: map[string]string{"mail": hello, "cmd": strings.Repeat("x", maxLegacyCmd+1)}, err: "longer"},
		"mail a link":  {files: map[string]string{"cmd": "x"}, plant: func(dir string) { os.Symlink("cmd", dir+"/mail") }, err: "symbolic link"},
		"cmd a FIFO":   {files: map[string]string{"mail": hello}, plant: func(dir string) { syscall.Mkfifo(dir+"/cmd", 0o600) }, err: "regular"},
		"mail twice":   {files: wrapperFiles, plant: func(dir string) { os.Link(dir+"/mail", dir+"/copy") }, err: "hard link"},
	} {
		q := newQueue(t)
		wrapperLeft(t, q, "ABCDEFGH", time.Now(), c.files)
		if c.plant != nil {
			c.plant(q.Dir + "/ABCDEFGH")
		}
		if _, err := q.ReadLegacy("ABCDEFGH"); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	q := newQueue(t)
	wrapperLeft(t, q, "ABCDEFGH", time.Now(), map[string]string{"lock": "", "mail": "half a", "cmd": "x"})
	if e := readLegacy(t, q, "ABCDEFGH"); !e.Locked {
		t.Error("a lock was overlooked")
	}
}

// If the old entry cannot be removed, the new one is: only one of them may be sent.
func TestLegacyEntryThatStays(t *testing.T) {
	q := newQueue(t)
	e := legacyEntry(t, q)
	if err := os.MkdirAll(q.Dir+"/"+newPrefix+e.Name+"/in the way", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := replaceLegacy(t, q, e); err == nil {
		t.Fatal("no error, though the old entry is still there")
	}
	if l, err := q.List(); err != nil || len(l.IDs) != 0 || len(l.Legacy) != 1 {
		t.Errorf("%+v, %v: want the old entry alone", l, err)
	}
}

// If the old entry is gone and only its remains cannot be removed, the new one is the message,
// and stays.
// What cannot be removed for its modes alone is given them, and goes.
func TestLegacyEntryWithoutModes(t *testing.T) {
	q := newQueue(t)
	e := legacyEntry(t, q)
	fixed := q.Dir + "/" + e.Name + "/fixed"
	if err := os.MkdirAll(fixed+"/file", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(fixed, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := replaceLegacy(t, q, e); err != nil {
		t.Fatal(err)
	}
	l, err := q.List()
	if err != nil || len(l.IDs) != 1 || len(l.Legacy) != 0 {
		t.Fatalf("%+v, %v: want the new entry alone", l, err)
	}
	wantNames(t, q.Dir, l.IDs[0])
}

// legacyEntry puts an entry of esmtp-wrapper into the queue.
func legacyEntry(t *testing.T, q *Queue) *LegacyEntry {
	t.Helper()
	wrapperLeft(t, q, "aB3dE6gH", time.Now().Add(-time.Hour), map[string]string{"cmd": "a@example.com\n", "mail": hello})
	e, err := q.ReadLegacy("aB3dE6gH")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func replaceLegacy(t *testing.T, q *Queue, e *LegacyEntry) (string, error) {
	t.Helper()
	w, err := q.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, hello); err != nil {
		t.Fatal(err)
	}
	return q.ReplaceLegacy(e, w, envelopeFor("a@example.com"))
}
