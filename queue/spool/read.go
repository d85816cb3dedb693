package spool

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// MaxRecipients is how many recipients a message may have.
	MaxRecipients = 100_000

	// maxEnvelope bounds the size of an envelope: it has room for MaxRecipients if most of the
	// addresses are not extremely long.
	maxEnvelope = 64 << 20
)

// Read returns the entry with the given queue ID. It takes no lock: the result is the state at
// some instant. If the entry is gone, errors.Is says fs.ErrNotExist; if it is not what was
// accepted, ErrDamaged.
func (q *Queue) Read(id string) (*Message, error) {
	return q.ReadWith(new([]byte), id)
}

// ReadWith is Read with a buffer, which grows as necessary.
func (q *Queue) ReadWith(buf *[]byte, id string) (*Message, error) {
	fd, st, err := q.openEnvelope(id, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	m, _, err := readEnvelope(fd, &st, id, buf)
	if err == nil {
		q.seeHalted(m)
		err = q.seeOrigin(m, fd)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// openEnvelope opens the envelope of an entry, as hostile input: it must be
// a regular file of ours under one name, in a directory of ours.
func (q *Queue) openEnvelope(id string, flag int) (fd int, st syscall.Stat_t, err error) {
	var dir unix.Stat_t
	switch err := q.lstat(id, &dir); {
	case err != nil:
		return -1, st, err
	case dir.Mode&syscall.S_IFMT != syscall.S_IFDIR:
		return -1, st, fmt.Errorf("%w: %s is not a directory", ErrDamaged, q.path(id))
	case dir.Uid != euid:
		return -1, st, fmt.Errorf("%w: %s belongs to user %d", ErrDamaged, q.path(id), dir.Uid)
	}
	fd, err = q.openRegular(id+"/envelope", flag, &st)
	if errors.Is(err, fs.ErrNotExist) {
		// The envelope is removed last: if other files are left, nobody is removing the entry.
		if q.hasFiles(id) {
			return -1, st, fmt.Errorf("%w: %s has no envelope", ErrDamaged, q.path(id))
		}
	}
	return fd, st, q.withCure(id, err)
}

// withCure adds to the refusal of an entry of ours what lets us use it: somebody has changed its modes.
func (q *Queue) withCure(id string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w: type: chmod -R u+rwX %s", err, q.path(id))
}

// hasFiles reports whether there is anything in a directory besides files that have been removed:
// some network file systems keep those under another name for as long as somebody has them open. In
// a directory that cannot be read there may be some.
func (q *Queue) hasFiles(dir string) bool {
	found := false
	err := q.names(dir, func(name string) {
		found = found || !strings.HasPrefix(name, ".fuse_hidden") && !strings.HasPrefix(name, ".nfs")
	})
	return found || err != nil && !errors.Is(err, fs.ErrNotExist)
}

// wholeEnvelope is the size up to which an envelope is read at once, and pieceLines how many lines
// of progress of a longer one are read at a time.
const (
	wholeEnvelope = 256 << 10
	pieceLines    = 256
)

// OnLongEnvelope, if not nil, is called before a long envelope is read, perhaps at several places at
// the same time. A process that reads such envelopes drops few large pieces, and does well to collect
// its garbage sooner. (Nothing that a submission links may import runtime/debug: see package early.)
var OnLongEnvelope func()

// GCPercent is how much garbage there is to be then, in percent of what is in use: it costs no time
// that can be measured.
const GCPercent = 30

// readEnvelope reads an open envelope of some size and returns the offset of its progress.
func readEnvelope(fd int, st *syscall.Stat_t, id string, buf *[]byte) (*Message, int64, error) {
	size := st.Size
	if size > maxEnvelope {
		return nil, 0, fmt.Errorf("%w: envelope of %d octets", ErrDamaged, size)
	}
	failed := func(err error) error { return &fs.PathError{Op: "read", Path: id + "/envelope", Err: err} }
	m := &Message{ID: id}
	at, err := int64(0), error(nil)
	if size > wholeEnvelope {
		at, err = readLongEnvelope(fd, size, m, buf, failed)
	} else {
		at, err = readShortEnvelope(fd, size, m, buf, failed)
	}
	if err != nil {
		return nil, 0, err
	}
	if st.Mode&0o777 == haltedMode {
		m.Halted = true
		m.impose()
	}
	return m, at, nil
}

// readShortEnvelope reads an envelope at once.
func readShortEnvelope(fd int, size int64, m *Message, buf *[]byte, failed func(error) error) (at int64, err error) {
	*buf = slices.Grow((*buf)[:0], int(size))[:size]
	n, err := readAt(fd, *buf)
	if err != nil {
		return 0, failed(err)
	}
	return decodeEnvelope((*buf)[:n], m)
}

// readLongEnvelope reads an envelope in pieces: that of a message with 100 000 recipients has 55 MB,
// of which progress is nine tenths.
func readLongEnvelope(fd int, size int64, m *Message, buf *[]byte, failed func(error) error) (at int64, err error) {
	if OnLongEnvelope != nil {
		OnLongEnvelope()
	}
	head, err := readHead(fd, size, buf)
	if err != nil {
		return 0, failed(err)
	}
	if at, err = decodeHead(head, size, m); err != nil {
		return 0, err
	}
	piece := (*buf)[:pieceLines*recipientLine]
	n, err := readFrom(fd, piece[:messageLine], at)
	if err == nil && n == messageLine {
		err = m.decodeMessageLine(piece[:messageLine])
	}
	if err != nil || n < messageLine {
		return 0, cmp.Or(err, fmt.Errorf("%w: envelope cut short", ErrDamaged))
	}
	for i := 0; i < len(m.Progress); i += pieceLines {
		piece := piece[:min(pieceLines, len(m.Progress)-i)*recipientLine]
		n, err := readFrom(fd, piece, at+messageLine+int64(i)*recipientLine)
		if err != nil {
			return 0, failed(err)
		}
		if n < len(piece) {
			return 0, fmt.Errorf("%w: envelope cut short", ErrDamaged)
		}
		if err := m.decodeRecipientLines(i, piece); err != nil {
			return 0, err
		}
	}
	return at, nil
}

// readHead reads a file until it has two lines, or all of the file.
func readHead(fd int, size int64, buf *[]byte) ([]byte, error) {
	b, seen := slices.Grow((*buf)[:0], wholeEnvelope), 0
	for lines := 0; lines < 2 && int64(len(b)) < size; {
		if len(b) == cap(b) {
			b = slices.Grow(b, max(len(b), int(size/10))) // about what it takes
		}
		end := min(int64(cap(b)), size)
		n, err := readFrom(fd, b[len(b):end], int64(len(b)))
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		b = b[:len(b)+n]
		lines += bytes.Count(b[seen:], []byte("\n"))
		seen = len(b)
	}
	*buf = b
	return b, nil
}
