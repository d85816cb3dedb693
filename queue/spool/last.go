package spool

import (
	"os"
	"syscall"
)

// lastFile has the queue ID of the message that was submitted last. The queue alone cannot tell:
// that message may have been sent already, and an older one may be left.
const lastFile = ".last"

// NoteLast notes that a message has just been submitted. The message is safe whatever becomes of
// the note, so the note is not synced, and one that cannot be written is dropped.
func (q *Queue) NoteLast(id string) {
	fd, err := q.openRegular(lastFile, os.O_RDWR, new(syscall.Stat_t))
	if err != nil { // it is not there, or not ours to write to
		q.unlink(lastFile)
		fd, err = openFD(q.fd, lastFile, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	}
	if err == nil {
		_, err = syscall.Pwrite(fd, []byte(id+"\n"), 0)
		syscall.Close(fd)
	}
	if err != nil {
		q.unlink(lastFile)
	}
}

// LastID returns the queue ID of the message that was submitted last, whether it is still there or
// not; "" if that is not known.
func (q *Queue) LastID() string {
	fd, err := q.openRegular(lastFile, os.O_RDONLY, new(syscall.Stat_t))
	if err != nil {
		return ""
	}
	defer syscall.Close(fd)
	var b [idLength]byte
	if _, err := readAt(fd, b[:]); err != nil || !IsID(string(b[:])) {
		return ""
	}
	return string(b[:])
}
