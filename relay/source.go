package relay

import (
	"io"

	"esmtpq/queue"
)

// A source reads contents, one after the other, by the block.
type source struct {
	r      io.Reader
	blocks queue.BlockReader // r, if it is one
	buf    []byte            // for a reader that is none
}

// begin makes ready for another content.
func (s *source) begin(r io.Reader) {
	s.r = r
	s.blocks, _ = r.(queue.BlockReader)
}

// next returns what comes next, good until the next call. As with Read, there may be both octets
// and an error.
func (s *source) next() ([]byte, error) {
	if s.blocks != nil {
		return s.blocks.NextBlock()
	}
	if s.buf == nil {
		s.buf = make([]byte, wireSize)
	}
	n, err := s.r.Read(s.buf)
	return s.buf[:n], err
}
