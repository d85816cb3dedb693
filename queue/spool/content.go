package spool

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"

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

	taken atomic.Int64 // octets that the last reader has taken

	mu     sync.Mutex
	damage error // found while it was read
}

// Damage returns what a reader has found wrong with the content; nil if nothing.
func (c *storedContent) Damage() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.damage
}

func (c *storedContent) setDamage(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.damage = err
}

// Taken returns how many octets of a content its last reader has taken, as far as that is known: of
// a short content it is not.
func Taken(c Content) int64 {
	if c, ok := c.(interface{ readSoFar() int64 }); ok {
		return c.readSoFar()
	}
	return 0
}

func (c *storedContent) readSoFar() int64 { return c.taken.Load() }

// content opens the content of an entry and checks as much as can be checked now.
func (q *Queue) content(m *Message) (*storedContent, error) { return q.contentAt(m.ID, m) }

// contentAt is content for an entry whose name is not the queue ID.
func (q *Queue) contentAt(name string, m *Message) (*storedContent, error) {
	c := &storedContent{q: q, name: name + "/mail", env: &m.Envelope}
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

// Damaged reports whether the content of an entry is seen not to be what was submitted, as far as
// is checked without reading a long one.
func (q *Queue) Damaged(m *Message) bool {
	_, err := q.content(m)
	return errors.Is(err, ErrDamaged) || errors.Is(err, os.ErrNotExist)
}

// open opens the file and checks its length.
func (c *storedContent) open() (*os.File, error) {
	f, err := c.q.openOurs(c.name, os.O_RDONLY)
	if err != nil {
		return nil, c.q.withCure(strings.TrimSuffix(c.name, "/mail"), err)
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
		if errors.Is(err, ErrDamaged) {
			c.setDamage(err)
		}
		return nil, err
	}
	c.taken.Store(0)
	return newVerifyingReader(f, c.env.Size, c.env.SHA256, &c.taken, c.setDamage), nil
}

// ContentFor returns the content of an entry, with sender forced upon its header unless that is
// empty, and with the IDs of mail that a host has renamed where it says what it answers. signed says
// that its header is signed, and still has the IDs.
func (q *Queue) ContentFor(m *Message, sender string, renamed Renamings) (content Content, signed bool, err error) {
	c, err := q.content(m)
	if err != nil || sender == "" && len(renamed) == 0 {
		return c, false, err
	}
	changed := false
	first := func(h *message.Header) error {
		changed, signed = h.RenameIDs(renamed.Of)
		if sender == "" {
			return nil
		}
		changed = true
		return h.SetSender(sender)
	}
	edit := func(h *message.Header) error { // whoever reads it, at the same time perhaps
		h.RenameIDs(renamed.Of)
		if sender == "" {
			return nil
		}
		return h.SetSender(sender)
	}
	f, err := c.Open()
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	_, size, lines, err := message.WithHeader(f, first)
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("force Sender: %w", err)
	case !changed:
		return c, signed, nil
	}
	return &rewritten{c, edit, size, lines}, signed, nil
}

// rewritten is a content with a header other than the submitted one.
type rewritten struct {
	*storedContent
	edit        func(*message.Header) error
	size, lines int64 // by how much it is longer
}

func (c *rewritten) Size() int64     { return c.storedContent.Size() + c.size }
func (c *rewritten) WireSize() int64 { return c.storedContent.WireSize() + c.size + c.lines }

func (c *rewritten) Open() (io.ReadCloser, error) {
	f, err := c.storedContent.Open()
	if err != nil {
		return nil, err
	}
	r, _, _, err := message.WithHeader(f, c.edit)
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, f}, nil
}
