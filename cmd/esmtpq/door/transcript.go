package door

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
)

// A Transcript shows the SMTP dialogue: on standard error (-v), in a file (-X), or both. No
// reader of it can hold up a delivery, let alone end it: for a slow reader, lines wait in memory;
// a reader that has gone away misses them. A nil Transcript shows nothing.
type Transcript struct {
	streams []*stream
	file    *os.File
}

// OpenTranscript makes the transcript that a command line asks for, nil if it asks for none.
func OpenTranscript(inv *argv.Invocation, stderr *os.File) (*Transcript, error) {
	if !inv.Verbose && inv.Transcript == "" {
		return nil, nil
	}
	t := &Transcript{}
	if inv.Transcript != "" {
		f, empty, err := openTranscript(inv.Transcript)
		if err != nil {
			return nil, exit.Fail(exit.CantCreat, "-X %s: %w", inv.Transcript, err)
		}
		s := newStream(f)
		if empty {
			s.waiting = []byte(transcriptHead) // written with the first line
		}
		t.file, t.streams = f, append(t.streams, s)
	}
	if inv.Verbose {
		t.streams = append(t.streams, newStream(stderr))
	}
	return t, nil
}

// transcriptHead begins each file of a transcript. A caller that passes on options of others could
// be made to name any file; one that does not begin like this is left alone.
const transcriptHead = "# SMTP dialogue, by esmtpq\n"

var errNoTranscript = errors.New("is there already and is no transcript of esmtpq's: name a new file")

// openTranscript opens a file to append to, and reports whether it is empty: a new file, or a
// regular file of ours with one name that is empty or begins as a transcript. Where the system can
// tell, no part of the path may be a symbolic link.
func openTranscript(path string) (f *os.File, empty bool, err error) {
	const flags = os.O_RDWR | os.O_APPEND | syscall.O_CLOEXEC | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	fd, err := openUnlinked(path, flags|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, syscall.EEXIST) {
		fd, err = openUnlinked(path, flags, 0)
	}
	switch {
	case errors.Is(err, syscall.ELOOP):
		return nil, false, errors.New("it, or a directory of its path, is a symbolic link: give its real name")
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENXIO):
		return nil, false, errors.New("not a regular file")
	case err != nil:
		return nil, false, err
	}
	f = os.NewFile(uintptr(fd), path)
	if empty, err = isTranscript(f); err != nil {
		f.Close()
		return nil, false, err
	}
	return f, empty, nil
}

// isTranscript checks an open file, and reports whether it is empty. It reads the file, since the
// size says nothing below /proc.
func isTranscript(f *os.File) (empty bool, err error) {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		return false, err
	}
	switch {
	case st.Mode&syscall.S_IFMT != syscall.S_IFREG:
		return false, errors.New("not a regular file")
	case st.Uid != uint32(os.Geteuid()):
		return false, errors.New("is another user's")
	case st.Nlink != 1:
		return false, errors.New("has another name (a hard link)")
	}
	head := make([]byte, len(transcriptHead))
	n, err := f.ReadAt(head, 0)
	switch {
	case n == 0 && err == io.EOF:
		return true, nil
	case n == len(head) && string(head) == transcriptHead:
		return false, nil
	}
	return false, errNoTranscript
}

// Write adds to the transcript. It neither waits nor fails.
func (t *Transcript) Write(p []byte) (int, error) {
	for _, s := range t.streams {
		s.add(p)
	}
	return len(p), nil
}

// lastLines bounds the wait for the end of a transcript once the person has interrupted.
const lastLines = time.Second

// Flush waits until everything has been written or lost, but not for long once ctx has ended.
func (t *Transcript) Flush(ctx context.Context) {
	if t == nil {
		return
	}
	for _, s := range t.streams {
		written := s.flush()
		select {
		case <-written:
			continue
		case <-ctx.Done():
		}
		select {
		case <-written:
		case <-time.After(lastLines):
		}
	}
}

// Close closes the file.
func (t *Transcript) Close() {
	if t != nil && t.file != nil {
		t.file.Close()
	}
}

// maxUnwritten bounds the text that waits for a reader, in octets. Text beyond that is left out.
const maxUnwritten = 16 << 20

// A stream writes to one writer from a goroutine of its own, which ends when everything is
// written.
type stream struct {
	to io.Writer

	mu      sync.Mutex
	waiting []byte
	written chan struct{} // closed when everything is written; nil while nothing is being written
}

func newStream(to io.Writer) *stream { return &stream{to: to} }

func (s *stream) add(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting)+len(p) > maxUnwritten {
		return
	}
	s.waiting = append(s.waiting, p...)
	if s.written == nil {
		s.written = make(chan struct{})
		go s.write()
	}
}

// write writes the waiting text. Text that cannot be written is lost.
func (s *stream) write() {
	for {
		s.mu.Lock()
		p := s.waiting
		s.waiting = nil
		if len(p) == 0 {
			close(s.written)
			s.written = nil
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		s.to.Write(p)
	}
}

// flush returns a channel that is closed when everything is written.
func (s *stream) flush() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written != nil {
		return s.written
	}
	done := make(chan struct{})
	close(done)
	return done
}
