package relay

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// wireSize is how much is gathered before it is written: a small message
// with all its commands leaves in one write, a large one in steps that even a
// slow link takes within the time limit of one.
const wireSize = 32 << 10

// A wire is the only thing that writes to a session: commands, and content in
// the form that SMTP demands.
//
// Content becomes CRLF lines first, and its dots are stuffed after that. CR, LF
// and CRLF each end a line, so nothing that any receiver may take for the end
// of the message (LF.LF, CR.CR, CRLF.LF and their kin) is left for it to find.
type wire struct {
	w   io.Writer
	buf []byte
	err error // the first of w; nothing is written after it

	tried int64 // octets that w was given, whether or not they have arrived

	bol bool // content: the next octet is the first of a line
	cr  bool // content: the last octet was CR, its line end has been written

	trace func(dir byte, line string) // may be nil
}

func newWire(w io.Writer, trace func(byte, string)) *wire {
	return &wire{w: w, buf: make([]byte, 0, wireSize), bol: true, trace: trace}
}

// errCommand refuses a command that would be more than one line. Arguments
// have been checked before they get here; this is the last gate.
var errCommand = errors.New("control character in a command")

// command gathers one command line.
func (w *wire) command(line string) error {
	return w.secret(line, line)
}

// secret gathers one command line that is shown as shown in a transcript.
func (w *wire) secret(line, shown string) error {
	if strings.ContainsAny(line, "\r\n\x00") {
		return errCommand
	}
	if w.trace != nil {
		w.trace('>', shown)
	}
	w.add(line)
	w.add("\r\n")
	return w.err
}

// startContent makes ready for a new message.
func (w *wire) startContent() { w.bol, w.cr = true, false }

// Write gathers a piece of content.
func (w *wire) Write(p []byte) (int, error) {
	size := len(p)
	if !w.cr && bytes.IndexByte(p, '\r') < 0 {
		p = w.lines(p)
	}
	for len(p) > 0 && w.err == nil {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			w.segment(p)
			break
		}
		w.segment(p[:end])
		if w.cr {
			w.cr = false // the LF of a CRLF
		} else {
			w.endLine()
		}
		p = p[end+1:]
	}
	if w.err != nil {
		return 0, w.err
	}
	return size, nil
}

// lines gathers whole lines that have no CR in them, as content of ours has none, and returns
// the rest.
func (w *wire) lines(p []byte) []byte {
	for w.err == nil {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			break
		}
		if cap(w.buf)-len(w.buf) < end+3 {
			w.text(p[:end])
			w.endLine()
		} else {
			w.line(p[:end])
		}
		p = p[end+1:]
	}
	return p
}

// line gathers a line for which there is room.
func (w *wire) line(p []byte) {
	buf := w.buf
	if w.bol && len(p) > 0 && p[0] == '.' {
		buf = append(buf, '.')
	}
	w.buf = append(append(buf, p...), '\r', '\n')
	w.bol = true
}

// segment gathers content without LF.
func (w *wire) segment(p []byte) {
	for len(p) > 0 {
		w.cr = false
		end := bytes.IndexByte(p, '\r')
		if end < 0 {
			w.text(p)
			return
		}
		w.text(p[:end])
		w.endLine()
		w.cr = true
		p = p[end+1:]
	}
}

// text gathers a part of one line.
func (w *wire) text(p []byte) {
	if len(p) == 0 {
		return
	}
	if w.bol && p[0] == '.' {
		w.add(".")
	}
	w.bol = false
	w.addBytes(p)
}

func (w *wire) endLine() {
	w.add("\r\n")
	w.bol = true
}

// endContent completes the last line and gathers the end of the message.
func (w *wire) endContent() {
	if !w.bol {
		w.add("\r\n")
	}
	if w.trace != nil {
		w.trace('>', ".")
	}
	w.add(".\r\n")
}

func (w *wire) add(s string) {
	for len(s) > 0 {
		n := copy(w.room(), s)
		w.buf = w.buf[:len(w.buf)+n]
		s = s[n:]
	}
}

// addBytes gathers p. Of what is larger than the buffer, most is written without being gathered, in
// pieces of the same size.
func (w *wire) addBytes(p []byte) {
	for len(p) > 0 {
		if len(w.buf) == 0 && len(p) >= cap(w.buf) {
			w.write(p[:cap(w.buf)])
			p = p[cap(w.buf):]
			continue
		}
		n := copy(w.room(), p)
		w.buf = w.buf[:len(w.buf)+n]
		p = p[n:]
	}
}

// room returns the free part of the buffer, at least one octet of it.
func (w *wire) room() []byte {
	if len(w.buf) == cap(w.buf) {
		w.flush()
	}
	return w.buf[len(w.buf):cap(w.buf)]
}

// flush writes what has been gathered. After an error there is nothing more
// to do with the connection than to close it.
func (w *wire) flush() error {
	w.write(w.buf)
	w.buf = w.buf[:0]
	return w.err
}

func (w *wire) write(p []byte) {
	if w.err == nil && len(p) > 0 {
		w.tried += int64(len(p))
		_, w.err = w.w.Write(p)
	}
}

// gathered returns how many octets there are so far, written or not.
func (w *wire) gathered() int64 { return w.tried + int64(len(w.buf)) }
