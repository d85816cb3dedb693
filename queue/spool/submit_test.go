package spool

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestAcceptedMessageIsWhatWasSubmitted(t *testing.T) {
	q := newQueue(t)
	null := ""
	content := "Subject: caf\xc3\xa9\n\n" + strings.Repeat("x", 1200) + "\nthe last line has no end"
	env := envelopeFor("a@example.com", "b@example.com")
	env.ReversePath, env.EnvelopeID, env.Config = &null, "envid <&> \u2028", "/etc/other"
	env.Recipients[1].Notify = "NEVER"
	id := commit(t, q, env, content)

	wantNames(t, q.Dir, id)
	wantNames(t, q.Dir+"/"+id, "envelope", "mail")
	if b, _ := os.ReadFile(q.path(id + "/mail")); string(b) != content {
		t.Errorf("the content is %q", b)
	}
	m := read(t, q, id)
	got := m.Envelope
	sum := sha256.Sum256([]byte(content))
	if got.Size != int64(len(content)) || got.Lines != 3 || got.MaxLine != 1200 || !got.EightBit || got.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("measured %+v", got)
	}
	if got.ReversePath == nil || *got.ReversePath != "" || got.EnvelopeID != env.EnvelopeID || got.Config != env.Config || !slices.Equal(got.Recipients, env.Recipients) {
		t.Errorf("the envelope came back as %+v", got)
	}
	if age := time.Since(got.Arrival); age < 0 || age > soon {
		t.Errorf("arrived %v ago", age)
	}
	if s := letters(m); s != "--" || m.Held || m.Attempts != 0 || !m.Last.IsZero() || !m.Next.IsZero() {
		t.Errorf("has progress %q, %+v", s, m)
	}
}

func TestNothingIsLeftOfWhatWasNotAccepted(t *testing.T) {
	abandon := map[string]func(t *testing.T, w *Writer) error{
		"aborted at once": func(t *testing.T, w *Writer) error { w.Abort(); return errors.New("aborted") },
		"aborted after content": func(t *testing.T, w *Writer) error {
			w.Write(make([]byte, 200<<10))
			w.Abort()
			return errors.New("aborted")
		},
		"content could not be written": func(t *testing.T, w *Writer) error {
			w.mail.Close()
			w.Write(make([]byte, 200<<10))
			_, err := w.Commit(envelopeFor("a@example.com"))
			return err
		},
		"content could not be synced": func(t *testing.T, w *Writer) error {
			w.mail.Close()
			_, err := w.Commit(envelopeFor("a@example.com"))
			return err
		},
		"envelope could not be created": func(t *testing.T, w *Writer) error {
			os.WriteFile(w.q.path(w.name+"/envelope"), nil, 0o600)
			_, err := w.Commit(envelopeFor("a@example.com"))
			return err
		},
		"envelope is not JSON": func(t *testing.T, w *Writer) error {
			env := envelopeFor("a@example.com")
			env.Arrival = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
			_, err := w.Commit(env)
			return err
		},
		"queue directory could not be synced": func(t *testing.T, w *Writer) error {
			w.q = &Queue{Dir: w.q.Dir, dir: closedFile(t), fd: w.q.fd}
			_, err := w.Commit(envelopeFor("a@example.com"))
			return err
		},
		"no recipients": func(t *testing.T, w *Writer) error {
			_, err := w.Commit(&Envelope{})
			return err
		},
		"more recipients than can be read back": func(t *testing.T, w *Writer) error {
			_, err := w.Commit(envelopeFor(make([]string, MaxRecipients+1)...))
			return err
		},
		"addresses longer than can be read back": func(t *testing.T, w *Writer) error {
			_, err := w.Commit(envelopeFor(strings.Repeat("x", maxEnvelope)))
			return err
		},
		"an address that JSON cannot hold": func(t *testing.T, w *Writer) error {
			_, err := w.Commit(envelopeFor("caf\xe9@example.com"))
			return err
		},
	}
	for name, act := range abandon {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t)
			w, err := q.NewWriter()
			if err != nil {
				t.Fatal(err)
			}
			if act(t, w) == nil {
				t.Error("was accepted")
			}
			wantNames(t, q.Dir)
		})
	}
}

// Until an entry is accepted, nobody can open and so send it, although it has its name: if the
// sync of the queue directory fails, the entry is removed, and the submitter is told that nothing
// was queued.
func TestEntryIsLockedUntilItIsAccepted(t *testing.T) {
	for _, fails := range []bool{false, true} {
		q := newQueue(t)
		w, err := q.NewWriter()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, hello)
		if err := w.complete(envelopeFor("a@example.com")); err != nil {
			t.Fatal(err)
		}
		id, err := w.publish(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again(t, q).OpenEntry(id); !errors.Is(err, ErrLocked) {
			t.Errorf("before the sync: %v", err)
		}
		if fails {
			w.Abort()
			wantNames(t, q.Dir)
			continue
		}
		w.unlock()
		e, err := again(t, q).OpenEntry(id)
		if err != nil {
			t.Fatal(err)
		}
		e.Close()
	}
}

// The same from outside: while submissions fail at that sync, a run that looks for their entries
// can open none.
func TestNothingIsSentOfWhatWasNotAccepted(t *testing.T) {
	q := newQueue(t)
	stop, looked := make(chan struct{}), make(chan error, 1)
	go func() {
		run := again(t, q)
		for {
			select {
			case <-stop:
				looked <- nil
				return
			default:
			}
			l, _ := run.List()
			for _, id := range l.IDs {
				if e, err := run.OpenEntry(id); err == nil {
					e.Close()
					looked <- fmt.Errorf("%s could have been sent", id)
					return
				}
			}
		}
	}()
	for range 300 {
		w, err := q.NewWriter()
		if err != nil {
			t.Fatal(err)
		}
		w.q = &Queue{Dir: q.Dir, dir: closedFile(t), fd: q.fd}
		fmt.Fprint(w, hello)
		if _, err := w.Commit(envelopeFor("a@example.com")); err == nil {
			t.Error("was accepted")
		}
	}
	close(stop)
	if err := wait(t, "the run", looked); err != nil {
		t.Error(err)
	}
	wantNames(t, q.Dir)
}

func closedFile(t *testing.T) *os.File {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	return f
}

func TestQueueIDsSortByArrival(t *testing.T) {
	q := newQueue(t)
	start := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	var ids []string
	for _, after := range []time.Duration{0, time.Microsecond, time.Second, time.Hour, 24 * 365 * time.Hour, 100 * 24 * 365 * time.Hour} {
		env := envelopeFor("a@example.com")
		env.Arrival = start.Add(after)
		ids = append(ids, commit(t, q, env, hello))
	}
	l, err := q.List()
	if err != nil || !slices.Equal(l.IDs, ids) {
		t.Errorf("List: %q, %v; submitted in the order %q", l.IDs, err, ids)
	}
	for _, id := range ids {
		if !IsID(id) {
			t.Errorf("%q is no queue ID", id)
		}
	}
}

func TestManyMessagesOfOneInstant(t *testing.T) {
	q := newQueue(t)
	instant, seen := time.Now(), map[string]bool{}
	for range 20 {
		env := envelopeFor("a@example.com")
		env.Arrival = instant
		id := commit(t, q, env, hello)
		if seen[id] {
			t.Fatalf("queue ID %s was given twice", id)
		}
		seen[id] = true
	}
	if l, _ := q.List(); len(l.IDs) != len(seen) {
		t.Errorf("accepted %d, %d are there", len(seen), len(l.IDs))
	}
}

func TestWritersSideBySide(t *testing.T) {
	q := newQueue(t)
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wg.Go(func() {
			ids[i] = commit(t, again(t, q), envelopeFor("a@example.com"), fmt.Sprintf("Subject: %d\n\n", i))
		})
	}
	wg.Wait()
	for i, id := range ids {
		if b, _ := os.ReadFile(q.path(id + "/mail")); string(b) != fmt.Sprintf("Subject: %d\n\n", i) {
			t.Errorf("message %d holds %q", i, b)
		}
	}
}

// A queue run can meet a temporary entry between its mkdir and its lock, and take it for that of
// a dead writer.
func TestWriterGetsOverASweepBeforeItsLock(t *testing.T) {
	q := newQueue(t)
	stop, swept := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				swept <- nil
				return
			default:
				v, err := q.Inventory()
				if err == nil {
					err = q.Sweep(v)
				}
				if err != nil {
					swept <- err
					return
				}
			}
		}
	}()
	const n = 200
	for range n {
		w, err := q.NewWriter()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, hello)
		if _, err := w.Commit(envelopeFor("a@example.com")); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := wait(t, "the sweeper", swept); err != nil {
		t.Error(err)
	}
	l, err := q.List()
	if err != nil || len(l.IDs) != n {
		t.Fatalf("%d of %d messages are there, %v", len(l.IDs), n, err)
	}
	for _, id := range l.IDs {
		if _, err := q.content(read(t, q, id)); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestSweep(t *testing.T) {
	q := newQueue(t)
	alive, err := q.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	dead, err := q.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	dead.lock.Close() // as the end of its process does
	os.WriteFile(q.path(dead.name+"/extra"), nil, 0o600)
	outside := t.TempDir()
	os.WriteFile(outside+"/mail", nil, 0o600)
	for _, name := range []string{".new-link", ".other"} {
		if err := os.Symlink(outside, q.Dir+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(q.Dir+"/.new-file", nil, 0o600)

	sweep(t, q)

	wantNames(t, q.Dir, alive.name, ".new-link", ".other", ".new-file")
	wantNames(t, outside, "mail")
	fmt.Fprint(alive, hello)
	id, err := alive.Commit(envelopeFor("a@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	sweep(t, q)
	wantNames(t, q.Dir+"/"+id, "envelope", "mail")
}

// The umask belongs to the process, so setting it takes a process of its own.
func TestModesWhateverTheUmask(t *testing.T) {
	for _, umask := range []string{"0", "0777", "0027"} {
		t.Run(umask, func(t *testing.T) {
			home := t.TempDir()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), roleVariable+"=umask", "QUEUE_TEST_DIR="+home+"/queue", "QUEUE_TEST_UMASK="+umask)
			asOrdinaryUser(t, cmd, home)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			filepath.WalkDir(home+"/queue", func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					t.Error(err)
					return nil
				}
				want := fs.FileMode(0o600)
				if d.IsDir() {
					want = 0o700
				}
				if st, err := d.Info(); err != nil || st.Mode().Perm() != want {
					t.Errorf("%s has mode %v, want %v; %v", path, st.Mode(), want, err)
				}
				return nil
			})
		})
	}
}

func init() {
	roles["umask"] = func() error {
		var mask int
		fmt.Sscanf(os.Getenv("QUEUE_TEST_UMASK"), "%o", &mask)
		syscall.Umask(mask)
		for range 2 {
			q, err := OpenOrCreate(os.Getenv("QUEUE_TEST_DIR"))
			if err != nil {
				return err
			}
			defer q.Close()
			w, err := q.NewWriter()
			if err != nil {
				return err
			}
			fmt.Fprint(w, hello)
			if _, err := w.Commit(envelopeFor("a@example.com")); err != nil {
				return err
			}
			wakeup, err := q.TryWakeup()
			if err != nil {
				return err
			}
			wakeup.Close()
		}
		return nil
	}
}

// asOrdinaryUser lets root, whom no mode stops, run a command as another user.
func asOrdinaryUser(t *testing.T, cmd *exec.Cmd, home string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	program := home + "/program"
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(home), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Dir = program, home
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}
