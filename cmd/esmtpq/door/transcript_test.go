package door

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"esmtpq/cmd/esmtpq/argv"
)

// A gate is a reader that begins to read late.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	text strings.Builder
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.Write(p)
}

func (g *gate) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}

// gone is a reader that has gone away.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// Readers are served independently: a late one gets everything, in order, whatever becomes of the
// other.
func TestTranscriptWaitsForNobody(t *testing.T) {
	late := &gate{open: make(chan struct{})}
	tr := &Transcript{streams: []*stream{newStream(gone{}), newStream(late)}}
	want := ""
	for i := range 1000 {
		line := fmt.Sprintf("line %d\n", i)
		want += line
		if n, err := io.WriteString(tr, line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	interrupted, interrupt := context.WithCancel(context.Background())
	interrupt()
	tr.Flush(interrupted) // does not wait for it any more
	if late.String() != "" {
		t.Fatal("the late reader was early")
	}
	close(late.open)
	tr.Flush(context.Background())
	if got := late.String(); got != want {
		t.Errorf("the late reader got %d octets of %d", len(got), len(want))
	}
}

// The text that waits for a reader is bounded.
func TestTranscriptIsBounded(t *testing.T) {
	late := &gate{open: make(chan struct{})}
	s := newStream(late)
	piece := []byte(strings.Repeat("x", 1<<20))
	for range 100 {
		s.add(piece)
	}
	close(late.open)
	<-s.flush()
	// Text that is being written is no longer waiting.
	if n := len(late.String()); n < maxUnwritten || n > 2*maxUnwritten {
		t.Errorf("%d octets", n)
	}
}

func TestOpenTranscript(t *testing.T) {
	if tr, err := OpenTranscript(&argv.Invocation{}, os.Stderr); tr != nil || err != nil {
		t.Errorf("%v, %v", tr, err)
	}
	file := filepath.Join(t.TempDir(), "dialogue")
	for _, line := range []string{"one\n", "two\n"} {
		tr, err := OpenTranscript(&argv.Invocation{Transcript: file}, os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(tr, line)
		tr.Flush(context.Background())
		tr.Close()
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != transcriptHead+"one\ntwo\n" {
		t.Errorf("%q, %v", text, err)
	}
	for _, name := range []string{filepath.Dir(file), os.DevNull, filepath.Join(file, "x")} {
		if tr, err := OpenTranscript(&argv.Invocation{Transcript: name}, os.Stderr); err == nil {
			t.Errorf("%s: %v", name, tr)
		}
	}
}

// A transcript goes into a new file, or to the end of one that is plainly a transcript of ours.
func TestTranscriptOfOthers(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	write("rc", "identity = me@example.org\n")
	write("almost", transcriptHead[:10])
	write("named", transcriptHead)
	write("target", "")
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "real"), 0o700), os.Symlink("real", filepath.Join(dir, "linked")),
		os.Symlink("target", filepath.Join(dir, "link")), os.Symlink("none", filepath.Join(dir, "dangling")),
		os.Link(filepath.Join(dir, "named"), filepath.Join(dir, "other")),
		syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	bad := []string{"rc", "almost", "named", "other", "link", "dangling", "fifo", "real", "none/x", "/dev/null", "/dev/full", "/proc/self/mem", "/proc/self/comm",
		fmt.Sprintf("/proc/%d/mem", os.Getpid()), fmt.Sprintf("/proc/%d/comm", os.Getpid()), fmt.Sprintf("/proc/%d/oom_score_adj", os.Getpid())}
	if runtime.GOOS == "linux" {
		bad = append(bad, "linked/x")
	}
	for _, name := range bad {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		if f, _, err := openTranscript(name); err == nil {
			f.Close()
			t.Errorf("%s is taken", name)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "real")); len(left) > 0 {
		t.Errorf("made in a linked directory: %v", left)
	}
	for _, name := range []string{write("empty", ""), write("begun", transcriptHead+"x\n"), filepath.Join(dir, "real/new")} {
		f, empty, err := openTranscript(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if empty != !strings.HasSuffix(name, "begun") {
			t.Errorf("%s: empty %t", name, empty)
		}
	}
	if os.Getuid() == 0 {
		os.Chown(write("theirs", ""), 65534, 65534)
		if f, _, err := openTranscript(filepath.Join(dir, "theirs")); err == nil {
			f.Close()
			t.Error("another user's file is taken")
		}
	}
}
