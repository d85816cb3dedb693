package message

import (
	"bufio"
	"bytes"
	"io"
)

const (
	bufferSize = 64 << 10 // of a copy, however large the message; a BlockWriter may have others

	// maxEmptyReads is how often a reader may return nothing and no error.
	maxEmptyReads = 100
)

// A BlockWriter takes whole blocks without copying them, and may work on one while the next is
// filled.
type BlockWriter interface {
	io.Writer
	// WriteBlock writes p, which is the writer's from then on, and returns the block
	// that is to be filled next, all of its length.
	WriteBlock(p []byte) (next []byte, err error)
}

// Copy writes a message: the header h, a blank line, and the body that br still
// holds, in its normal form as CopyBody has it. Header and body of a small message go
// out in one write. If w is a BlockWriter, everything goes to it in blocks.
func Copy(w io.Writer, h *Header, br *bufio.Reader) error {
	c := newCopier(w)
	if err := c.add(h.raw); err != nil {
		return err
	}
	if err := c.add([]byte{'\n'}); err != nil {
		return err
	}
	return c.copy(br)
}

// CopyBody copies the rest of br to w with LF line ends: each CR, LF and CRLF
// becomes one. If the last line has no end, it is given one. Nothing else is
// changed. It returns the measures of what was written; errors are those of br
// and w. The memory it takes does not depend on the length of the message or of
// its lines.
func CopyBody(w io.Writer, br *bufio.Reader) (Stats, error) {
	m := NewMeter(w)
	err := newCopier(m).copy(br)
	return m.Stats(), err
}

// A copier gathers text in a buffer while it makes line ends uniform.
type copier struct {
	w       io.Writer
	blocks  BlockWriter // w, if it is one
	buf     []byte
	n       int  // octets in buf that are to be written
	afterCR bool // the last octet read was CR: an LF now is the rest of that line end
	open    bool // something was read, and the last octet of it is not a line end
}

func newCopier(w io.Writer) *copier {
	c := &copier{w: w, buf: make([]byte, bufferSize)}
	c.blocks, _ = w.(BlockWriter)
	return c
}

// add gathers what is uniform already, and leaves room for more.
func (c *copier) add(p []byte) error {
	for {
		n := copy(c.buf[c.n:], p)
		c.n += n
		p = p[n:]
		if c.n > len(c.buf)/2 {
			if err := c.flush(); err != nil {
				return err
			}
		}
		if len(p) == 0 {
			return nil
		}
	}
}

func (c *copier) copy(r io.Reader) error {
	empty := 0
	for {
		n, err := r.Read(c.buf[c.n:])
		c.take(n)
		if n > 0 {
			empty = 0
		} else if empty++; err == nil && empty == maxEmptyReads {
			err = io.ErrNoProgress
		}
		if err == io.EOF {
			return c.finish()
		}
		if err != nil {
			return err
		}
		if c.n > len(c.buf)/2 {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
}

// take adds the n octets read behind those in the buffer to them, with uniform
// line ends. Since no line end gets longer, this can be done in place.
func (c *copier) take(n int) {
	p := c.buf[c.n : c.n+n]
	if len(p) == 0 {
		return
	}
	if !c.afterCR && bytes.IndexByte(p, '\r') < 0 {
		c.n += n
	} else {
		c.normalize(p)
	}
	c.open = c.n > 0 && c.buf[c.n-1] != '\n'
}

// normalize moves p, which lies at the end of what is gathered or behind, there with uniform
// line ends.
func (c *copier) normalize(p []byte) {
	if c.afterCR && p[0] == '\n' {
		p = p[1:]
	}
	c.afterCR = false
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\r')
		if i < 0 {
			c.n += copy(c.buf[c.n:], p)
			break
		}
		c.n += copy(c.buf[c.n:], p[:i])
		c.buf[c.n] = '\n'
		c.n++
		p = p[i+1:]
		if len(p) == 0 {
			c.afterCR = true
		} else if p[0] == '\n' {
			p = p[1:]
		}
	}
}

// finish writes what is left, and the line end that the last line lacks.
func (c *copier) finish() error {
	if c.open {
		if c.n == len(c.buf) {
			if err := c.flush(); err != nil {
				return err
			}
		}
		c.buf[c.n] = '\n'
		c.n++
	}
	return c.flush()
}

func (c *copier) flush() error {
	if c.n == 0 {
		return nil
	}
	p := c.buf[:c.n]
	c.n = 0
	if c.blocks == nil {
		_, err := c.w.Write(p)
		return err
	}
	next, err := c.blocks.WriteBlock(p)
	if err == nil {
		c.buf = next
	}
	return err
}
