package spool

import (
	"os"
	"syscall"
)

// What queue runs remember, in files of the queue directory that are caches: a run makes them anew.
const (
	// BackoffFile says which identities wait.
	BackoffFile = ".parked"
	// DueIndexFile says when there is something to do about each entry of a long queue. It is not
	// used once an owner's command has changed an entry.
	DueIndexFile = ".agenda"
	// editedFile says that an entry was changed behind the back of a run: what runs before have
	// found out does not count. Whoever changes one makes the file afterwards; a run removes it
	// before it reads any.
	editedFile = ".edited"
)

// OpenCache opens a file of the queue directory for reading, as hostile input.
func (q *Queue) OpenCache(name string) (*os.File, error) {
	return openOurs(q.Dir+"/"+name, os.O_RDONLY)
}

// ForgetEdited removes the due index if an entry was changed since it was begun. The order matters:
// a command makes editedFile after its change, so what is read after its removal has that change.
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

// setEdited notes that an entry has been changed. That it cannot be noted is no failure of the
// command.
func (q *Queue) setEdited() {
	// Not O_WRONLY: a FIFO would wait for its reader.
	if f, err := openFile(q.Dir+"/"+editedFile, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600); err == nil {
		f.Close()
		return
	}
	os.Remove(q.Dir + "/" + DueIndexFile)
}
