package message

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Stats are what is known of a content once it has been written.
type Stats struct {
	Size     int64 // octets
	Lines    int64 // line ends (LF)
	MaxLine  int64 // octets in the longest line, without its end
	EightBit bool  // some octet is over 127
}

// A Meter is an io.Writer that measures what is written to it and passes it on.
type Meter struct {
	w     io.Writer
	stats Stats
	line  int64 // octets in the line that has no end yet
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
	end := bytes.IndexByte(p, '\n')
	if end >= 0 {
		m.stats.Lines += int64(bytes.Count(p, lineFeed))
		m.stats.MaxLine = max(m.stats.MaxLine, m.line+int64(end))
		p = longestLine(p[end+1:], &m.stats.MaxLine)
		m.line = 0
	}
	m.line += int64(len(p))
	m.stats.MaxLine = max(m.stats.MaxLine, m.line)
}

var lineFeed = []byte{'\n'}

// longestLine raises longest to the length of the longest line of p, which begins with a line,
// and returns the octets after the last line end.
//
// It only looks at lines that may be longer than the longest so far. A line end within that many
// octets means that no line up to it is longer, however many there are. The search for it begins
// at the end of those octets, so that most of them are never read.
func longestLine(p []byte, longest *int64) []byte {
	const tail = 128
	for {
		if window := *longest + 1; window <= int64(len(p)) {
			if p[window-1] == '\n' { // the lines of an attachment, all of one length
				p = p[window:]
				continue
			}
			from := max(0, window-tail)
			if i := bytes.IndexByte(p[from:window], '\n'); i >= 0 {
				p = p[from+int64(i)+1:]
				continue
			}
		}
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			return p
		}
		*longest = max(*longest, int64(i))
		p = p[i+1:]
	}
}

// hasEightBit reports whether p has an octet over 127. It looks at 64 at a time.
func hasEightBit(p []byte) bool {
	const high = 0x8080808080808080
	for len(p) >= 64 {
		q := p[:64]
		all := word(q, 0) | word(q, 1) | word(q, 2) | word(q, 3) | word(q, 4) | word(q, 5) | word(q, 6) | word(q, 7)
		if all&high != 0 {
			return true
		}
		p = p[64:]
	}
	var all byte
	for _, c := range p {
		all |= c
	}
	return all >= 0x80
}

// word returns eight octets of p, in any order.
func word(p []byte, at int) uint64 { return binary.NativeEndian.Uint64(p[8*at:]) }
