package message

import (
	"bufio"
	"bytes"
	"io"
)

const (
	bufferSize = 64 << 10 // for a copy, however large the message; a BlockWriter may have other sizes

	// maxEmptyReads is how often a reader may return nothing and no error.
	maxEmptyReads = 100
)

// A BlockWriter takes whole blocks without copying them. It may work on one block while the next
// one is filled.
type BlockWriter interface {
	io.Writer
	// WriteBlock writes p, which then belongs to the writer, and returns the block to fill next,
	// up to its whole length.
	WriteBlock(p []byte) (next []byte, err error)
}

// Copy writes a message: the header h, a blank line, and the rest of br as the body, with LF line
// ends: each LF with the CRs before it becomes one, and so does each other CR. If the last line
// has no end, it is given one. Nothing else is changed. Header and body of a small message go out in one write. If w is a BlockWriter,
// it gets everything in blocks. The memory used does not depend on the length of the message or of
// its lines. Errors are those of br and w.
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

// A copier gathers text in a buffer while it makes line ends uniform.
type copier struct {
	w      io.Writer
	blocks BlockWriter // w, if it is one
	buf    []byte
	n      int  // octets in buf that are to be written
	open   bool // something was read, and its last octet is not a line end
}

func newCopier(w io.Writer) *copier {
	c := &copier{w: w, buf: make([]byte, bufferSize)}
	c.blocks, _ = w.(BlockWriter)
	return c
}

// add gathers text that is uniform already, and leaves room for more.
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

func (c *copier) copy(br *bufio.Reader) error {
	empty := 0
	for {
		n, err := br.Read(c.buf[c.n:])
		crs := c.take(n)
		if n > 0 {
			empty = 0
		} else if empty++; err == nil && empty == maxEmptyReads {
			err = io.ErrNoProgress
		}
		if crs > 0 && (err == nil || err == io.EOF) {
			if err := c.endRun(crs, br); err != nil {
				return err
			}
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

// take adds the n octets that were read into the buffer behind the gathered ones, with uniform
// line ends. No line end gets longer, so this works in place. It leaves out a run of CRs at the
// end, of which the next octet decides, and returns its length.
func (c *copier) take(n int) (crs int) {
	p := c.buf[c.n : c.n+n]
	if len(p) == 0 {
		return 0
	}
	if bytes.IndexByte(p, '\r') < 0 {
		c.n += n
	} else {
		crs = c.normalize(p)
	}
	c.open = crs == 0 && c.buf[c.n-1] != '\n'
	return crs
}

// normalize moves p to the end of the gathered text, with uniform line ends, and returns how many
// CRs there are at its end. p lies there already, or further back in the buffer.
func (c *copier) normalize(p []byte) (crs int) {
	for {
		i := bytes.IndexByte(p, '\r')
		if i < 0 {
			c.n += copy(c.buf[c.n:], p)
			return 0
		}
		c.n += copy(c.buf[c.n:], p[:i])
		crs, p = countCRs(p[i:])
		if len(p) == 0 {
			return crs
		}
		if p[0] == '\n' {
			continue // it stands for the run
		}
		for range crs {
			c.buf[c.n] = '\n'
			c.n++
		}
	}
}

// countCRs returns how many CRs p begins with, and the rest.
func countCRs(p []byte) (int, []byte) {
	rest := bytes.TrimLeft(p, "\r")
	return len(p) - len(rest), rest
}

// endRun reads the rest of a run of CRs and adds the line ends that it stands for: one if an LF
// follows, else one for each.
func (c *copier) endRun(crs int, br *bufio.Reader) error {
	for {
		p, err := br.Peek(1)
		if err != nil && err != io.EOF {
			return err
		}
		switch {
		case len(p) > 0 && p[0] == '\r':
			crs++
			br.Discard(1)
			continue
		case len(p) > 0 && p[0] == '\n':
			return nil
		}
		for ; crs > 0; crs-- {
			if err := c.add(lineFeed); err != nil {
				return err
			}
		}
		return nil
	}
}

// finish writes the rest, and the line end that the last line lacks.
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
