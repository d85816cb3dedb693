package message

import (
	"bufio"
	"bytes"
	"io"
)

// WithSender returns a reader of the same message as r, but with sender as the
// value of its one Sender: field, as SetSender does it. The message must be as
// Copy writes it; only the header is read here, the body streams. sizeDelta and
// lineDelta are by how many octets and lines the message gets longer (or
// shorter, if negative). They depend on nothing but the header and sender.
func WithSender(r io.Reader, sender string) (mended io.Reader, sizeDelta, lineDelta int64, err error) {
	br := bufio.NewReader(r)
	h, err := ReadHeader(br)
	if err != nil {
		return nil, 0, 0, err
	}
	before := h.raw
	if h.separated {
		before = append(before, '\n')
	}
	oldSize, oldLines := len(before), bytes.Count(before, []byte("\n"))
	if err := h.SetSender(sender); err != nil {
		return nil, 0, 0, err
	}
	after := append(h.raw, '\n')
	sizeDelta = int64(len(after) - oldSize)
	lineDelta = int64(bytes.Count(after, []byte("\n")) - oldLines)
	return io.MultiReader(bytes.NewReader(after), br), sizeDelta, lineDelta, nil
}
