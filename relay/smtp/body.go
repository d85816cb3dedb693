package smtp

import (
	"bytes"
	"io"
	"slices"
)

// A Body is the content of a message, with LF line ends.
type Body interface {
	// WireSize is the length in octets with CRLF line ends, before dot-stuffing and with the
	// final line end: what SIZE= (RFC 1870) and BDAT (RFC 3030) count.
	WireSize() int64
	// Open returns a reader of the content from its start. If a read ends with an error other
	// than io.EOF, the message is not completed. The reader may be a BlockReader.
	Open() (io.ReadCloser, error)
}

// A BlockReader is a reader that can hand out its blocks without copying them.
type BlockReader interface {
	io.Reader
	// NextBlock returns the next octets, at least one, which are valid until the next call of
	// either method; or an error, as Read would.
	NextBlock() ([]byte, error)
}

// A blockSource reads a content block by block.
type blockSource struct {
	r      io.Reader
	blocks BlockReader // r, if it is one
	buf    []byte      // for a reader that is none
}

// begin makes ready for another content.
func (s *blockSource) begin(r io.Reader) {
	s.r = r
	s.blocks, _ = r.(BlockReader)
}

// next returns the next octets, which are valid until the next call. As with Read, there may be
// both octets and an error.
func (s *blockSource) next() ([]byte, error) {
	if s.blocks != nil {
		return s.blocks.NextBlock()
	}
	if s.buf == nil {
		s.buf = make([]byte, wireSize)
	}
	n, err := s.r.Read(s.buf)
	return s.buf[:n], err
}

// An encoder puts content into the form that SMTP requires: CRLF lines, with leading dots doubled
// for DATA. CR, LF and CRLF each end a line, so the content has nothing left that any receiver
// could take for the end of the message (LF.LF, CR.CR, CRLF.LF and the like).
type encoder struct {
	dots bool // leading dots are doubled (RFC 5321, 4.5.2)
	bol  bool // the next octet is the first of a line
	cr   bool // the last octet was CR; its line end has been written
}

// grown bounds the wire form of n octets: each becomes at most two, and a line end may be due.
func grown(n int) int { return 2*n + 2 }

// begin makes ready for another content.
func (e *encoder) begin(dots bool) { *e = encoder{dots: dots, bol: true} }

// encode appends p in its wire form to out.
func (e *encoder) encode(out, p []byte) []byte {
	if !e.cr && bytes.IndexByte(p, '\r') < 0 {
		return e.lines(out, p)
	}
	for len(p) > 0 {
		if e.cr {
			if e.cr = false; p[0] == '\n' {
				p = p[1:]
				continue
			}
		}
		end := bytes.IndexAny(p, "\r\n")
		if end < 0 {
			return e.text(out, p)
		}
		out = e.endLine(e.text(out, p[:end]))
		e.cr = p[end] == '\r'
		p = p[end+1:]
	}
	return out
}

// lines appends text without CR. Content from our queue has none.
func (e *encoder) lines(out, p []byte) []byte {
	n := len(out)
	out = slices.Grow(out, grown(len(p)))[:n+grown(len(p))]
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			break
		}
		if e.dots && e.bol && p[0] == '.' {
			out[n] = '.'
			n++
		}
		n += copy(out[n:], p[:end])
		out[n], out[n+1] = '\r', '\n'
		n += 2
		p = p[end+1:]
		e.bol = true
	}
	return e.text(out[:n], p)
}

// text appends a part of one line.
func (e *encoder) text(out, p []byte) []byte {
	if len(p) == 0 {
		return out
	}
	if e.dots && e.bol && p[0] == '.' {
		out = append(out, '.')
	}
	e.bol = false
	return append(out, p...)
}

func (e *encoder) endLine(out []byte) []byte {
	e.bol = true
	return append(out, '\r', '\n')
}

// end completes the last line.
func (e *encoder) end(out []byte) []byte {
	if e.bol {
		return out
	}
	return e.endLine(out)
}
