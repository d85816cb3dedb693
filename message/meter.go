package message

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Stats are what is known of a content after it was written once.
type Stats struct {
	Size     int64 // octets
	Lines    int64 // line ends (LF)
	MaxLine  int64 // octets in the longest line, without its end
	EightBit bool  // some octet is over 127
}

// A Meter is an io.Writer that passes on what is written to it and measures it.
type Meter struct {
	w     io.Writer
	stats Stats
	line  int64 // octets in the line that is not ended yet
}

// NewMeter returns a Meter that writes to w.
func NewMeter(w io.Writer) *Meter { return &Meter{w: w} }

// Stats returns the measures of everything that has been written.
func (m *Meter) Stats() Stats { return m.stats }

// Write writes p and counts what was written of it.
func (m *Meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.count(p[:n])
	return n, err
}

func (m *Meter) count(p []byte) {
	m.stats.Size += int64(len(p))
	m.stats.EightBit = m.stats.EightBit || hasEightBit(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		m.stats.MaxLine = max(m.stats.MaxLine, m.line+int64(i))
		m.stats.Lines++
		m.line = 0
		p = p[i+1:]
	}
	m.line += int64(len(p))
	m.stats.MaxLine = max(m.stats.MaxLine, m.line)
}

// hasEightBit tells whether p has an octet over 127, looking at 32 at a time.
func hasEightBit(p []byte) bool {
	const high = 0x8080808080808080
	for len(p) >= 32 {
		word := binary.NativeEndian.Uint64
		if (word(p)|word(p[8:])|word(p[16:])|word(p[24:]))&high != 0 {
			return true
		}
		p = p[32:]
	}
	var all byte
	for _, c := range p {
		all |= c
	}
	return all >= 0x80
}
