package folder

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const content = "Message-ID: <1@example.org>\nSubject: x\n\nFrom me\n>From you\nlast line"

func mail(text string) *Mail {
	return &Mail{
		ID: "0660D0D76A5B2C01", Sender: "me@example.org", Time: time.Unix(1_800_000_000, 0), MessageID: "<1@example.org>", Host: "a/b",
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}
}

const entry = "From me@example.org Fri Jan 15 08:00:00 2027\nMessage-ID: <1@example.org>\nSubject: x\nStatus: RO\n\n>From me\n>>From you\nlast line\n\n"

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Whatever an mbox ends with, the mail begins behind a blank line; and it is added once, if it may be there.
func TestMbox(t *testing.T) {
	for before, between := range map[string]string{"": "", "From x\n\nold\n\n": "", "From x\n\nold\n": "\n", "From x\n\nold": "\n\n"} {
		path := filepath.Join(t.TempDir(), "sent")
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, again := range []bool{false, true} {
			if err := Add(path, mail(content), again); err != nil {
				t.Fatal(err)
			}
		}
		if got := read(t, path); got != before+between+entry {
			t.Errorf("behind %q: %q", before, got)
		}
		if err := Add(path, mail(content), false); err != nil || read(t, path) != before+between+entry+entry {
			t.Errorf("a second one: %v", err)
		}
		if _, err := os.Lstat(path + ".lock"); err == nil {
			t.Error("the lock is left")
		}
	}
}

// A mail that cannot be read to its end leaves the mbox as it was, and no Maildir has a part of it.
func TestNothingIsLeftOfAPart(t *testing.T) {
	broken := mail("")
	broken.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat(content+"\n", 5000)), failing{})), nil
	}
	dir := t.TempDir()
	mbox, maildir := filepath.Join(dir, "sent"), filepath.Join(dir, "Sent")+"/"
	if err := os.WriteFile(mbox, []byte("From x\n\nold"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{mbox, maildir} {
		if err := Add(path, broken, false); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if got := read(t, mbox); got != "From x\n\nold" {
		t.Errorf("the mbox has %d octets", len(got))
	}
	if left, _ := filepath.Glob(maildir + "*/*"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

var errBroken = errors.New("broken")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

// A Maildir gets the mail as it is, as read, with a name by which it is found again under other flags.
func TestMaildir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "Sent [old]")
	if err := Add(dir+"/", mail(content), false); err != nil {
		t.Fatal(err)
	}
	files, _ := os.ReadDir(filepath.Join(dir, "cur"))
	if len(files) != 1 || !strings.HasSuffix(files[0].Name(), ".a_b:2,S") || read(t, filepath.Join(dir, "cur", files[0].Name())) != content {
		t.Fatalf("%v", files)
	}
	flagged := filepath.Join(dir, "cur", strings.Replace(files[0].Name(), ":2,S", ":2,FS", 1))
	if err := os.Rename(filepath.Join(dir, "cur", files[0].Name()), flagged); err != nil {
		t.Fatal(err)
	}
	if err := Add(dir, mail(content), true); err != nil { // without a slash: it is one
		t.Fatal(err)
	}
	if all, _ := os.ReadDir(filepath.Join(dir, "cur")); len(all) != 1 {
		t.Errorf("%d files", len(all))
	}
}

// Both locks of other programs are respected, and one that a dead program has left long ago is not.
func TestLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sent")
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Add(path, mail(content), false); !errors.Is(err, ErrLocked) {
		t.Errorf("%v", err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path+".lock", old, old); err != nil {
		t.Fatal(err)
	}
	m := mail(content)
	m.Patience = 10 * time.Second
	if err := Add(path, m, false); err != nil {
		t.Errorf("%v", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unlock, err := lock(f, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if got := read(t, path); got != entry {
		t.Errorf("%q", got)
	}
}
