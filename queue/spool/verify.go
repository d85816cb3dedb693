package spool

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

const (
	// readAheadBlock and readAheadBlocks are the size and the number of the buffers for a content
	// that is read and verified while earlier blocks are sent.
	readAheadBlock  = 128 << 10
	readAheadBlocks = 3
)

// A verifyingReader reads a file of known length and checksum. A goroutine reads ahead and
// computes the checksum, so that this costs the caller no time. It begins after the first block,
// since sometimes only the header is read, and ends with Close at the latest.
type verifyingReader struct {
	f    *os.File
	left int64 // octets still to be read from f
	sum  hash.Hash
	want string
	// found is called with ErrDamaged when it is met.
	found func(error)

	taken *atomic.Int64 // octets that have been returned, for others to see

	mu      sync.Mutex
	started bool
	closed  bool

	blocks chan readBlock // read, in order
	free   chan []byte    // to be filled again
	stop   chan struct{}  // closed by Close
	done   chan struct{}  // closed when the goroutine has ended

	block []byte // the current one
	rest  []byte // the part of it that has not been returned
	err   error  // what follows it, for ever
}

// A readBlock is a block as read, and the error that follows it: nil if more follows.
type readBlock struct {
	p   []byte
	err error
}

func newVerifyingReader(f *os.File, size int64, want string, taken *atomic.Int64, found func(error)) *verifyingReader {
	return &verifyingReader{f: f, left: size, sum: sha256.New(), want: want, taken: taken, found: found}
}

// Read implements io.Reader. Damaged content ends with ErrDamaged in place of io.EOF.
func (r *verifyingReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.rest) == 0 {
		if err := r.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// NextBlock implements BlockReader.
func (r *verifyingReader) NextBlock() ([]byte, error) {
	for len(r.rest) == 0 {
		if err := r.advance(); err != nil {
			return nil, err
		}
	}
	p := r.rest
	r.rest = nil
	return p, nil
}

// advance makes the next block the current block.
func (r *verifyingReader) advance() error {
	if r.err != nil {
		return r.err
	}
	if r.block == nil {
		r.block = make([]byte, readAheadBlock)
		r.take(r.read(r.block))
		return nil
	}
	if !r.start() {
		return os.ErrClosed
	}
	r.free <- r.block // there is room for all
	select {
	case b := <-r.blocks:
		r.take(b)
		return nil
	case <-r.stop:
		return os.ErrClosed
	}
}

func (r *verifyingReader) take(b readBlock) {
	r.block, r.rest, r.err = b.p[:cap(b.p)], b.p, b.err
	r.taken.Add(int64(len(b.p)))
}

// start starts the goroutine, unless it was started before. It returns false once the reader is
// closed.
func (r *verifyingReader) start() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.started && !r.closed {
		r.started = true
		r.blocks, r.free = make(chan readBlock, readAheadBlocks), make(chan []byte, readAheadBlocks)
		r.stop, r.done = make(chan struct{}), make(chan struct{})
		go r.ahead()
	}
	return !r.closed
}

// ahead reads the rest of the file, as buffers come back.
func (r *verifyingReader) ahead() {
	defer close(r.done)
	for made := 1; ; {
		var p []byte
		if made < readAheadBlocks {
			made++
			p = make([]byte, readAheadBlock)
		} else {
			select {
			case p = <-r.free:
			case <-r.stop:
				return
			}
		}
		b := r.read(p)
		select {
		case r.blocks <- b:
		case <-r.stop:
			return
		}
		if b.err != nil {
			return
		}
	}
}

// read reads a block, and the error that follows it.
func (r *verifyingReader) read(p []byte) readBlock {
	n, err := r.f.Read(p[:min(int64(len(p)), r.left)])
	r.sum.Write(p[:n])
	r.left -= int64(n)
	switch {
	case err == io.EOF:
		err = fmt.Errorf("%w: content is shorter than it was", ErrDamaged)
	case err == nil && r.left == 0:
		err = io.EOF
		if hex.EncodeToString(r.sum.Sum(nil)) != r.want {
			err = fmt.Errorf("%w: content does not match its checksum", ErrDamaged)
		}
	}
	if errors.Is(err, ErrDamaged) {
		r.found(err)
	}
	return readBlock{p[:n], err}
}

// Close ends the goroutine, waits for it, and closes the file.
func (r *verifyingReader) Close() error {
	r.mu.Lock()
	wait := r.started && !r.closed
	r.closed = true
	r.mu.Unlock()
	if wait {
		close(r.stop)
		<-r.done
	}
	return r.f.Close()
}
