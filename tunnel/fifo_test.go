package tunnel

import (
	"bufio"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for something that must happen; only a failing test waits
// that long.
const patience = 20 * time.Second

// A fifo connects a test with the shell lines that it runs. Its end of file shows that no process
// has it open for writing any more.
type fifo struct {
	path string
	file *os.File
	*bufio.Reader
}

func newFIFO(t *testing.T) *fifo {
	t.Helper()
	path := makeFIFO(t)
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return &fifo{path: path, file: file, Reader: bufio.NewReader(file)}
}

// makeFIFO returns the path of a fifo that no process has open: opening it for writing waits for
// a reader.
func makeFIFO(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// line returns the next line that was written. Until there is a writer, reads only find the end
// of the file, so it tries again.
func (f *fifo) line(t *testing.T) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		f.file.SetReadDeadline(end)
		line, err := f.ReadString('\n')
		if err == nil {
			return line
		}
		if line != "" {
			t.Fatalf("half a line: %q", line)
		}
	}
	t.Fatalf("nothing was written to %s", f.path)
	return ""
}

// ended waits until every process that had the fifo open for writing is gone.
func (f *fifo) ended(t *testing.T) {
	t.Helper()
	f.file.SetReadDeadline(time.Now().Add(patience))
	if rest, err := f.ReadString('\n'); rest != "" || err == nil || os.IsTimeout(err) {
		t.Fatalf("read %q, %v, want the end of the file: a process is still there", rest, err)
	}
}
