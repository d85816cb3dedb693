package relay

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// chunkSize is the most that one BDAT carries. A large message is sent in many: what
// is held of it in memory stays small, and the replies show that the host keeps up.
const chunkSize = 256 << 10

// errSize says that a content is not the one that was promised.
var errSize = errors.New("its length is not what it was")

// A chunker cuts content into the chunks of BDAT (RFC 3030): CRLF lines as wire makes them,
// dots as they are. The last chunk is never empty and ends in CRLF, and all
// together have exactly the length that was announced.
type chunker struct {
	src  source
	left int64 // octets that are still to come, by what was announced

	in  []byte // what was read and is not in a chunk yet
	out []byte // the chunk being made
	cr  bool   // the last octet was CR; its line end has not been made
	bol bool   // the next octet is the first of a line
	eof bool   // there is nothing to be read after in
}

// begin makes ready for a content whose wire form has size octets.
func (c *chunker) begin(r io.Reader, size int64) {
	c.src.begin(r)
	c.left, c.in = size, nil
	c.cr, c.bol, c.eof = false, true, false
}

// next returns the next chunk, which is good until the next call, and whether it is
// the last. Content that is damaged or of another length gives an error in place of
// its last chunk.
func (c *chunker) next() (chunk []byte, last bool, err error) {
	c.out = c.out[:0]
	for {
		for len(c.in) > 0 {
			p := c.in[:min(len(c.in), wireSize)]
			// An octet becomes two at most, and a line end may be due from before.
			if len(c.out) > 0 && len(c.out)+2*len(p)+2 > chunkSize {
				return c.count(false)
			}
			c.convert(p)
			c.in = c.in[len(p):]
		}
		if c.eof {
			if c.cr || !c.bol {
				c.endLine()
			}
			return c.count(true)
		}
		c.in, err = c.src.next()
		if c.eof = err == io.EOF; err != nil && !c.eof {
			return nil, false, err
		}
	}
}

// count takes a chunk off what was announced.
func (c *chunker) count(last bool) ([]byte, bool, error) {
	c.left -= int64(len(c.out))
	if c.left < 0 || last != (c.left == 0) || len(c.out) == 0 {
		return nil, false, errSize
	}
	return c.out, last, nil
}

// convert adds a block to the chunk. CR, LF and CRLF each end a line.
func (c *chunker) convert(p []byte) {
	if !c.cr && bytes.IndexByte(p, '\r') < 0 {
		c.lines(p)
		return
	}
	for len(p) > 0 {
		if c.cr {
			c.endLine()
			if p[0] == '\n' {
				p = p[1:]
				continue
			}
		}
		end := bytes.IndexByte(p, '\n')
		line := p
		if end >= 0 {
			line = p[:end]
		}
		if cr := bytes.IndexByte(line, '\r'); cr >= 0 {
			c.text(line[:cr])
			c.cr = true
			p = p[cr+1:]
			continue
		}
		c.text(line)
		if end < 0 {
			return
		}
		c.endLine()
		p = p[end+1:]
	}
}

// lines adds what has no CR in it, as content of ours has none.
func (c *chunker) lines(p []byte) {
	n := len(c.out)
	out := slices.Grow(c.out, 2*len(p))[:n+2*len(p)]
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			break
		}
		n += copy(out[n:], p[:end])
		out[n], out[n+1] = '\r', '\n'
		n += 2
		p = p[end+1:]
		c.bol = true
	}
	c.out = out[:n]
	c.text(p)
}

func (c *chunker) text(p []byte) {
	if len(p) > 0 {
		c.out = append(c.out, p...)
		c.bol = false
	}
}

func (c *chunker) endLine() {
	c.out = append(c.out, '\r', '\n')
	c.bol, c.cr = true, false
}
