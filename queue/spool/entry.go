package spool

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

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

// readWith is Read with a buffer, which grows as necessary.
func (q *Queue) ReadWith(buf *[]byte, id string) (*Message, error) {
	fd, st, err := q.openEnvelope(id, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	m, _, err := readEnvelope(fd, &st, id, buf)
	if err == nil {
		q.seeHalted(m)
		q.seeOrigin(m, fd)
	}
	return m, err
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
	return fd, st, err
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

// An Entry is a message that this process works on. It is locked until Close.
type Entry struct {
	q    *Queue
	name string   // of its directory: the queue ID, until it is done
	f    *os.File // the envelope, for writing
	at   int64    // offset of the message's line in f

	mu     sync.Mutex // several destinations may work on one message
	msg    *Message
	marked []bool // of recipients: the file has "s"
	served bool   // it is recorded that every recipient is
	cutOff int    // see CutOff
}

// OpenEntry locks an entry and reads it again under the lock. ErrLocked means that another
// process works on it.
func (q *Queue) OpenEntry(id string) (*Entry, error) {
	for try := range 10 { // an envelope is replaced by a person's command: once is rare
		fd, st, err := q.openEnvelope(id, os.O_RDWR)
		if errors.Is(err, fs.ErrPermission) && q.Halted(id) {
			fd, st, err = q.openEnvelope(id, os.O_RDONLY) // all that is written is its mode
		}
		if err != nil {
			return nil, err
		}
		// The last time, a file system whose numbers of files change is believed.
		if try == 9 {
			st.Ino = 0
		}
		f := os.NewFile(uintptr(fd), q.path(id+"/envelope"))
		e, err := q.lockEntry(id, f, st.Ino)
		if err == nil {
			return e, nil
		}
		f.Close()
		if err != errUnlinked {
			return nil, err
		}
	}
	return nil, q.failed("open", id+"/envelope", fs.ErrNotExist)
}

// errUnlinked says that an envelope was removed or replaced between its opening and its locking.
var errUnlinked = errors.New("the envelope has no name any more")

// AwaitEntry is OpenEntry for an entry that another process may have for a moment: a command that
// changes it, or the submission that has not quite ended. It waits for patience at most, and not
// beyond the end of ctx; then the error is ErrLocked.
func (q *Queue) AwaitEntry(ctx context.Context, id string, patience time.Duration) (*Entry, error) {
	end := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		e, err := q.OpenEntry(id)
		if !errors.Is(err, ErrLocked) || ctx.Err() != nil || time.Now().After(end) {
			return e, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// lockEntry locks an open envelope, whose inode number is given unless it cannot be relied on.
func (q *Queue) lockEntry(id string, f *os.File, inode uint64) (*Entry, error) {
	if err := tryLock(f); err != nil {
		return nil, err
	}
	// The process that had the lock before may have removed or replaced the envelope. Not every
	// file system counts the names of a file that has none, so the name is looked at as well.
	var st syscall.Stat_t
	var named unix.Stat_t
	err := q.lstat(id+"/envelope", &named)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && inode != 0 && named.Ino != inode:
		return nil, errUnlinked
	case err != nil:
		return nil, err
	}
	if err := fstat(int(f.Fd()), &st); err == nil && st.Nlink == 0 {
		return nil, errUnlinked
	} else if err != nil {
		return nil, q.failed("stat", id+"/envelope", err)
	}
	m, at, err := readEnvelope(int(f.Fd()), &st, id, new([]byte))
	if err != nil {
		return nil, err
	}
	q.seeHalted(m)
	q.seeOrigin(m, int(f.Fd()))
	e := &Entry{q: q, name: id, f: f, at: at, msg: m, marked: make([]bool, len(m.Progress))}
	for i := range m.Progress {
		// We hold the lock, so the process that was sending is dead.
		if m.Progress[i].State == Sending {
			m.Progress[i].possiblyDelivered()
			e.cutOff = max(e.cutOff, m.Progress[i].Unsure)
		}
	}
	return e, nil
}

// HoldUnsure holds an entry until its owner releases it, because its recipients may have the
// message.
func (e *Entry) HoldUnsure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.msg.Progress {
		if e.msg.Progress[i].State != Unsure {
			continue
		}
		if err := e.writeRecipientLine(i, Unsure); err != nil {
			return fmt.Errorf("hold %s: %w", e.msg.ID, err)
		}
	}
	e.msg.Held, e.msg.imposed = true, false
	if err := e.writeMessageLine(); err != nil {
		return fmt.Errorf("hold %s: %w", e.msg.ID, err)
	}
	return syncData(e.f)
}

// Close gives up the lock.
func (e *Entry) Close() { e.f.Close() }

// ID returns the queue ID.
func (e *Entry) ID() string { return e.msg.ID }

// Message returns the message, to be read while nobody else works on the entry.
func (e *Entry) Message() *Message { return e.msg }

// View calls f with the message, which does not change meanwhile.
func (e *Entry) View(f func(m *Message)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e.msg)
}

// Served reports whether every recipient has been served and recorded so.
func (e *Entry) Served() bool { return e.served }

// CutOff returns how often the message has possibly been delivered, if a run died while sending
// it; 0 if none did. With several such recipients it is the highest of their numbers.
func (e *Entry) CutOff() int { return e.cutOff }

// writeMessageLine overwrites the line of the message. The line is not synced, since it can be
// lost without harm.
func (e *Entry) writeMessageLine() error {
	_, err := e.f.WriteAt(appendMessageLine(nil, e.msg), e.at)
	return err
}

func (e *Entry) recipientAt(i int) int64 {
	return e.at + messageLine + int64(i)*recipientLine
}

// Sending marks recipients as about to be sent to. The mark is not synced: it is for the case
// that this process dies, and the page cache survives that.
func (e *Entry) Sending(indexes []int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, i := range indexes {
		e.marked[i] = true
		var err error
		if e.msg.Progress[i].Unsure > 0 {
			err = e.writeRecipientLine(i, Sending) // with the number, which may be new
		} else {
			_, err = e.f.WriteAt([]byte{byte(Sending)}, e.recipientAt(i)+int64(letterAt))
		}
		if err != nil {
			return fmt.Errorf("record progress of %s: %w", e.msg.ID, err)
		}
	}
	return nil
}

// writeRecipientLine overwrites the line of recipient i with a new state.
func (e *Entry) writeRecipientLine(i int, s State) error {
	p := e.msg.Progress[i]
	p.State = s
	_, err := e.f.WriteAt(appendRecipientLine(nil, &p), e.recipientAt(i))
	return err
}

// Note writes reports about recipients that were not tried, because an attempt was known to be in
// vain.
func (e *Entry) Note(indexes []int, reports []Report, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	must, err := e.writeReports(indexes, reports, now)
	if err == nil && must {
		err = syncData(e.f)
	}
	return err
}

// record writes the reports of one attempt and syncs them if one of them must
// never be forgotten.
func (e *Entry) record(a *Attempt, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	must, err := e.writeReports(a.Recipients, a.Reports, now)
	if err == nil && must {
		err = syncData(e.f)
	}
	if err != nil && must {
		err = e.recordOtherwise(err)
	}
	if err == nil {
		err = e.recorded(a, now)
	}
	if err != nil {
		return fmt.Errorf("record progress of %s: %w", e.msg.ID, err)
	}
	return nil
}

// recorded does what has to follow once reports are durable.
func (e *Entry) recorded(a *Attempt, now time.Time) error {
	if e.msg.Served() {
		e.served = true // to be removed when the run lets go of it
		return nil
	}
	if !a.Next.IsZero() && e.msg.Pending() {
		e.msg.Attempts++
		e.msg.Next = a.Next
		if !Plausible(e.msg.First, now) {
			e.msg.First = now
		}
	}
	e.msg.Last = now
	return e.writeMessageLine()
}

// writeReports overwrites the lines of recipients, and reports whether they must be synced. All
// reports are taken into the message, even if a line could not be written.
func (e *Entry) writeReports(indexes []int, reports []Report, now time.Time) (must bool, err error) {
	for k, i := range indexes {
		r, p := &reports[k], &e.msg.Progress[i]
		if !p.State.Pending() {
			continue // what is done stays done
		}
		next := Progress{State: stateAfter(p.State, r), Time: now, Code: r.Code, Status: r.Status, Host: r.Host, Text: r.Text, Remark: r.Remark, Unsure: p.Unsure}
		if r.Unsure && next.State == Unsure {
			next.possiblyDelivered()
		}
		next.fit()
		if next.State == p.State && !e.marked[i] && next.Unsure == p.Unsure && next.sameReason(p) {
			continue // nothing new to write
		}
		*p = next
		must = must || next.State != Deferred
		if err == nil {
			_, err = e.f.WriteAt(appendRecipientLine(nil, p), e.recipientAt(i))
		}
		e.marked[i] = e.marked[i] && err != nil
	}
	return must, err
}

// Told records that the owner knows of failed recipients.
func (e *Entry) Told(indexes []int, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, i := range indexes {
		p := &e.msg.Progress[i]
		p.Told = now
		if _, err := e.f.WriteAt(appendRecipientLine(nil, p), e.recipientAt(i)); err != nil {
			return err
		}
	}
	return syncData(e.f)
}

// Plausible reports whether a time in the past can be believed, as it is now: a clock without a
// battery begins in 1970 or some other year, and a clock that was ahead has been set back.
func Plausible(t, now time.Time) bool { return !t.Before(oldest) && !t.After(now) }

// oldest is older than any message of this program.
var oldest = time.Unix(1_700_000_000, 0) // November 2023

// SetDrop records when a failed message may be dropped.
func (e *Entry) SetDrop(at time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.msg.Drop = at
	return e.writeMessageLine()
}

// DelayTold records that the owner knows that the message is late.
func (e *Entry) DelayTold() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.msg.DelayTold = true
	if err := e.writeMessageLine(); err != nil {
		return err
	}
	return syncData(e.f)
}

// stateAfter returns the state of a recipient after a report. A recipient in state Unsure stays
// so while the message is only delayed further.
func stateAfter(before State, r *Report) State {
	switch r.Action {
	case Relayed:
		return Accepted
	case Delivered:
		return LocalDone
	case Failed:
		return Refused
	}
	if r.Unsure || before == Unsure {
		return Unsure
	}
	return Deferred
}

// possiblyDelivered counts once more that the message was possibly delivered to the recipient.
func (p *Progress) possiblyDelivered() {
	p.State, p.Unsure = Unsure, min(p.Unsure+1, unsureCeiling)
}

func (p *Progress) sameReason(as *Progress) bool {
	return p.Code == as.Code && p.Status == as.Status && p.Host == as.Host && p.Text == as.Text && p.Remark == as.Remark
}

// WaitsFor reports whether each pending recipient already waits for this reason, so that there is
// nothing to note.
func (m *Message) WaitsFor(why *Progress) bool {
	for i := range m.Progress {
		p := &m.Progress[i]
		if p.State.Pending() && (p.State != Deferred && p.State != Unsure || !why.sameReason(p)) {
			return false
		}
	}
	return true
}

// Remove takes the entry out of the queue, and gives up the lock. Its progress has been synced:
// should the removal be lost in a crash, the next run removes it again. The envelope is closed
// first, since some file systems keep an open file under another name, and its directory with it.
func (e *Entry) Remove() error {
	e.f.Close()
	return e.q.removeEntry(e.name)
}

// discard takes an entry out of the queue whatever its state, and gives up the lock. It takes the
// name of the entry away first, so that nobody opens the entry in between.
func (e *Entry) discard() error {
	if e.q.rename(e.name, sentPrefix+e.msg.ID) == nil {
		e.name = sentPrefix + e.msg.ID
	}
	if e.Remove() == nil {
		return nil
	}
	return e.q.removeAll(e.name) // something else is in the place of a file
}

// removeEntry removes the files of an entry, the content first: an envelope without content is
// recognised as an entry being removed, content without an envelope is not.
func (q *Queue) removeEntry(name string) error {
	for _, file := range [...]string{"mail", "envelope"} {
		if err := q.unlink(name + "/" + file); err != nil {
			return err
		}
	}
	if q.rmdir(name) == nil {
		return nil
	}
	return q.removeAll(name) // some other file was put into the directory
}
