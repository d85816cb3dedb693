package spool

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"testing"
	"time"
)

func TestRetryMakesFailedOnesPending(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com", "b@example.com", "c@example.com")
	setLetters(t, q, id, "frf")
	if pending, err := q.Retry(id); err != nil || !pending {
		t.Fatal(pending, err)
	}
	if got := letters(read(t, q, id)); got != "drd" {
		t.Errorf("became %q", got)
	}
}

func TestRemoveTakesWhatCannotBeRead(t *testing.T) {
	for name, spoil := range map[string]func(dir string){
		"whole":       func(dir string) {},
		"no envelope": func(dir string) { os.Remove(dir + "/envelope") },
		"damaged":     func(dir string) { os.Truncate(dir+"/envelope", 3) },
		"extra file":  func(dir string) { os.WriteFile(dir+"/note", nil, 0o600) },
		"empty":       func(dir string) { os.Remove(dir + "/envelope"); os.Remove(dir + "/mail") },
	} {
		q := newQueue(t)
		id, other := submit(t, q, "a@example.com"), submit(t, q, "a@example.com")
		spoil(q.Dir + "/" + id)
		if err := q.Remove(id); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantNames(t, q.Dir, other)
	}
}

func TestRemoveTakesNothingElse(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	os.WriteFile(q.Dir+"/../bystander", nil, 0o600)
	for _, name := range []string{"", ".", "..", "../bystander", id + "/", id + "/mail", "./" + id, newPrefix + "x", wakeupFile, "0000000000000000"} {
		if err := q.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Remove(%q): %v", name, err)
		}
	}
	wantNames(t, q.Dir+"/..", "bystander", "queue")
	read(t, q, id)
}

// An entry that is removed between open and lock is gone for the next process that gets the lock.
// One whose envelope was replaced is opened again.
func TestLockOfAnEntryThatWasRemoved(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	e, err := q.OpenEntry(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Remove(id); !errors.Is(err, ErrBusy) {
		t.Errorf("removed while it is worked on: %v", err)
	}
	stale := func() *os.File {
		f, err := q.openOurs(id+"/envelope", os.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	f := stale()
	if err := e.replaceEnvelope(); err != nil {
		t.Fatal(err)
	}
	e.Close()
	if _, err := q.lockEntry(id, f, 0); err != errUnlinked {
		t.Errorf("locked by an envelope that was replaced: %v", err)
	}
	f = stale()
	if e, err = q.OpenEntry(id); err != nil {
		t.Fatal(err)
	}
	e.Remove()
	e.Close()
	if _, err := q.lockEntry(id, f, 0); err != errUnlinked {
		t.Errorf("locked by an envelope that was removed: %v", err)
	}
	if _, err := q.OpenEntry(id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened: %v", err)
	}
}

// No command does anything to an entry that only has to be removed, and none is silent about it.
func TestCommandsKnowServedEntries(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com", "b@example.com")
	setLetters(t, q, id, "rl")
	_, retried := q.Retry(id)
	for what, err := range map[string]error{
		"hold": q.SetHeld(id, true), "release": q.SetHeld(id, false), "retry": retried, "rm": q.Remove(id),
		"retry --to": q.Readdress(id, "c@example.com", func(*Message) (int, error) { return 0, nil }),
	} {
		if err != ErrServed {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A held entry is not tried again, with whatever address.
func TestRetryOfHeld(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	setLetters(t, q, id, "f")
	if err := q.SetHeld(id, true); err != nil {
		t.Fatal(err)
	}
	_, err := q.Retry(id)
	if err2 := q.Readdress(id, "c@example.com", func(*Message) (int, error) { return 0, nil }); err != ErrHeld || err2 != ErrHeld {
		t.Error(err, err2)
	}
	if m := read(t, q, id); letters(m) != "f" || m.Envelope.Recipients[0].Address != "a@example.com" {
		t.Errorf("%+v", m)
	}
}

// Another address takes the place of one recipient; nothing else of the message changes.
func TestReaddress(t *testing.T) {
	q := newQueue(t)
	null := ""
	env := envelopeFor("a@example.com", "b@example.com", "c@example.com", "d@example.com")
	env.ReversePath, env.Return, env.EnvelopeID, env.Body, env.Config = &null, "HDRS", "x y", "8BITMIME", "/etc/x.yaml"
	env.Recipients[1].Notify = "NEVER"
	id := commit(t, q, env, hello)
	setLetters(t, q, id, "rffu")
	setMessage(t, q, id, func(m *Message) { m.Attempts, m.Next, m.DelayTold = 3, time.Now().Add(time.Hour), true })
	os.WriteFile(q.path(id+"/"+newEnvelope), []byte("left by a command that died"), 0o600)
	want := read(t, q, id)
	err := q.Readdress(id, "grüße@example.net", func(m *Message) (int, error) { return 1, nil })
	if err != nil {
		t.Fatal(err)
	}
	want.Envelope.Recipients[1].Address = "grüße@example.net"
	want.Progress[1] = Progress{State: Untried}
	want.Attempts, want.Next = 0, time.Time{}
	got := read(t, q, id)
	want.Envelope.Origin, want.birth = got.Envelope.Origin, got.birth // it is another file
	if !reflect.DeepEqual(got, want) || got.Foreign != "" {
		t.Errorf("became %+v\nwant   %+v", got, want)
	}
	wantNames(t, q.Dir+"/"+id, "envelope", "mail")
	if !q.Edited() {
		t.Error("the due index still holds")
	}
	// Progress is recorded in the new envelope.
	e, err := q.OpenEntry(id)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Note([]int{1}, []Report{unknownUser}, time.Now()); err != nil || letters(read(t, q, id)) != "rffu" {
		t.Error(err)
	}
}

func TestReaddressRefuses(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	before, _ := os.ReadFile(q.path(id + "/envelope"))
	no := errors.New("not this one")
	if err := q.Readdress(id, "b@example.com", func(*Message) (int, error) { return 0, no }); err != no {
		t.Error(err)
	}
	if err := q.Readdress(id, "b\xff@example.com", func(*Message) (int, error) { return 0, nil }); err == nil {
		t.Error("an address that is not UTF-8 is taken")
	}
	if after, _ := os.ReadFile(q.path(id + "/envelope")); !bytes.Equal(before, after) {
		t.Errorf("became %q", after)
	}
}
