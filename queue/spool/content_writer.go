package spool

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"os"

	"esmtpq/message"
)

const (
	// firstBlock is how much is gathered of content that comes in small pieces.
	firstBlock = 64 << 10
	// largeBlock and largeBlocks are the size and the number of the buffers for a message over
	// smallContent: one is filled, one written, one measured.
	largeBlock  = 256 << 10
	largeBlocks = 3
	// writebackStep is how much of a message is written before the disk is told to begin with it.
	writebackStep = 4 << 20
)

// A contentWriter writes a content into its file, and computes its checksum and its measures.
//
// A small message is simply measured and then written. Beyond smallContent, a goroutine measures
// each block while it is written and the next one is read, and every few megabytes the disk is
// told to begin, so that little is left to do when the file is synced.
type contentWriter struct {
	file     *os.File
	sum      hash.Hash
	measured *message.Meter // of what goes into sum
	err      error          // the first error; nothing is written after it

	size, begun int64 // octets written, and octets that the disk was told of

	blocks chan []byte   // to be measured; nil while the message is small
	free   chan []byte   // to be filled
	made   int           // how many there are
	done   chan struct{} // closed when all is measured
}

func newContentWriter(f *os.File) *contentWriter {
	w := &contentWriter{file: f, sum: sha256.New()}
	w.measured = message.NewMeter(hashed{w.sum})
	return w
}

// hashed makes an io.Writer of a hash. It is one already, but the runtime would have to search
// its methods to find that out.
type hashed struct{ hash.Hash }

// put writes a block, which then belongs to w, and returns the block to fill next, which may be
// the same.
func (w *contentWriter) put(p []byte) ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	if w.blocks != nil {
		w.blocks <- p
		if err := w.write(p); err != nil {
			return nil, err
		}
		return w.next(), nil
	}
	w.measured.Write(p)
	if err := w.write(p); err != nil {
		return nil, err
	}
	if w.size <= smallContent {
		return p[:cap(p)], nil
	}
	w.measureAside()
	return w.next(), nil
}

// write writes a block that has been or is being measured.
func (w *contentWriter) write(p []byte) error {
	n, err := w.file.Write(p)
	w.size += int64(n)
	if err == nil && w.size-w.begun >= writebackStep {
		err = beginWriteback(w.file, w.begun, w.size-w.begun)
		w.begun = w.size
	}
	w.err = err
	return err
}

// measureAside starts the goroutine that measures. It ends with finish.
func (w *contentWriter) measureAside() {
	w.blocks, w.done = make(chan []byte, largeBlocks), make(chan struct{})
	w.free = make(chan []byte, largeBlocks)
	go func() {
		defer close(w.done)
		for p := range w.blocks {
			w.measured.Write(p)
			select {
			case w.free <- p[:cap(p)]:
			default: // the caller brings blocks of its own
			}
		}
	}()
}

// next returns a block to fill. If there are enough blocks already, it waits for one: one will
// come, since the caller has given one.
func (w *contentWriter) next() []byte {
	if w.made == largeBlocks {
		return <-w.free
	}
	select {
	case p := <-w.free:
		return p
	default:
		w.made++
		return make([]byte, largeBlock)
	}
}

// finish waits until everything that was written has been measured.
func (w *contentWriter) finish() {
	if w.blocks != nil {
		close(w.blocks)
		<-w.done
		w.blocks = nil
	}
}

// checksum and stats are valid after finish.
func (w *contentWriter) checksum() string     { return hex.EncodeToString(w.sum.Sum(nil)) }
func (w *contentWriter) stats() message.Stats { return w.measured.Stats() }
