package message

import (
	"bufio"
	"bytes"
	"io"
)

// WithHeader returns a reader of the message of r, with a header that edit has changed. The message
// must be in the form that Copy writes; only the header is read here, and the body streams. sizeDelta and lineDelta say by how many octets and lines
// the message gets longer (shorter if negative). They depend only on the header and edit.
func WithHeader(r io.Reader, edit func(*Header) error) (mended io.Reader, sizeDelta, lineDelta int64, err error) {
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
	if err := edit(h); err != nil {
		return nil, 0, 0, err
	}
	after := append(h.raw, '\n')
	sizeDelta = int64(len(after) - oldSize)
	lineDelta = int64(bytes.Count(after, []byte("\n")) - oldLines)
	return io.MultiReader(bytes.NewReader(after), br), sizeDelta, lineDelta, nil
}
