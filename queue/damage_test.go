package queue

import (
	"bytes"
	"crypto/sha256"
	"errors"
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
)

func flipBit(t testing.TB, path string, at int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, at, string(b[at]^1))
}

func writeVersion2(t *testing.T, q *Queue, id string) {
	b, err := os.ReadFile(q.path(id, "envelope"))
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := cutLine(b)
	_, progress, _ := cutLine(rest)
	first = bytes.Replace(first, []byte(`{"version":1,`), []byte(`{"version":2,`), 1)
	b = fmt.Appendf(nil, "%s{\"sha256\":\"%x\"}\n%s", first, sha256.Sum256(first), progress)
	if err := os.WriteFile(q.path(id, "envelope"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What can stand in the place of a file: moved is where the file itself went.
type replacement func(t *testing.T, moved, path string)

func replaceEnvelope(by replacement) func(*testing.T, *Queue, string) {
	return func(t *testing.T, q *Queue, id string) { replace(t, q.path(id, "envelope"), by) }
}

func replaceMail(by replacement) func(*testing.T, *Queue, string) {
	return func(t *testing.T, q *Queue, id string) { replace(t, q.path(id, "mail"), by) }
}

func replaceEntry(by replacement) func(*testing.T, *Queue, string) {
	return func(t *testing.T, q *Queue, id string) { replace(t, q.Dir+"/"+id, by) }
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

// fingerprint says what lies at a path: names, kinds, links and the beginnings of contents.
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

// A link out of the queue must not let a removal reach what it points to.
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
	at := func(t *testing.T, q *Queue, id string) int64 { return progressOffset(t, q, id) + messageLine }
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
			b, _ := os.ReadFile(q.path(id, "envelope"))
			line := tear(b[at(t, q, id):][:recipientLine])
			overwrite(t, q.path(id, "envelope"), at(t, q, id), string(line[:recipientLine]))

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

func TestTornMessageLineIsNoMoreThanForgotten(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	setMessage(t, q, id, func(m *Message) { m.Held, m.Attempts = true, 7 })
	overwrite(t, q.path(id, "envelope"), progressOffset(t, q, id)+20, "\x00\x00\x00")
	if m := read(t, q, id); !m.Held || m.Attempts != 0 || !m.Next.IsZero() {
		t.Errorf("reads as %+v", m)
	}
}

// Times that the clock has not reached yet come from a clock that was set back, or from nobody.
func TestTimesInTheFuture(t *testing.T) {
	for _, ahead := range []time.Duration{9 * time.Hour, 24 * time.Hour, 100 * 365 * 24 * time.Hour, 1<<63 - 1} {
		for _, opt := range []RunOptions{{}, everything, {Age: time.Hour}} {
			q := newQueue(t)
			env := envelopeFor("a@example.com")
			env.Arrival = time.Now().Add(ahead)
			id := commit(t, q, env, hello)
			setMessage(t, q, id, func(m *Message) { m.Last, m.Next = env.Arrival, env.Arrival })
			h := &fakeHost{}
			runQueue(t, q, one(h), opt)
			if len(h.got()) != 1 {
				t.Errorf("%v ahead: not tried with %+v", ahead, opt)
			}
		}
	}
}

func TestTimesBeyondAllMeasureCanBePrinted(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	at := progressOffset(t, q, id)
	for offset, line := range map[int64]string{
		0:           `{"state":"-","attempts":-9223372036854775808,"last":9223372036854775807,"next":9223372036854775807}`,
		messageLine: `{"state":"d","time":9223372036854775807,"code":-9223372036854775808}`,
	} {
		overwrite(t, q.path(id, "envelope"), at+offset, line+" ")
	}
	m := read(t, q, id)
	for _, when := range []time.Time{m.Last, m.Next, m.Progress[0].Time} {
		if _, err := when.MarshalJSON(); err != nil {
			t.Error(err)
		}
	}
	if m.Attempts < 0 {
		t.Errorf("%d attempts", m.Attempts)
	}
}

func TestQueueDirectory(t *testing.T) {
	t.Run("modes are repaired", func(t *testing.T) {
		for _, mode := range []fs.FileMode{0o777, 0o750, 0o500, 0o000} {
			q := newQueue(t)
			os.Chmod(q.Dir, mode)
			again(t, q)
			if st, _ := os.Stat(q.Dir); st.Mode().Perm() != 0o700 {
				t.Errorf("%v became %v", mode, st.Mode())
			}
		}
	})
	refused := map[string]func(t *testing.T, dir string){
		"symbolic link":   func(t *testing.T, dir string) { os.Symlink(t.TempDir(), dir) },
		"dangling link":   func(t *testing.T, dir string) { os.Symlink(t.TempDir()+"/none", dir) },
		"file":            func(t *testing.T, dir string) { os.WriteFile(dir, nil, 0o600) },
		"FIFO":            func(t *testing.T, dir string) { syscall.Mkfifo(dir, 0o600) },
		"somebody else's": func(t *testing.T, dir string) { os.Mkdir(dir, 0o777); os.Chown(dir, 65534, 65534) },
		"somebody's, 01777": func(t *testing.T, dir string) {
			os.Mkdir(dir, 0o700)
			os.Chown(dir, 65534, 65534)
			os.Chmod(dir, 01777)
		},
	}
	for name, plant := range refused {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "somebody") && os.Geteuid() != 0 {
				t.Skip("only root can give a directory away")
			}
			dir := t.TempDir() + "/queue"
			plant(t, dir)
			before := fingerprint(t, dir)
			for name, open := range map[string]func(string) (*Queue, error){"Open": Open, "OpenOrCreate": OpenOrCreate} {
				if _, err := open(dir); !errors.Is(err, ErrNotOurs) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if after := fingerprint(t, dir); after != before {
				t.Errorf("was %s, is %s", before, after)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		dir := t.TempDir()
		if _, err := Open(dir + "/queue"); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		if _, err := OpenOrCreate(dir + "/home/queue"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without a home directory: %v", err)
		}
		wantNames(t, dir)
	})
}
