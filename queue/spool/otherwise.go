package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Overwriting a line in place needs no room on most file systems. Where nothing is overwritten in
// place (btrfs, a lower layer of overlayfs, a quota that counts what is written), a full disk can
// refuse it. So it is tried before anything is sent; and should it be refused all the same, when the
// host has taken the message, progress is recorded in ways that need no room. All of them were
// seen to work on a full btrfs, and the last one over a quota:
//
//	the same lines by a new descriptor    for a network file system that was connected anew
//	the name .sent-ID                     every recipient is served
//	mode 0400 of the envelope             the entry is held: some recipients may have the message
//	the same, and mail removed            every recipient is served

// haltedMode is the mode of the envelope of an entry that is held because its progress could not be
// recorded. It takes away, since there are file systems on which every file has every permission.
const haltedMode = 0o400

// CanRecord makes sure, before anything is sent, that progress can be recorded now: it writes the
// line of the message over itself.
func (e *Entry) CanRecord() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.writeMessageLine()
	if err == nil || !noRoom(err) && e.reopen() == nil && e.writeMessageLine() == nil {
		return nil
	}
	var bare syscall.Errno
	if noRoom(err) && errors.As(err, &bare) { // without the path, it is the same for all messages
		return fmt.Errorf("not sent, since %w: %w: free some space", ErrNoRoom, bare)
	}
	return fmt.Errorf("not sent, since its progress could not be recorded: %w: try again", err)
}

// ErrNoRoom says that progress cannot be recorded, since there is no room for it.
var ErrNoRoom = errors.New("what becomes of it could not be recorded")

func noRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// reopen opens the envelope again by its name: the descriptor of a file on a network file system
// can be void for ever, although the file can be opened.
func (e *Entry) reopen() error {
	fd, st, err := e.q.openEnvelope(e.name, os.O_RDWR)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), e.f.Name())
	e.f.Close() // with its lock, which may be the only one there can be
	e.f = f
	if err := tryLock(f); err != nil {
		return err
	}
	m, at, err := readEnvelope(fd, &st, e.msg.ID, new([]byte))
	if err != nil {
		return err
	}
	if at != e.at || m.Envelope.SHA256 != e.msg.Envelope.SHA256 || len(m.Progress) != len(e.msg.Progress) {
		return fmt.Errorf("%w: envelope was exchanged", ErrDamaged)
	}
	return nil
}

// recordOtherwise records what the message has come to, after overwriting it in place has failed.
// If nothing is left but to hold the entry, or not even that, it returns an error.
func (e *Entry) recordOtherwise(cause error) error {
	if e.writeProgress() == nil || !noRoom(cause) && e.writeAnew() == nil {
		return nil
	}
	if e.msg.Served() && e.renameSent() == nil {
		return nil
	}
	if err := e.halt(); err != nil {
		return cause
	}
	if e.msg.Served() {
		return nil
	}
	return fmt.Errorf("%w: held, since some recipients may have it: esmtpq release %s, or rm", cause, e.msg.ID)
}

// writeAnew writes and syncs everything by a new descriptor. While a network file system connects
// anew, calls can fail.
func (e *Entry) writeAnew() error {
	err := e.reopen()
	for pause := 50 * time.Millisecond; ; pause *= 3 {
		if err == nil {
			err = e.writeProgress()
		}
		if err == nil || pause > time.Second {
			return err
		}
		time.Sleep(pause)
		err = e.reopen()
	}
}

// writeProgress writes and syncs all lines.
func (e *Entry) writeProgress() error {
	b := appendMessageLine(nil, e.msg)
	for i := range e.msg.Progress {
		b = appendRecipientLine(b, &e.msg.Progress[i])
	}
	if _, err := e.f.WriteAt(b, e.at); err != nil {
		return err
	}
	return syncData(e.f)
}

// renameSent records by the name of the entry that every recipient is served.
func (e *Entry) renameSent() error {
	if name := sentPrefix + e.msg.ID; e.name != name {
		if err := e.q.rename(e.name, name); err != nil {
			return err
		}
		e.name = name
	}
	return e.q.dir.Sync()
}

// halt holds the entry by the mode of its envelope. If every recipient is served, it takes the
// content away as well, and the next run removes the rest.
func (e *Entry) halt() error {
	err := e.f.Chmod(haltedMode)
	if err != nil {
		err = unix.Fchmodat(e.q.fd, e.name+"/envelope", haltedMode, 0)
	}
	if err == nil {
		err = e.f.Sync()
	}
	if err == nil {
		e.msg.Halted = true
		e.msg.impose()
	}
	if err != nil || !e.msg.Served() {
		return err
	}
	if err := e.q.unlink(e.name + "/mail"); err != nil {
		return err
	}
	d, err := e.q.open(e.name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncDir(d)
}

// Halted reports whether an entry is held by the mode of its envelope.
func (q *Queue) Halted(id string) bool {
	var st unix.Stat_t
	return q.lstat(id+"/envelope", &st) == nil && st.Mode&0o777 == haltedMode
}

// seeHalted takes note of what an entry that is held so has come to: without content, every
// recipient is served. A content that the system does not show today is no missing one.
func (q *Queue) seeHalted(m *Message) {
	if !m.Halted || !errors.Is(q.lstat(m.ID+"/mail", new(unix.Stat_t)), fs.ErrNotExist) {
		return
	}
	m.serve()
}

// resume lets its owner release an entry that is held so. Without content it is done, and its mode is
// all that says so.
func (q *Queue) resume(id string) error {
	if !q.Halted(id) || !q.exists(id+"/mail") {
		return nil
	}
	return q.failed("chmod", id+"/envelope", unix.Fchmodat(q.fd, id+"/envelope", 0o600, 0))
}

// NoRoom returns why no progress can be recorded in the queue now, as far as one of its entries
// shows; nil if it can, or if it needs no room here. It is for mailq: a run that finds this out
// cannot write it down.
func (q *Queue) NoRoom(ids []string) error {
	if len(ids) == 0 || !q.copiesOnWrite() {
		return nil
	}
	e, err := q.OpenEntry(ids[0])
	if err == nil {
		err = e.CanRecord()
		e.Close()
	}
	if !noRoom(err) {
		return nil
	}
	return err
}
