package spool

import (
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
	// editedFile says that a command has changed an entry, so that the findings of earlier runs
	// no longer hold. A command makes the file after its change; a run removes it before it reads
	// any entry.
	editedFile = ".edited"
)

// OpenCache opens a file of the queue directory for reading, as hostile input.
func (q *Queue) OpenCache(name string) (*os.File, error) {
	return openOurs(q.Dir+"/"+name, os.O_RDONLY)
}

// ForgetEdited removes the due index if an entry was changed since the index was begun. The order
// matters: a command makes editedFile after its change, so an entry that is read after the file's
// removal has that change.
func (q *Queue) ForgetEdited() error {
	if !q.Edited() {
		return nil
	}
	for _, name := range [...]string{DueIndexFile, editedFile} {
		if err := os.Remove(q.Dir + "/" + name); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// Edited reports whether an owner's command has changed an entry since this was last forgotten.
func (q *Queue) Edited() bool {
	_, err := os.Lstat(q.Dir + "/" + editedFile)
	return err == nil
}

// setEdited notes that an entry has been changed. The command does not fail if that cannot be
// noted.
func (q *Queue) setEdited() {
	// With O_WRONLY, a FIFO would wait for its reader.
	if f, err := openFile(q.Dir+"/"+editedFile, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600); err == nil {
		f.Close()
		return
	}
	os.Remove(q.Dir + "/" + DueIndexFile)
}
