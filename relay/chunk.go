package relay

import (
	"bytes"
	"errors"
	"io"
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
	r    io.Reader
	left int64 // octets that are still to come, by what was announced

	in, out []byte // a block as read, and the chunk being made
	cr      bool   // the last octet was CR; its line end has not been made
	bol     bool   // the next octet is the first of a line
	kept    int    // octets of in that did not fit into the last chunk
	eof     bool   // there is nothing to be read after in
}

// begin makes ready for a content whose wire form has size octets.
func (c *chunker) begin(r io.Reader, size int64) {
	c.r, c.left = r, size
	c.cr, c.bol, c.kept, c.eof = false, true, 0, false
	if c.in == nil {
		c.in = make([]byte, wireSize)
	}
}

// next returns the next chunk, which is good until the next call, and whether it is
// the last. Content that is damaged or of another length gives an error in place of
// its last chunk.
func (c *chunker) next() (chunk []byte, last bool, err error) {
	c.out = c.out[:0]
	n := c.kept
	for {
		// An octet of the block becomes two at most, and a line end may be due from before.
		if n > 0 && len(c.out) > 0 && len(c.out)+2*n+2 > chunkSize {
			c.kept = n
			return c.count(false)
		}
		c.convert(c.in[:n])
		if c.eof {
			if c.cr || !c.bol {
				c.endLine()
			}
			return c.count(true)
		}
		n, err = c.r.Read(c.in)
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
