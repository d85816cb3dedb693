package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A LegacyEntry is a message that the shell script esmtp-wrapper has queued: a directory with the
// files cmd (sendmail's arguments, joined by blanks), mail (the content as it was read) and, only
// while it is being written, lock.
type LegacyEntry struct {
	Name    string    // eight characters
	Arrival time.Time // time of the directory: the script recorded no other
	Locked  bool      // the file lock is there
	Cmd     string    // without the final line end
	Size    int64     // of the file mail
}

const (
	legacyNameLength = 8
	maxLegacyCmd     = 1 << 20
)

// looksLegacy reports whether esmtp-wrapper could have made a name in the queue directory.
func (q *Queue) looksLegacy(name string) bool {
	if len(name) != legacyNameLength {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	var st unix.Stat_t
	if q.lstat(name, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return false
	}
	return q.exists(name+"/cmd") || q.exists(name+"/mail") || q.exists(name+"/lock")
}

// ReadLegacy reads an entry of esmtp-wrapper. The error says what is wrong with it.
func (q *Queue) ReadLegacy(name string) (*LegacyEntry, error) {
	var dir unix.Stat_t
	if err := q.lstat(name, &dir); err != nil {
		return nil, err
	}
	e := &LegacyEntry{Name: name, Arrival: time.Unix(dir.Mtim.Unix()), Locked: q.exists(name + "/lock")}
	if dir.Uid != euid {
		return e, fmt.Errorf("%w: it belongs to user %d", ErrDamaged, dir.Uid)
	}
	mail, err := q.OpenLegacyMail(name)
	if err != nil {
		return e, err
	}
	defer mail.Close()
	if st, err := mail.Stat(); err == nil {
		e.Size = st.Size()
	}
	cmd, err := q.openOurs(name+"/cmd", os.O_RDONLY)
	if err != nil {
		return e, fmt.Errorf("its arguments: %w", err)
	}
	defer cmd.Close()
	b, err := io.ReadAll(io.LimitReader(cmd, maxLegacyCmd+1))
	if err != nil {
		return e, err
	}
	if len(b) > maxLegacyCmd {
		return e, fmt.Errorf("%w: cmd is longer than %d octets", ErrDamaged, maxLegacyCmd)
	}
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	e.Cmd = string(b)
	return e, nil
}

// OpenLegacyMail opens the content of an entry of esmtp-wrapper.
func (q *Queue) OpenLegacyMail(name string) (*os.File, error) {
	f, err := q.openOurs(name+"/mail", os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("its content: %w", err)
	}
	return f, nil
}

// ReplaceLegacy commits w as the message that a legacy entry held, and removes that entry.
// The envelope keeps the old name: a crash between the two steps is noticed,
// and the message is not taken over twice (see FinishLegacy).
func (q *Queue) ReplaceLegacy(e *LegacyEntry, w *Writer, env *Envelope) (string, error) {
	env.Arrival, env.Legacy = e.Arrival, e.Name
	id, err := w.Commit(env)
	if err != nil {
		return "", err
	}
	err = q.dropLegacy(e.Name)
	if err == nil || !q.exists(e.Name) {
		return id, err // the new entry is the only one: it stays, whatever went wrong after the rename
	}
	// Both would be sent.
	return "", errors.Join(err, q.Remove(id))
}

// FinishLegacy reports whether the message of a legacy entry is in the queue already. If so, it
// removes the legacy entry.
func (q *Queue) FinishLegacy(e *LegacyEntry) (bool, error) {
	l, err := q.List()
	if err != nil {
		return false, err
	}
	instant := newID(e.Arrival, 0)[:idLength-2]
	for _, id := range l.IDs {
		if !strings.HasPrefix(id, instant) {
			continue
		}
		if m, err := q.Read(id); err == nil && m.Envelope.Legacy == e.Name {
			return true, q.dropLegacy(e.Name)
		}
	}
	return false, nil
}

// dropLegacy removes a legacy entry for good. It renames the entry first, so that nothing left by
// a crash is taken for an entry any more; the next queue run sweeps it away.
func (q *Queue) dropLegacy(name string) error {
	dead := newPrefix + name
	if err := q.rename(name, dead); err != nil {
		return q.failed("rename", name, err)
	}
	if err := q.removeAll(dead); err != nil {
		return err
	}
	return syncDir(q.dir)
}

// RemoveLegacy drops an entry of esmtp-wrapper.
func (q *Queue) RemoveLegacy(name string) error {
	if !q.looksLegacy(name) {
		return fmt.Errorf("%w: not an entry of esmtp-wrapper's", os.ErrNotExist)
	}
	return q.dropLegacy(name)
}
