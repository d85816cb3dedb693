package spool

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
)

// Queue runs remember things in files of the queue directory. These are caches: a run makes them
// anew.
const (
	// BackoffFile says which identities wait, and why.
	BackoffFile = ".parked"
	// DueIndexFile says when each entry of a long queue is due. It is not used once an owner's
	// command has changed an entry.
	DueIndexFile = ".agenda"
	// UnsendableFile says which entries can neither be sent nor written to, and why.
	UnsendableFile = ".unsendable"
	// AnnouncedFile says of which messages a command of the person's was told as queued.
	AnnouncedFile = ".announced"
	// toldFile says which of all this its owner was told.
	toldFile = ".told"
	// editedFile says that a command has changed an entry, so that the findings of earlier runs
	// no longer hold. A command makes the file after its change; a run removes it before it reads
	// any entry.
	editedFile = ".edited"
)

// OpenCache opens a file of the queue directory for reading, as hostile input.
func (q *Queue) OpenCache(name string) (*os.File, error) {
	return q.openOurs(name, os.O_RDONLY)
}

// ReplaceCache writes a file of the queue directory anew. Nobody ever sees a part of it.
func (q *Queue) ReplaceCache(name string, b []byte) error {
	temporary := "." + name + hexadecimal(rand.Uint64(), 16)
	f, err := q.create(temporary)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = cmp.Or(err, f.Sync(), f.Close())
	if err == nil {
		err = q.failed("rename", name, q.rename(temporary, name))
	}
	if err != nil {
		f.Close()
		q.unlink(temporary)
	}
	return err
}

// RemoveCache removes a file of the queue directory. One that is not there is no error.
func (q *Queue) RemoveCache(name string) error { return q.unlink(name) }

// ForgetEdited removes the due index if an entry was changed since the index was begun. The order
// matters: a command makes editedFile after its change, so an entry that is read after the file's
// removal has that change.
func (q *Queue) ForgetEdited() error {
	if !q.Edited() {
		return nil
	}
	for _, name := range [...]string{DueIndexFile, editedFile} {
		if err := q.unlink(name); err != nil {
			return err
		}
	}
	return nil
}

// Edited reports whether an owner's command has changed an entry since this was last forgotten.
func (q *Queue) Edited() bool {
	return q.exists(editedFile)
}

// setEdited notes that an entry has been changed. The command does not fail if that cannot be
// noted.
func (q *Queue) setEdited() {
	// With O_WRONLY, a FIFO would wait for its reader.
	if f, err := q.open(editedFile, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600); err == nil {
		f.Close()
		return
	}
	q.unlink(DueIndexFile)
}

// sessionsDir has what makes the next session with a host cheaper, some of it secret.
const sessionsDir = ".sessions"

// Sessions opens the directory of what sessions leave for later ones, and makes it first if it is asked
// to. It can be lost without harm.
func (q *Queue) Sessions(create bool) (*os.File, error) {
	if q.dir.Fd() == ^uintptr(0) { // closed, and its number may be another file's by now
		return nil, os.ErrClosed
	}
	if create && !q.exists(sessionsDir) {
		if err := q.mkdir(sessionsDir, 0o700); err != nil && !errors.Is(err, syscall.EEXIST) {
			return nil, err
		}
	}
	f, err := q.openRepaired(sessionsDir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0o700)
	if err != nil {
		return nil, err
	}
	var st syscall.Stat_t
	err = fstat(int(f.Fd()), &st)
	switch {
	case err != nil:
	case st.Uid != euid:
		err = fmt.Errorf("%w: %s belongs to user %d", ErrDamaged, q.path(sessionsDir), st.Uid)
	case st.Mode&0o077 != 0:
		err = f.Chmod(0o700)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
