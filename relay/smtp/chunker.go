package smtp

import (
	"errors"
	"io"
)

// chunkSize is the most that one BDAT carries. A large message is sent in many chunks, so that
// little of it is in memory, and the replies show that the host keeps up.
const chunkSize = 256 << 10

// errSize says that a content does not have the announced size.
var errSize = errors.New("its length is not what it was")

var crlf = []byte("\r\n")

// A chunker cuts content into the chunks of BDAT (RFC 3030). The last one is only the final CRLF,
// see the package comment. Together they have exactly the length that was announced.
type chunker struct {
	src  blockSource
	enc  encoder
	left int64 // octets that are still to come, of the announced size

	in   []byte // read and not in a chunk yet
	out  []byte // the chunk being made
	eof  bool   // there is nothing to read after in
	done bool   // everything but the final CRLF has been handed out
}

// begin makes ready for a content whose wire form has size octets.
func (c *chunker) begin(r io.Reader, size int64) {
	c.src.begin(r)
	c.enc.begin(false)
	c.left, c.in, c.out = size, nil, c.out[:0]
	c.eof, c.done = false, false
}

// next returns the next chunk, which is valid until the next call, and whether it is the last
// one. Content that is damaged or of another length gives an error before its last chunk.
func (c *chunker) next() (chunk []byte, last bool, err error) {
	if c.done {
		return crlf, true, nil
	}
	c.keepTail()
	for {
		for len(c.in) > 0 {
			p := c.in[:min(len(c.in), wireSize)]
			if len(c.out) > 2 && len(c.out)+grown(len(p)) > chunkSize {
				return c.count(c.out[:len(c.out)-2])
			}
			c.out = c.enc.encode(c.out, p)
			c.in = c.in[len(p):]
		}
		if c.eof {
			return c.end()
		}
		c.in, err = c.src.next()
		if c.eof = err == io.EOF; err != nil && !c.eof {
			return nil, false, err
		}
	}
}

// keepTail keeps the last two octets, which were held back from the chunk that was handed out:
// they may be the final CRLF.
func (c *chunker) keepTail() {
	if n := len(c.out); n > 2 {
		c.out = append(c.out[:0], c.out[n-2:]...)
	}
}

// end returns the rest without the final CRLF, or the final CRLF if there is no other rest.
func (c *chunker) end() ([]byte, bool, error) {
	c.out = c.enc.end(c.out)
	if int64(len(c.out)) != c.left || len(c.out) < 2 {
		return nil, false, errSize
	}
	c.done = true
	if len(c.out) == 2 {
		return crlf, true, nil
	}
	return c.out[:len(c.out)-2], false, nil
}

// count subtracts a chunk from the announced size.
func (c *chunker) count(chunk []byte) ([]byte, bool, error) {
	c.left -= int64(len(chunk))
	if c.left < 2 {
		return nil, false, errSize
	}
	return chunk, false, nil
}
