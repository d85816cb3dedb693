package spool

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
)

const (
	// checkedBlock and checkedBlocks are the buffers of a content that is read and checked
	// while what is before is sent.
	checkedBlock  = 128 << 10
	checkedBlocks = 3
)

// A checkedReader reads a file of known length and checksum. A goroutine reads ahead and
// computes the checksum, so that this takes no time of whoever reads. It begins behind the
// first block, for sometimes only the header is read, and ends with Close at the latest.
type checkedReader struct {
	f    *os.File
	left int64 // octets still to be read from f
	sum  hash.Hash
	want string

	mu      sync.Mutex
	started bool
	closed  bool

	blocks chan checked  // read, in order
	free   chan []byte   // to be filled again
	stop   chan struct{} // closed by Close
	done   chan struct{} // closed when the goroutine has ended

	block []byte // the one at hand
	rest  []byte // what has not been returned of it
	err   error  // what comes behind it, for ever
}

// A checked is a block as read, and what comes behind it: nil for more.
type checked struct {
	p   []byte
	err error
}

func newCheckedReader(f *os.File, size int64, want string) *checkedReader {
	return &checkedReader{f: f, left: size, sum: sha256.New(), want: want}
}

// Read implements io.Reader. Content that is damaged ends with ErrDamaged in place of io.EOF.
func (r *checkedReader) Read(p []byte) (int, error) {
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
func (r *checkedReader) NextBlock() ([]byte, error) {
	for len(r.rest) == 0 {
		if err := r.advance(); err != nil {
			return nil, err
		}
	}
	p := r.rest
	r.rest = nil
	return p, nil
}

// advance makes the next block the one at hand.
func (r *checkedReader) advance() error {
	if r.err != nil {
		return r.err
	}
	if r.block == nil {
		r.block = make([]byte, checkedBlock)
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

func (r *checkedReader) take(b checked) { r.block, r.rest, r.err = b.p[:cap(b.p)], b.p, b.err }

// start starts the goroutine, if it has not been. It returns false once the reader is closed.
func (r *checkedReader) start() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.started && !r.closed {
		r.started = true
		r.blocks, r.free = make(chan checked, checkedBlocks), make(chan []byte, checkedBlocks)
		r.stop, r.done = make(chan struct{}), make(chan struct{})
		go r.ahead()
	}
	return !r.closed
}

// ahead reads all that is left, as buffers come back.
func (r *checkedReader) ahead() {
	defer close(r.done)
	for made := 1; ; {
		var p []byte
		if made < checkedBlocks {
			made++
			p = make([]byte, checkedBlock)
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

// read reads a block, and says what is behind it.
func (r *checkedReader) read(p []byte) checked {
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
	return checked{p[:n], err}
}

// Close ends the goroutine, waits for it, and closes the file.
func (r *checkedReader) Close() error {
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
