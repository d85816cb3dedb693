package message

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// blankCRs makes a blank of each CR within a field, where it is no line end: no field can hide
// behind one, and none can be smuggled in by a caller who looks for LF only. But what follows one
// and reads as Bcc: is dropped, up to the next CR or the end of the field. Whether somebody meant
// it as a field or somebody else put it there, the address in it is for nobody to read.
func (h *Header) blankCRs() {
	if bytes.IndexByte(h.raw, '\r') < 0 {
		return
	}
	kept := make([]byte, 0, len(h.raw))
	for f := range h.fields() {
		hidden := false
		h.fieldsSeen++
		h.bareCR = h.bareCR || bytes.IndexByte(h.raw[f.start:f.end-1], '\r') >= 0
		for i, piece := range bytes.Split(h.raw[f.start:f.end-1], []byte{'\r'}) {
			if i > 0 {
				hidden = isBcc(piece) || hidden && len(piece) > 0 && isBlank(piece[0])
			}
			if hidden {
				continue
			}
			if i > 0 {
				kept = append(kept, ' ')
			}
			kept = append(kept, piece...)
		}
		kept = append(bytes.TrimSuffix(kept, lineFeed), '\n') // a piece that is left out may begin a line
	}
	h.raw = kept
}

// isBcc reports whether a text reads as the beginning of a field that Remove has to take out for
// the privacy of its addresses.
func isBcc(text []byte) bool {
	name, _, found := bytes.Cut(text, []byte{':'})
	name = bytes.TrimRight(name, " \t")
	return found && slices.ContainsFunc(private[:], func(s string) bool { return strings.EqualFold(s, string(name)) })
}

// private are the fields whose addresses only the sender may read.
var private = [...]string{"Bcc", "Resent-Bcc"}

// A NULFilter is a reader of what another reader returns without its NUL octets. No mail may have
// any (RFC 5322, 4), and hosts drop them, refuse the mail, or drop the rest of the line.
type NULFilter struct {
	r       io.Reader
	dropped int64
}

// WithoutNUL returns a NULFilter of r.
func WithoutNUL(r io.Reader) *NULFilter { return &NULFilter{r: r} }

// Dropped returns how many NULs have been left out.
func (f *NULFilter) Dropped() int64 { return f.dropped }

func (f *NULFilter) Read(p []byte) (int, error) {
	for {
		n, err := f.r.Read(p)
		if n == 0 || bytes.IndexByte(p[:n], 0) < 0 {
			return n, err
		}
		kept := slices.DeleteFunc(p[:n:n], func(c byte) bool { return c == 0 })
		f.dropped += int64(n - len(kept))
		if len(kept) > 0 || err != nil {
			return len(kept), err
		}
	}
}

// CRRemark says what became of CRs in the header that are no line ends; "" if there were none.
func (h *Header) CRRemark() string {
	switch {
	case !h.bareCR:
		return ""
	case h.fieldsSeen == 1:
		return "its lines end in CR alone, which ends no line of a header (RFC 5322, 2.2): all of the header is one field; let the program write LF"
	}
	return "a field of its header has a CR in it, which ends no line: it became a blank"
}
