package spool

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTornMessageLineIsNoMoreThanForgotten(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	setMessage(t, q, id, func(m *Message) { m.Held, m.Attempts = true, 7 })
	overwrite(t, q.path(id+"/envelope"), progressOffset(t, q, id)+20, "\x00\x00\x00")
	if m := read(t, q, id); !m.Held || m.Attempts != 0 || !m.Next.IsZero() {
		t.Errorf("reads as %+v", m)
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
		overwrite(t, q.path(id+"/envelope"), at+offset, line+" ")
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

func flipBit(t testing.TB, path string, at int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, at, string(b[at]^1))
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
