package queue

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// The table of states in the package comment of spool, row by row: the files that exist, what
// reading them returns, whom a queue run sends to, and what it leaves.
var diskStates = []struct {
	state    string
	files    string // in the entry
	letters  string // of the recipients a, b, ...
	next     time.Duration
	held     bool
	read     error // that Read returns
	sent     string
	left     string // files in the entry after the run, "gone" if there is no entry
	letters2 string // after the run
	waits    bool   // unsendable
}{
	{state: "untried", files: "envelope mail", letters: "-", sent: "a", left: "gone"},
	{state: "delayed and due", files: "envelope mail", letters: "d", sent: "a", left: "gone"},
	{state: "delayed, not due", files: "envelope mail", letters: "d", next: time.Hour, left: "envelope mail", letters2: "d"},
	{state: "was being sent", files: "envelope mail", letters: "s", sent: "a", left: "gone"},
	{state: "possibly delivered", files: "envelope mail", letters: "u", sent: "a", left: "gone"},
	{state: "possibly delivered, not due", files: "envelope mail", letters: "u", next: time.Hour, left: "envelope mail", letters2: "u"},
	{state: "failed", files: "envelope mail", letters: "f", left: "envelope mail", letters2: "f"},
	{state: "failed and relayed", files: "envelope mail", letters: "fr", left: "envelope mail", letters2: "fr"},
	{state: "failed and untried", files: "envelope mail", letters: "f-", sent: "b", left: "envelope mail", letters2: "fr"},
	{state: "relayed and delayed", files: "envelope mail", letters: "rd", sent: "b", left: "gone"},
	{state: "one of each", files: "envelope mail", letters: "-dsurlf", sent: "a b c d", left: "envelope mail", letters2: "rrrrrlf"},
	{state: "held", files: "envelope mail", letters: "-", held: true, left: "envelope mail", letters2: "-"},
	{state: "done", files: "envelope mail", letters: "rl", left: "gone"},
	{state: "done and held", files: "envelope mail", letters: "rl", held: true, left: "gone"},
	{state: "being removed, content gone", files: "envelope", letters: "rl", left: "gone"},
	{state: "being removed, both gone", files: "", read: fs.ErrNotExist, left: "gone"},
	{state: "content gone", files: "envelope", letters: "r-", left: "envelope", letters2: "rd", waits: true},
	{state: "envelope gone", files: "mail", read: ErrDamaged, left: "mail", waits: true},
	{state: "something else alone", files: "note", read: ErrDamaged, left: "note", waits: true},
	{state: "unknown letter", files: "envelope mail", letters: "-x", read: ErrDamaged, left: "envelope mail", waits: true},
}

func TestDiskStates(t *testing.T) {
	for _, s := range diskStates {
		t.Run(s.state, func(t *testing.T) {
			q := newQueue(t)
			id := entryInState(t, q, s.letters, s.files, func(m *spool.Message) {
				m.Held = s.held
				if s.next != 0 {
					m.Next = time.Now().Add(s.next)
				}
			})

			if _, err := q.Read(id); !errors.Is(err, s.read) {
				t.Errorf("Read: %v, want %v", err, s.read)
			}
			if l, err := q.List(); err != nil || !slices.Equal(l.IDs, []string{id}) {
				t.Errorf("List: %q, %v", l.IDs, err)
			}
			h := &fakeHost{}
			sum := runQueue(t, q, one(h), RunOptions{})

			var sent []string
			for _, to := range h.to {
				sent = append(sent, strings.TrimSuffix(strings.TrimPrefix(to, id+" "), "@example.com"))
			}
			if got := strings.Join(sent, " "); got != s.sent {
				t.Errorf("sent to %q, want %q", got, s.sent)
			}
			if unsendable := slices.ContainsFunc(sum.Waiting, func(w Reason) bool { return strings.Contains(w.Text, "esmtpq rm "+id) }); unsendable != s.waits {
				t.Errorf("waiting: %v", sum.Waiting)
			}
			if len(sum.Trouble) > 0 {
				t.Errorf("trouble: %q", sum.Trouble)
			}
			left := "gone"
			if _, err := os.Lstat(q.Dir + "/" + id); err == nil {
				left = strings.Join(names(t, q.Dir+"/"+id), " ")
			}
			if left != s.left {
				t.Fatalf("left: %q, want %q", left, s.left)
			}
			if s.letters2 != "" && letters(read(t, q, id)) != s.letters2 {
				t.Errorf("left: %q, want %q", letters(read(t, q, id)), s.letters2)
			}
		})
	}
}

// entryInState puts an entry into the queue, with certain files and letters of recipients.
func entryInState(t *testing.T, q *spool.Queue, states, files string, message func(*spool.Message)) string {
	t.Helper()
	var to []string
	for i := range max(len(states), 1) {
		to = append(to, string(rune('a'+i))+"@example.com")
	}
	id := submit(t, q, to...)
	setMessage(t, q, id, message)
	setLetters(t, q, id, states)
	for _, name := range []string{"envelope", "mail"} {
		if !strings.Contains(files, name) {
			os.Remove(file(q, id, name))
		}
	}
	if files == "note" {
		os.WriteFile(file(q, id, "note"), nil, 0o600)
	}
	return id
}

func TestForeignNamesAreReportedAndLeftAlone(t *testing.T) {
	q := newQueue(t)
	dirs := []string{"0123456789abcdef", "0123456789ABCDE", "0123456789ABCDEF0", "lost+found", "ABCDEFGH", "a\x1b[2Jb", "mail"}
	for _, name := range dirs {
		if err := os.Mkdir(q.Dir+"/"+name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(q.Dir+"/12345678", nil, 0o600)
	id := submit(t, q, "a@example.com")

	sum := runQueue(t, q, one(&fakeHost{}), everything)

	if _, err := q.Read(id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what lay beside them was not sent: %v", err)
	}
	wantNames(t, q.Dir, append(dirs, "12345678")...)
	if len(sum.Trouble) != 1 || !strings.Contains(sum.Trouble[0], "0123456789ABCDE, 0123456789ABCDEF0, 0123456789abcdef and 5 more: skipped") {
		t.Errorf("reported %q", sum.Trouble)
	}
	for _, text := range sum.Trouble {
		if strings.Contains(text, "\x1b") {
			t.Errorf("reported with a terminal escape: %q", text)
		}
	}
}

// Damage must be reported, must not keep other mail from going out, and must not be made worse.
func TestDamagedEntries(t *testing.T) {
	for _, c := range damages {
		t.Run(c.name, func(t *testing.T) {
			if c.rootOnly && os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			q := newQueue(t)
			id := submit(t, q, "a@example.com")
			c.do(t, q, id)
			before := fingerprint(t, q.Dir+"/"+id)
			good := submit(t, q, "a@example.com")

			if _, err := q.Read(id); c.envelope && (err == nil || errors.Is(err, fs.ErrNotExist)) || c.envelope && !c.newer && !errors.Is(err, ErrDamaged) {
				t.Errorf("Read: %v", err)
			}
			h, l := &fakeHost{}, &listener{}
			opt := RunOptions{All: true, Notifier: l}
			sum := runQueue(t, q, one(h), opt)

			if !slices.Equal(h.got(), []string{good}) {
				t.Errorf("sent %q, want %q alone", h.got(), good)
			}
			if len(sum.Waiting) != 1 || !strings.Contains(sum.Waiting[0].Text, "esmtpq rm "+id) || len(sum.Trouble) > 0 {
				t.Errorf("waiting: %v, trouble: %q", sum.Waiting, sum.Trouble)
			}
			name := " a@example.com"
			if c.envelope {
				name = " " + id
			}
			l.hears(t, "stuck"+name)
			u, noted := q.Unsendables()[id]
			if noted != c.envelope || u.Passing {
				t.Errorf("noted: %v", q.Unsendables())
			}
			if after := fingerprint(t, q.Dir+"/"+id); c.envelope && after != before {
				t.Errorf("was\n%s, is\n%s", before, after)
			}
			if !c.envelope {
				if m := read(t, q, id); letters(m) != "d" || m.Progress[0].Status != spool.StatusDamaged || m.Attempts != 1 || !due(m.Next, time.Now().Add(2*retryFloor)) {
					t.Errorf("recorded: %+v", m)
				}
			}
			// It is told once, and shown until its owner has done something.
			if sum := runQueue(t, again(t, q), one(h), opt); len(sum.Waiting) != 1 {
				t.Errorf("the next run: %+v", sum)
			}
			l.hears(t)
			if _, err := os.Stat(file(q, good, "envelope")); err == nil {
				t.Error("the good one is still there")
			}
			if err := q.Remove(id); err != nil {
				t.Error(err)
			}
			if sum := runQueue(t, again(t, q), one(h), opt); len(sum.Waiting)+len(q.Unsendables()) != 0 {
				t.Errorf("removed, and: %+v, %v", sum, q.Unsendables())
			}
		})
	}
}

var damages = []struct {
	name     string
	envelope bool // the envelope is damaged
	newer    bool // not damaged, but of a newer version
	rootOnly bool
	do       func(t *testing.T, q *spool.Queue, id string)
}{
	{name: "a bit of the envelope", envelope: true, do: func(t *testing.T, q *spool.Queue, id string) {
		flipBit(t, file(q, id, "envelope"), int64(len(`{"version":1,"arr`)))
	}},
	{name: "a bit of the envelope's checksum", envelope: true, do: func(t *testing.T, q *spool.Queue, id string) {
		flipBit(t, file(q, id, "envelope"), progressOffset(t, q, id)-10)
	}},
	{name: "envelope cut short", envelope: true, do: func(t *testing.T, q *spool.Queue, id string) {
		os.Truncate(file(q, id, "envelope"), progressOffset(t, q, id)+messageLine+100)
	}},
	{name: "envelope empty", envelope: true, do: func(t *testing.T, q *spool.Queue, id string) {
		os.Truncate(file(q, id, "envelope"), 0)
	}},
	{name: "envelope too long", envelope: true, do: func(t *testing.T, q *spool.Queue, id string) {
		os.Truncate(file(q, id, "envelope"), progressOffset(t, q, id)+messageLine+2*recipientLine)
	}},
	{name: "envelope huge", envelope: true, do: func(t *testing.T, q *spool.Queue, id string) {
		os.Truncate(file(q, id, "envelope"), 1<<40)
	}},
	{name: "envelope of version 3", envelope: true, newer: true, do: writeVersion3},
	{name: "envelope a FIFO", envelope: true, do: replaceEnvelope(mkfifo)},
	{name: "envelope a symbolic link", envelope: true, do: replaceEnvelope(symlink)},
	{name: "envelope a symbolic link to itself", envelope: true, do: replaceEnvelope(selflink)},
	{name: "envelope a hard link", envelope: true, do: replaceEnvelope(hardlink)},
	{name: "envelope a directory", envelope: true, do: replaceEnvelope(mkdir)},
	{name: "envelope a socket", envelope: true, do: replaceEnvelope(mksocket)},
	{name: "envelope somebody else's", envelope: true, rootOnly: true, do: replaceEnvelope(giveAway)},
	{name: "a bit of the content", do: func(t *testing.T, q *spool.Queue, id string) { flipBit(t, file(q, id, "mail"), 3) }},
	{name: "content shorter", do: func(t *testing.T, q *spool.Queue, id string) { os.Truncate(file(q, id, "mail"), 5) }},
	{name: "content longer", do: func(t *testing.T, q *spool.Queue, id string) { os.Truncate(file(q, id, "mail"), 500) }},
	{name: "content a FIFO", do: replaceMail(mkfifo)},
	{name: "content a symbolic link", do: replaceMail(symlink)},
	{name: "content a hard link", do: replaceMail(hardlink)},
	{name: "content a directory", do: replaceMail(mkdir)},
	{name: "content a socket", do: replaceMail(mksocket)},
	{name: "content somebody else's", rootOnly: true, do: replaceMail(giveAway)},
	{name: "entry a symbolic link", envelope: true, do: replaceEntry(symlink)},
	{name: "entry a file", envelope: true, do: replaceEntry(func(t *testing.T, moved, path string) {
		os.WriteFile(path, nil, 0o600)
	})},
	{name: "entry a FIFO", envelope: true, do: replaceEntry(mkfifo)},
	{name: "entry somebody else's", envelope: true, rootOnly: true, do: func(t *testing.T, q *spool.Queue, id string) {
		os.Chown(q.Dir+"/"+id, 65534, 65534)
	}},
}
