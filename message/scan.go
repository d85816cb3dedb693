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
// the body. One leading line of the mbox format ("From " or ">From ", RFC 4155) is dropped, and
// so is a ">From " line after it. An error of br other than io.EOF is returned: an input that was
// cut short is not a message.
func ReadHeader(br *bufio.Reader) (*Header, error) {
	if br.Size() < 1<<10 {
		return nil, errors.New("reading a header takes a buffer of 1 KiB")
	}
	if err := skipPostmarks(br); err != nil {
		return nil, err
	}
	h := &Header{raw: make([]byte, 0, 4<<10)}
	for {
		kind, err := peekKind(br)
		if err != nil {
			return nil, err
		}
		switch {
		case kind == blankLine:
			h.separated = true
			_, err := readLine(br, nil)
			return h, err
		case kind == fieldLine, kind == continuation && len(h.raw) > 0:
			if h.raw, err = readLine(br, h.raw); err != nil {
				return nil, err
			}
			h.raw = append(h.raw, '\n')
		default:
			return h, nil
		}
	}
}

// peekKind returns the kind of the next line without reading it, and without waiting for more
// input than it needs.
func peekKind(br *bufio.Reader) (lineKind, error) {
	for need := 1; ; {
		p, err := br.Peek(max(need, br.Buffered()))
		if err != nil && err != io.EOF {
			return 0, err
		}
		kind := kindOf(p)
		switch {
		case kind != undecided:
			return kind, nil
		case len(p) == 0:
			return endOfInput, nil
		case err == io.EOF || len(p) > maxFieldName:
			return textLine, nil
		}
		need = len(p) + 1
	}
}

// kindOf returns the kind of the line that p begins with. A field is a name of visible ASCII
// characters (RFC 5322, 2.2), perhaps blanks (the obsolete syntax of section 4.5), and a colon.
func kindOf(p []byte) lineKind {
	if len(p) == 0 {
		return undecided
	}
	switch p[0] {
	case '\n', '\r':
		return blankLine
	case ' ', '\t':
		return continuation
	case ':':
		return textLine
	}
	p = p[:min(len(p), maxFieldName+1)]
	i := 0
	for i < len(p) && p[i] > ' ' && p[i] < 0x7f && p[i] != ':' {
		i++
	}
	for i < len(p) && isBlank(p[i]) {
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

// readLine appends the next line to dst, without its end (CR, LF or CRLF).
func readLine(br *bufio.Reader, dst []byte) ([]byte, error) {
	for {
		if _, err := br.Peek(1); err == io.EOF {
			return dst, nil
		} else if err != nil {
			return nil, err
		}
		p, _ := br.Peek(br.Buffered())
		end := lineEnd(p)
		if len(dst)+end > MaxHeader {
			return nil, ErrHeaderTooLarge
		}
		dst = append(dst, p[:end]...)
		if end == len(p) {
			br.Discard(end)
			continue
		}
		cr := p[end] == '\r'
		br.Discard(end + 1)
		if cr {
			return dst, skipLF(br)
		}
		return dst, nil
	}
}

// skipLF reads an LF that follows a CR which has been read.
func skipLF(br *bufio.Reader) error {
	p, err := br.Peek(1)
	if err != nil && err != io.EOF {
		return err
	}
	if len(p) > 0 && p[0] == '\n' {
		br.Discard(1)
	}
	return nil
}

// lineEnd returns the index of the first CR or LF in p, len(p) if there is
// none.
func lineEnd(p []byte) int {
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		p = p[:i]
	}
	if i := bytes.IndexByte(p, '\r'); i >= 0 {
		return i
	}
	return len(p)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
