package spool

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"os"

	"esmtpq/message"
)

const (
	// firstBlock is how much is gathered of what comes in small pieces.
	firstBlock = 64 << 10
	// largeBlock and largeBlocks are the buffers of a message over smallContent: one that
	// is filled, one that is written, one that is measured.
	largeBlock  = 256 << 10
	largeBlocks = 3
	// writebackStep is how much is written of a message before the disk is given it.
	writebackStep = 4 << 20
)

// A sink is where a content goes: into its file, through its checksum and its measures.
//
// A small message is measured and written in turn: it needs nothing more. Beyond smallContent
// a goroutine measures each block while it is written and the next is read, and every
// few megabytes the disk is told to begin, so that little is left to be done when the
// file is synced.
type sink struct {
	file     *os.File
	sum      hash.Hash
	measured *message.Meter // of what goes into sum
	err      error          // the first; nothing is written after it

	size, begun int64 // octets written, and those that the disk was told of

	blocks chan []byte   // to be measured; nil while the message is small
	free   chan []byte   // to be filled
	made   int           // how many there are
	done   chan struct{} // closed when all is measured
}

func newSink(f *os.File) *sink {
	s := &sink{file: f, sum: sha256.New()}
	s.measured = message.NewMeter(hashed{s.sum})
	return s
}

// hashed makes an io.Writer of a hash, which is one already; but to find that out, the runtime has to
// look for its methods.
type hashed struct{ hash.Hash }

// put writes a block, which belongs to the sink from now on, and returns the one to be
// filled next. That may be the same.
func (s *sink) put(p []byte) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.blocks != nil {
		s.blocks <- p
		if err := s.write(p); err != nil {
			return nil, err
		}
		return s.next(), nil
	}
	s.measured.Write(p)
	if err := s.write(p); err != nil {
		return nil, err
	}
	if s.size <= smallContent {
		return p[:cap(p)], nil
	}
	s.measureAside()
	return s.next(), nil
}

// write writes what is, or is being, measured.
func (s *sink) write(p []byte) error {
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err == nil && s.size-s.begun >= writebackStep {
		err = beginWriteback(s.file, s.begun, s.size-s.begun)
		s.begun = s.size
	}
	s.err = err
	return err
}

// measureAside starts the goroutine that measures. It ends with finish.
func (s *sink) measureAside() {
	s.blocks, s.done = make(chan []byte, largeBlocks), make(chan struct{})
	s.free = make(chan []byte, largeBlocks)
	go func() {
		defer close(s.done)
		for p := range s.blocks {
			s.measured.Write(p)
			select {
			case s.free <- p[:cap(p)]:
			default: // somebody brings blocks of his own
			}
		}
	}()
}

// next returns a block to fill, and waits for one before there would be too many. One will come, for
// who asks has given one.
func (s *sink) next() []byte {
	if s.made == largeBlocks {
		return <-s.free
	}
	select {
	case p := <-s.free:
		return p
	default:
		s.made++
		return make([]byte, largeBlock)
	}
}

// finish waits until all that was written is measured.
func (s *sink) finish() {
	if s.blocks != nil {
		close(s.blocks)
		<-s.done
		s.blocks = nil
	}
}

// checksum and stats are for when the sink is finished.
func (s *sink) checksum() string     { return hex.EncodeToString(s.sum.Sum(nil)) }
func (s *sink) stats() message.Stats { return s.measured.Stats() }
