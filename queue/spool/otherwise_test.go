package spool

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

// spoil makes the descriptor of an entry useless, as that of a file on a network file system is
// after a new connection; with name, the file cannot be opened for writing by its name either.
func spoil(t *testing.T, e *Entry, name bool) {
	t.Helper()
	flag := os.O_RDONLY
	f, err := e.q.openOurs(e.name+"/envelope", flag)
	if err != nil {
		t.Fatal(err)
	}
	e.f.Close()
	e.f = f
	if name { // one name more, and nobody opens it
		if err := os.Link(e.q.path(e.name+"/envelope"), e.q.path("../second")); err != nil {
			t.Fatal(err)
		}
	}
}

func attempt(e *Entry, reports ...Report) []Attempt {
	a := Attempt{Entry: e, Reports: reports}
	for i := range reports {
		a.Recipients = append(a.Recipients, i)
	}
	return []Attempt{a}
}

var (
	taken = Report{Action: Relayed, Status: "2.0.0", Code: 250}
	later = Report{Action: Delayed, Scope: ScopeRecipient, Status: "4.2.0", Code: 451}
)

// What could not be recorded in the usual way is recorded otherwise, and every later run knows.
func TestProgressIsRecordedOtherwise(t *testing.T) {
	for _, test := range []struct {
		name    string
		rcpts   []string
		reports []Report
		byName  bool // the envelope can be opened again
		rename  bool // the entry can be renamed
		want    string
		held    bool
		fails   bool
	}{
		{"by the name of the file", []string{"a@example.com", "b@example.com"}, []Report{taken, later}, true, true, "rd", false, false},
		{"by the name of the entry", []string{"a@example.com"}, []Report{taken}, false, true, "", false, false},
		{"without the content", []string{"a@example.com"}, []Report{taken}, false, false, "r", true, false},
		{"held", []string{"a@example.com", "b@example.com"}, []Report{taken, later}, false, true, "--", true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := newQueue(t)
			id := submit(t, q, test.rcpts...)
			e, err := q.OpenEntry(id)
			if err != nil {
				t.Fatal(err)
			}
			spoil(t, e, !test.byName)
			if !test.rename {
				in := q.path(sentPrefix + id)
				if err := os.MkdirAll(in+"/the way", 0o700); err != nil {
					t.Fatal(err)
				}
				defer os.RemoveAll(in)
			}
			err = q.RecordAll(attempt(e, test.reports...), time.Now())[0]
			if (err != nil) != test.fails {
				t.Errorf("recorded: %v", err)
			}
			e.Close()
			os.Remove(q.path("../second"))
			if test.want == "" {
				wantNames(t, q.Dir, sentPrefix+id)
				return
			}
			m, err := again(t, q).Read(id)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, p := range m.Progress {
				got += string(rune(p.State))
			}
			if got != test.want || m.Held != test.held || m.Halted != test.held {
				t.Errorf("left as %q, held %v", got, m.Held)
			}
			if m.Served() { // even if the run died before it could remove the rest
				if err := q.SetHeld(id, false); !errors.Is(err, ErrServed) {
					t.Errorf("release: %v", err)
				}
				if m, err := q.Read(id); err != nil || !m.Served() {
					t.Errorf("after release: %+v, %v", m, err)
				}
			}
			if !test.held || m.Served() {
				return
			}
			if err := q.SetHeld(id, false); err != nil {
				t.Errorf("release: %v", err)
			}
			if m, err := q.Read(id); err != nil || m.Held || m.Halted {
				t.Errorf("after release: %+v, %v", m, err)
			}
		})
	}
}

// Whether progress can be recorded is found out before anything is sent.
func TestWhetherProgressCanBeRecorded(t *testing.T) {
	q := newQueue(t)
	e, err := q.OpenEntry(submit(t, q, "a@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	spoil(t, e, false)
	if err := e.CanRecord(); err != nil {
		t.Errorf("by its name it can: %v", err)
	}
	spoil(t, e, true)
	if err := e.CanRecord(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("it cannot: %v", err)
	}
}

// On network file systems, a file that somebody has open keeps a name when it is removed. An entry
// with nothing but such names is one that is being removed.
func TestNamesOfRemovedFiles(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	for _, name := range []string{"mail", "envelope"} {
		if err := os.Rename(q.path(id+"/"+name), q.path(id+"/.fuse_hidden0000"+name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.Read(id); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("read: %v", err)
	}
	if !q.SweepEmpty(id) {
		t.Error("was not swept")
	}
	wantNames(t, q.Dir)

	id = submit(t, q, "a@example.com")
	os.Rename(q.path(id+"/envelope"), q.path(id+"/.nfs01"))
	if _, err := q.Read(id); !errors.Is(err, ErrDamaged) {
		t.Errorf("with a content: %v", err)
	}
	if q.SweepEmpty(id) || !slices.Contains(names(t, q.path(id)), "mail") {
		t.Error("a content was swept")
	}
	if !q.hasFiles(id+"/mail") || q.hasFiles(id+"/none") {
		t.Error("what cannot be read as a directory may have files, and what is gone has none")
	}
}

// An entry that is held so is done only if its content is known to be gone. Where the system does not
// say, as on a network file system that has lost its connection, it stays held: taken for done, it
// would be swept.
func TestHeldWithContentOutOfSight(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	if err := os.Chmod(q.path(id+"/envelope"), haltedMode); err != nil {
		t.Fatal(err)
	}
	m := read(t, q, id)
	for _, broken := range []bool{false, true} {
		seen := *q
		if broken {
			seen.fd = -1 // no call goes through
		}
		if seen.seeHalted(m); !m.Halted || !m.Pending() {
			t.Errorf("a broken directory: %t, halted %t, pending %t", broken, m.Halted, m.Pending())
		}
	}
}
