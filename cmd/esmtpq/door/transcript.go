package door

import (
	"context"
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

// OpenTranscript makes the transcript that a command line asks for, nil if it asks for none. A file
// must be a regular one.
func OpenTranscript(inv *argv.Invocation, stderr *os.File) (*Transcript, error) {
	if !inv.Verbose && inv.Transcript == "" {
		return nil, nil
	}
	t := &Transcript{}
	if inv.Transcript != "" {
		const flags = os.O_WRONLY | os.O_APPEND | os.O_CREATE | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
		f, err := os.OpenFile(inv.Transcript, flags, 0o600)
		if err != nil {
			return nil, exit.Fail(exit.CantCreat, "-X: %w", err)
		}
		if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
			f.Close()
			return nil, exit.Fail(exit.CantCreat, "-X %s: not a regular file", inv.Transcript)
		}
		t.file, t.streams = f, append(t.streams, newStream(f))
	}
	if inv.Verbose {
		t.streams = append(t.streams, newStream(stderr))
	}
	return t, nil
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
