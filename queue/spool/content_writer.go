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

// A contentWriter writes a content into its file, and takes its checksum and its measures.
//
// A small message is measured and written in turn: it needs nothing more. Beyond smallContent
// a goroutine measures each block while it is written and the next is read, and every
// few megabytes the disk is told to begin, so that little is left to be done when the
// file is synced.
type contentWriter struct {
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

func newContentWriter(f *os.File) *contentWriter {
	w := &contentWriter{file: f, sum: sha256.New()}
	w.measured = message.NewMeter(hashed{w.sum})
	return w
}

// hashed makes an io.Writer of a hash, which is one already; but to find that out, the runtime has
// to look for its methods.
type hashed struct{ hash.Hash }

// put writes a block, which belongs to w from now on, and returns the one to be
// filled next. That may be the same.
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

// write writes what is, or is being, measured.
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

// next returns a block to fill, and waits for one before there would be too many. One will
// come, for the caller has given one.
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

// finish waits until all that was written is measured.
func (w *contentWriter) finish() {
	if w.blocks != nil {
		close(w.blocks)
		<-w.done
		w.blocks = nil
	}
}

// checksum and stats are for after finish.
func (w *contentWriter) checksum() string     { return hex.EncodeToString(w.sum.Sum(nil)) }
func (w *contentWriter) stats() message.Stats { return w.measured.Stats() }
