package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

const (
	// MaxHeader is the greatest size of a header, in octets. It bounds the memory that a message
	// can take, since the body is streamed.
	MaxHeader = 16 << 20

	// maxFieldName is the greatest length of a field's name: no name can be longer than the
	// longest line (RFC 5322, 2.1.1).
	maxFieldName = 998
)

// ErrHeaderTooLarge is what ReadHeader returns for a header of more than MaxHeader octets.
var ErrHeaderTooLarge = errors.New("the header is over 16 MiB: is this a message?")

// A lineKind says what a line is, seen from within the header.
type lineKind int

const (
	undecided    lineKind = iota // more octets are needed to decide
	fieldLine                    // begins a field
	continuation                 // begins with a blank: belongs to the field before it
	blankLine                    // ends the header
	textLine                     // cannot be in a header
	endOfInput
)

// ReadHeader reads the header of a message from br and leaves br at the first octet of the body.
// br must have a buffer of at least 1 KiB.
//
// The header ends with a blank line, at the end of the input, or before the first line that
// cannot be a field: text without a header, or with a header that no blank line ends, is kept as
// the body. A byte order mark and CRs before the first field are dropped. One leading line of the
// mbox format ("From " or ">From ", RFC 4155) is dropped, and so is a ">From " line after it. An
// error of br other than io.EOF is returned: an input that was cut short is not a message.
func ReadHeader(br *bufio.Reader) (*Header, error) {
	if br.Size() < 1<<10 {
		return nil, errors.New("reading a header takes a buffer of 1 KiB")
	}
	if err := skipMarks(br); err != nil {
		return nil, err
	}
	h := &Header{raw: make([]byte, 0, 4<<10)}
	err := h.read(br)
	if err != nil {
		return nil, err
	}
	h.blankCRs()
	return h, nil
}

// read reads the fields and the blank line behind them.
func (h *Header) read(br *bufio.Reader) error {
	for {
		kind, err := peekKind(br)
		switch {
		case err != nil:
			return err
		case kind == blankLine, kind == fieldLine, kind == continuation && len(h.raw) > 0:
		default:
			return nil
		}
		start := len(h.raw)
		if h.raw, err = readLine(br, h.raw); err != nil {
			return err
		}
		if len(h.raw) == start { // perhaps CRs were in it, which belong to its end
			h.separated = true
			return nil
		}
		h.raw = append(h.raw, '\n')
	}
}

// peekKind returns the kind of the next line without reading it, and without waiting for more
// input than it needs.
func peekKind(br *bufio.Reader) (lineKind, error) {
	for need := 1; ; {
		p, err := br.Peek(max(need, br.Buffered()))
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return 0, err
		}
		kind := kindOf(p)
		switch {
		case kind != undecided:
			return kind, nil
		case len(p) == 0:
			return endOfInput, nil
		case err == io.EOF || err == bufio.ErrBufferFull:
			return textLine, nil
		}
		need = len(p) + 1
	}
}

// kindOf returns the kind of the line that p begins with. A field is a name of visible ASCII
// characters (RFC 5322, 2.2), perhaps blanks (the obsolete syntax of section 4.5), and a colon. A
// line that begins with CR is a continuation, or blank if there is nothing else in it.
func kindOf(p []byte) lineKind {
	if len(p) == 0 {
		return undecided
	}
	switch p[0] {
	case '\n':
		return blankLine
	case ' ', '\t', '\r':
		return continuation
	case ':':
		return textLine
	}
	i := 0
	for i < len(p) && i <= maxFieldName && p[i] > ' ' && p[i] < 0x7f && p[i] != ':' {
		i++
	}
	if i > maxFieldName {
		return textLine
	}
	for i < len(p) && (isBlank(p[i]) || p[i] == '\r') {
		i++
	}
	switch {
	case i == len(p):
		return undecided
	case p[i] == ':':
		return fieldLine
	}
	return textLine
}

// readLine appends the next line to dst, without its end: an LF and the CRs before it.
func readLine(br *bufio.Reader, dst []byte) ([]byte, error) {
	start := len(dst)
	for {
		p, err := br.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return nil, err
		}
		if dst = append(dst, p...); len(dst) > MaxHeader {
			return nil, ErrHeaderTooLarge
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		dst = bytes.TrimSuffix(dst, lineFeed)
		for len(dst) > start && dst[len(dst)-1] == '\r' {
			dst = dst[:len(dst)-1]
		}
		return dst, nil
	}
}

// lineEnd returns the index of the first LF in p, len(p) if there is none.
func lineEnd(p []byte) int {
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return i
	}
	return len(p)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
