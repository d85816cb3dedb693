package spool

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"esmtpq/message"
)

// smallContent is the size up to which a content is read and checked as a whole, before anything
// of it is sent. Longer content is checked while it is read: a transport that learns of damage at
// the end does not complete the message.
const smallContent = 256 << 10

// Content is the content of a message as it is to be sent, with LF line ends.
type Content interface {
	// Size is the length in octets, with LF line ends.
	Size() int64
	// WireSize is the length in octets with CRLF line ends, before
	// dot-stuffing and with the final line end: what SIZE= (RFC 1870) and
	// BDAT (RFC 3030) count.
	WireSize() int64
	// EightBit reports whether the content has octets over 127.
	EightBit() bool
	// Open returns a reader of the content from its start. If the content turns out not to be
	// what was submitted, Read returns ErrDamaged in place of io.EOF, or earlier, and the
	// transport must not complete the message. The reader may be a BlockReader.
	Open() (io.ReadCloser, error)
}

// A BlockReader is a reader that can hand out its blocks without copying them.
type BlockReader interface {
	io.Reader
	// NextBlock returns the next octets, at least one, which are valid until the next call of
	// either method; or an error, as Read would.
	NextBlock() ([]byte, error)
}

// storedContent is the content of an entry as it is in the file mail.
type storedContent struct {
	q     *Queue
	name  string // of the file
	env   *Envelope
	whole []byte // all of it, verified; nil if it is long
}

// content opens the content of an entry and checks as much as can be checked now.
func (q *Queue) content(m *Message) (*storedContent, error) {
	c := &storedContent{q: q, name: m.ID + "/mail", env: &m.Envelope}
	f, err := c.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if c.env.Size > smallContent {
		return c, nil
	}
	c.whole = make([]byte, c.env.Size)
	if _, err := io.ReadFull(f, c.whole); err != nil {
		return nil, fmt.Errorf("read content: %w", err)
	}
	if sum := sha256.Sum256(c.whole); hex.EncodeToString(sum[:]) != c.env.SHA256 {
		return nil, fmt.Errorf("%w: content does not match its checksum", ErrDamaged)
	}
	return c, nil
}

// open opens the file and checks its length.
func (c *storedContent) open() (*os.File, error) {
	f, err := c.q.openOurs(c.name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || st.Size() != c.env.Size {
		f.Close()
		return nil, fmt.Errorf("%w: content is not %d octets long", ErrDamaged, c.env.Size)
	}
	return f, nil
}

func (c *storedContent) Size() int64     { return c.env.Size }
func (c *storedContent) WireSize() int64 { return c.env.Size + c.env.Lines }
func (c *storedContent) EightBit() bool  { return c.env.EightBit }

func (c *storedContent) Open() (io.ReadCloser, error) {
	if c.whole != nil {
		return io.NopCloser(bytes.NewReader(c.whole)), nil
	}
	f, err := c.open()
	if err != nil {
		return nil, err
	}
	return newVerifyingReader(f, c.env.Size, c.env.SHA256), nil
}

// ContentFor returns the content of an entry, with sender forced upon its header unless that is
// empty.
func (q *Queue) ContentFor(m *Message, sender string) (Content, error) {
	c, err := q.content(m)
	if err != nil || sender == "" {
		return c, err
	}
	f, err := c.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_, size, lines, err := message.WithSender(f, sender)
	if err != nil {
		return nil, fmt.Errorf("force Sender: %w", err)
	}
	return &rewritten{c, sender, size, lines}, nil
}

// rewritten is a content with a Sender: field other than the submitted one.
type rewritten struct {
	*storedContent
	sender      string
	size, lines int64 // by how much it is longer
}

func (c *rewritten) Size() int64     { return c.storedContent.Size() + c.size }
func (c *rewritten) WireSize() int64 { return c.storedContent.WireSize() + c.size + c.lines }

func (c *rewritten) Open() (io.ReadCloser, error) {
	f, err := c.storedContent.Open()
	if err != nil {
		return nil, err
	}
	r, _, _, err := message.WithSender(f, c.sender)
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}
