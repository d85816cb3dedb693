package queue

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

func flipBit(t testing.TB, path string, at int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, at, string(b[at]^1))
}

func writeVersion3(t *testing.T, q *spool.Queue, id string) {
	b, err := os.ReadFile(file(q, id, "envelope"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfterN(b, []byte("\n"), 3)
	first, progress := lines[0], lines[2]
	first = bytes.Replace(first, []byte(`{"version":1,`), []byte(`{"version":3,`), 1)
	b = fmt.Appendf(nil, "%s{\"sha256\":\"%x\"}\n%s", first, sha256.Sum256(first), progress)
	if err := os.WriteFile(file(q, id, "envelope"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What can take the place of a file; moved is where the file itself went.
type replacement func(t *testing.T, moved, path string)

func replaceEnvelope(by replacement) func(*testing.T, *spool.Queue, string) {
	return func(t *testing.T, q *spool.Queue, id string) { replace(t, file(q, id, "envelope"), by) }
}

func replaceMail(by replacement) func(*testing.T, *spool.Queue, string) {
	return func(t *testing.T, q *spool.Queue, id string) { replace(t, file(q, id, "mail"), by) }
}

func replaceEntry(by replacement) func(*testing.T, *spool.Queue, string) {
	return func(t *testing.T, q *spool.Queue, id string) { replace(t, q.Dir+"/"+id, by) }
}

func replace(t *testing.T, path string, by replacement) {
	t.Helper()
	moved := t.TempDir() + "/moved"
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	by(t, moved, path)
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}
}

func mkfifo(t *testing.T, moved, path string)   { syscall.Mkfifo(path, 0o600) }
func symlink(t *testing.T, moved, path string)  { os.Symlink(moved, path) }
func selflink(t *testing.T, moved, path string) { os.Symlink(filepath.Base(path), path) }
func hardlink(t *testing.T, moved, path string) { os.Link(moved, path) }
func mkdir(t *testing.T, moved, path string)    { os.Mkdir(path, 0o700) }

func mksocket(t *testing.T, moved, path string) {
	// The path of a socket is short; a link to its directory makes it so.
	short, err := os.MkdirTemp("/tmp", "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(short)
	os.Symlink(filepath.Dir(path), short+"/d")
	l, err := net.Listen("unix", short+"/d/"+filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
}

func giveAway(t *testing.T, moved, path string) {
	os.Rename(moved, path)
	os.Chown(path, 65534, 65534)
}

// fingerprint describes what is at a path: names, kinds, links and the beginnings of contents.
func fingerprint(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	filepath.WalkDir(root, func(path string, _ fs.DirEntry, _ error) error {
		st, err := os.Lstat(path)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", path, err)
			return nil
		}
		fmt.Fprintf(&b, "%s %v %d", strings.TrimPrefix(path, root), st.Mode(), st.Sys().(*syscall.Stat_t).Uid)
		if st.Mode().IsRegular() {
			f, _ := os.Open(path)
			head, _ := io.ReadAll(io.LimitReader(f, 64<<10))
			f.Close()
			fmt.Fprintf(&b, " %d %x", st.Size(), sha256.Sum256(head))
		}
		b.WriteString("\n")
		return nil
	})
	return b.String()
}

// A link out of the queue must not let a removal reach its target.
func TestLinkedEntryThatIsDoneIsNotFollowed(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	setLetters(t, q, id, "r")
	outside := t.TempDir() + "/entry"
	os.Rename(q.Dir+"/"+id, outside)
	os.Symlink(outside, q.Dir+"/"+id)
	runQueue(t, q, one(&fakeHost{}), everything)
	wantNames(t, outside, "envelope", "mail")
}

func TestTornProgressKeepsItsLetter(t *testing.T) {
	at := func(t *testing.T, q *spool.Queue, id string) int64 { return progressOffset(t, q, id) + messageLine }
	torn := map[string]func(line []byte) []byte{
		"first half new": func(line []byte) []byte {
			return append([]byte(`{"state":"r","time":1893456000,"code":250,"sta`), line[46:]...)
		},
		"letter alone": func(line []byte) []byte { line[letterAt] = 'r'; return line },
		"rest zeroes":  func(line []byte) []byte { return append([]byte(`{"state":"r`), make([]byte, recipientLine-11)...) },
		"only letter":  func(line []byte) []byte { b := make([]byte, recipientLine); b[letterAt] = 'r'; return b },
		"not even a line end": func(line []byte) []byte {
			return []byte(`{"state":"r` + strings.Repeat("x", recipientLine-11))
		},
	}
	for name, tear := range torn {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t)
			id := submit(t, q, "a@example.com", "b@example.com")
			h := &fakeHost{answer: refusing(busy)}
			runQueue(t, q, one(h), everything)
			b, _ := os.ReadFile(file(q, id, "envelope"))
			line := tear(b[at(t, q, id):][:recipientLine])
			overwrite(t, file(q, id, "envelope"), at(t, q, id), string(line[:recipientLine]))

			if got := letters(read(t, q, id)); got != "rd" {
				t.Fatalf("reads as %q", got)
			}
			h = &fakeHost{}
			runQueue(t, q, one(h), everything)
			if len(h.to) != 1 || h.to[0] != id+" b@example.com" {
				t.Errorf("sent to %q", h.to)
			}
		})
	}
}

// Times in the future, from a clock that was set back, stop nothing.
func TestTimesInTheFuture(t *testing.T) {
	for _, ahead := range []time.Duration{9 * time.Hour, 24 * time.Hour, 100 * 365 * 24 * time.Hour, 1<<63 - 1} {
		for _, opt := range []RunOptions{{}, everything, {Age: time.Hour}} {
			q := newQueue(t)
			env := envelopeFor("a@example.com")
			env.Arrival = time.Now().Add(ahead)
			id := commit(t, q, env, hello)
			setMessage(t, q, id, func(m *spool.Message) { m.Last, m.Next = env.Arrival, env.Arrival })
			h := &fakeHost{}
			runQueue(t, q, one(h), opt)
			if len(h.got()) != 1 {
				t.Errorf("%v ahead: not tried with %+v", ahead, opt)
			}
		}
	}
}
