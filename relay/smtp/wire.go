package smtp

import (
	"errors"
	"io"
	"strings"
)

// wireSize is how much is gathered before it is written: a small message leaves in one write with
// all its commands, a large one in steps that even a slow link takes within the time limit of a
// write.
const wireSize = 32 << 10

// A wire is the only thing that writes to a session.
type wire struct {
	w   io.Writer
	buf []byte
	err error // the first error of w; nothing is written after it

	tried int64 // octets handed to w, whether or not they have arrived
	taken int64 // of those, the ones that w took: nothing behind them can have arrived whole

	trace func(dir byte, line string) // may be nil
}

func newWire(w io.Writer, trace func(byte, string)) *wire {
	return &wire{w: w, buf: make([]byte, 0, wireSize), trace: trace}
}

// errCommand refuses a command that would be more than one line. Arguments have been checked
// before; this is the last barrier.
var errCommand = errors.New("control character in a command")

// command gathers one command line.
func (w *wire) command(line string) error {
	return w.secret(line, line)
}

// secret gathers one command line. The transcript shows the text shown in its place.
func (w *wire) secret(line, shown string) error {
	if strings.ContainsAny(line, "\r\n\x00") {
		return errCommand
	}
	w.show(shown)
	w.add(line)
	w.add("\r\n")
	return w.err
}

// show writes a sent line, or the text in its place, into the transcript.
func (w *wire) show(text string) {
	if w.trace != nil {
		w.trace('>', text)
	}
}

func (w *wire) add(s string) {
	for len(s) > 0 {
		n := copy(w.room(1), s)
		w.buf = w.buf[:len(w.buf)+n]
		s = s[n:]
	}
}

// addBytes gathers p. If p is larger than the buffer, most of it is written without being
// gathered, in pieces of the same size.
func (w *wire) addBytes(p []byte) {
	for len(p) > 0 {
		if len(w.buf) == 0 && len(p) >= cap(w.buf) {
			w.write(p[:cap(w.buf)])
			p = p[cap(w.buf):]
			continue
		}
		n := copy(w.room(1), p)
		w.buf = w.buf[:len(w.buf)+n]
		p = p[n:]
	}
}

// room returns the free part of the buffer, at least n octets of it.
func (w *wire) room(n int) []byte {
	if cap(w.buf)-len(w.buf) < n {
		w.flush()
	}
	return w.buf[len(w.buf):cap(w.buf)]
}

// content gathers a piece of content in its wire form.
func (w *wire) content(e *encoder, p []byte) error {
	for len(p) > 0 && w.err == nil {
		piece := p[:min(len(p), wireSize/4)]
		w.room(grown(len(piece)))
		w.buf = e.encode(w.buf, piece)
		p = p[len(piece):]
	}
	return w.err
}

// flush writes everything that has been gathered. After an error the connection can only be
// closed.
func (w *wire) flush() error {
	w.write(w.buf)
	w.buf = w.buf[:0]
	return w.err
}

func (w *wire) write(p []byte) {
	if w.err == nil && len(p) > 0 {
		var n int
		w.tried += int64(len(p))
		n, w.err = w.w.Write(p)
		w.taken += int64(n)
	}
}

// gathered returns the number of octets gathered so far, written or not.
func (w *wire) gathered() int64 { return w.tried + int64(len(w.buf)) }
