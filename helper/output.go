package helper

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxOutput  = 1 << 10               // octets of a command's output that are kept
	maxFile    = 1 << 20               // and that its file may have
	watchPause = 20 * time.Millisecond // between two looks at the file
)

// openOutput returns a nameless file for a command's output; every process that has it appends.
// It is in memory where the system offers that, since the words of a failing password command do
// not belong on a disk. If no file can be made (a full disk), the output goes to /dev/null: a
// failure without words is better than mail that cannot leave.
func openOutput() (*os.File, error) {
	f := memoryFile()
	if f == nil {
		var err error
		if f, err = os.CreateTemp("", "esmtpq-output-"); err != nil {
			return os.OpenFile(os.DevNull, os.O_RDWR, 0)
		}
		if err := os.Remove(f.Name()); err != nil {
			f.Close()
			return nil, err
		}
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFL, unix.O_APPEND); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// bound drops the output of a command that prints too much.
func bound(f *os.File) {
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > maxFile {
		f.Truncate(0)
	}
}

// lastLines returns the end of a command's output: the whole lines that fit into maxOutput,
// without empty ones.
func lastLines(f *os.File) string {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	start := max(info.Size()-maxOutput, 0)
	buf := make([]byte, maxOutput)
	n, _ := f.ReadAt(buf, start)
	text := string(buf[:n])
	if start > 0 {
		if _, whole, ok := strings.Cut(text, "\n"); ok && whole != "" {
			text = whole
		}
	}
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// maxPrinted bounds what Output returns, in octets.
const maxPrinted = 64 << 10

// Output runs a shell line that prints something we need, and returns the first 64 kB of its
// standard output, which are kept only in memory. words is the last line of its standard error.
// The error says how the line ended.
func Output(ctx context.Context, line string) (stdout []byte, words string, err error) {
	var kept head
	c := Shell(line)
	c.Stdout = &kept
	exit, err := c.Run(ctx)
	if err != nil {
		return nil, "", err
	}
	words = exit.Output[strings.LastIndexByte(exit.Output, '\n')+1:]
	if !exit.OK() {
		err = &howError{exit}
	}
	return kept.bytes(), words[:min(len(words), maxWords)], err
}

// A howError is an exit without its words.
type howError struct{ exit *Exit }

func (e *howError) Error() string { return e.exit.How() }
func (e *howError) Unwrap() error { return e.exit.Stopped }

// A head keeps the first octets written to it and ignores the rest. A process that has outlived
// its command may still write to it while it is read.
type head struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

// Write implements io.Writer; it never fails.
func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept.Write(p[:min(len(p), maxPrinted-h.kept.Len())])
	return len(p), nil
}

// bytes returns a copy of what was kept.
func (h *head) bytes() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytes.Clone(h.kept.Bytes())
}
