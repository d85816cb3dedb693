package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// Remove takes the entry out of the queue, and gives up the lock. Its progress has been synced:
// should the removal be lost in a crash, the next run removes it again. The envelope is closed
// first, since some file systems keep an open file under another name, and its directory with it.
func (e *Entry) Remove() error {
	kind := byte(wasRemoved)
	if e.msg.Served() {
		kind = wasSent
	}
	if !e.remembered { // an error is that of SyncMemory, too
		e.q.remember(kind, false, leaver{e.msg.ID, e.msg.birth})
	}
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
		err := q.unlink(name + "/" + file)
		if errors.Is(err, fs.ErrPermission) && q.makeOurs(name) {
			err = q.unlink(name + "/" + file)
		}
		if err != nil {
			return err
		}
	}
	if q.rmdir(name) == nil {
		return nil
	}
	return q.removeAll(name) // some other file was put into the directory
}

// makeOurs gives us access to a directory of ours, whose mode somebody has changed, so that it can be
// removed. It reports whether that may have helped.
func (q *Queue) makeOurs(dir string) bool {
	var st unix.Stat_t
	return q.lstat(dir, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFDIR && st.Uid == euid &&
		st.Mode&0o700 != 0o700 && unix.Fchmodat(q.fd, dir, 0o700, 0) == nil
}

// makeReadable gives us access to a file of ours, whose mode somebody has changed. What is no file of ours
// is ErrDamaged.
func (q *Queue) makeReadable(name string) error {
	var st unix.Stat_t
	if err := q.lstat(name, &st); err != nil {
		return q.failed("stat", name, err)
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Uid != euid {
		return fmt.Errorf("%w: %s belongs to user %d", ErrDamaged, q.path(name), st.Uid)
	}
	return q.failed("change the mode of", name, unix.Fchmodat(q.fd, name, 0o600, 0))
}
