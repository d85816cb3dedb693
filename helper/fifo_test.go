package helper

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for something that must happen; only a failing test waits
// that long.
const patience = 20 * time.Second

// A fifo is open for writing in each process of a command, and so shows when the last one is
// gone.
type fifo struct {
	path string
	f    *os.File
	r    *bufio.Reader
}

// newFIFO makes a fifo and puts its path into $FIFO.
func newFIFO(t *testing.T) *fifo {
	t.Helper()
	f := newFIFOPath(t)
	t.Setenv("FIFO", f.path)
	return f
}

// newFIFOPath makes a fifo.
func newFIFOPath(t *testing.T) *fifo {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &fifo{path, f, bufio.NewReader(f)}
}

// line waits for a line.
func (f *fifo) line(t *testing.T) string {
	t.Helper()
	f.f.SetReadDeadline(time.Now().Add(patience))
	var got string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		s, err := f.r.ReadString('\n')
		if got += s; err == nil {
			return got
		}
		if err != io.EOF { // no process has it open
			t.Fatalf("%q, %v", got, err)
		}
	}
	t.Fatalf("no line: %q", got)
	return ""
}

// ended waits until no process has it open.
func (f *fifo) ended(t *testing.T) {
	t.Helper()
	f.f.SetReadDeadline(time.Now().Add(patience))
	if rest, err := io.ReadAll(f.r); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a process of the command lives on; it wrote %q", rest)
	} else if err != nil {
		t.Fatal(err)
	}
}

// open reports whether a process has it open.
func (f *fifo) open(t *testing.T) bool {
	t.Helper()
	f.f.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := f.r.ReadByte()
	if err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return err != io.EOF
}
