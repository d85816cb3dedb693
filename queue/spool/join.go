package spool

import (
	"context"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A run that is not for chosen messages says so in the file that it has locked. One for everything that
// is asked for meanwhile has nothing of its own to do: it leaves a note, and the first looks at the queue
// once more, at everything. The note is made before the lock is found taken, and looked for after the
// lock is let go, so that one of the two always sees to the mail.

const (
	// takesNotes is what the file of the lock begins with.
	takesNotes = "all\n"
	// againFile is the note.
	againFile = ".again"
)

// JoinRun leaves a run for everything to another run. It reports false if there is none that takes it: then
// the caller has to run the queue. The time of the note is that of the last call: what was tried before
// may go out now, as when the network has just come.
func (q *Queue) JoinRun() bool {
	if !q.takesNotes() {
		return false
	}
	f, err := q.open(againFile, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return false
	}
	f.Close()
	now := unix.NsecToTimespec(time.Now().UnixNano())
	unix.UtimesNanoAt(q.fd, againFile, []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW) // or it is that of the first
	return q.Running()
}

// takesNotes reports whether a run is going on that looks for the note.
func (q *Queue) takesNotes() bool {
	f, err := q.openOurs(runFile, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(len(takesNotes)))) // what is being sent follows
	return err == nil && string(b) == takesNotes && q.Running()
}

// DeclareRun says whether the run whose lock this process has takes the notes of others. One for everything
// needs none that was left until now.
func (q *Queue) DeclareRun(takes, everything bool) {
	if st, err := q.run.Stat(); err != nil || !st.Mode().IsRegular() {
		return // the directory, for want of a file
	}
	q.run.Truncate(0)
	if everything {
		q.unlink(againFile)
	}
	if takes {
		q.run.WriteAt([]byte(takesNotes), 0) // without it, others wait
	}
}

// againPatience is how long the lock is tried for: those who only look take it for an instant.
const againPatience = time.Second

// LockAgain takes the lock of the queue run if somebody has left a note, and returns when he asked.
// Another run that has the lock looks for the note, too.
func (q *Queue) LockAgain(ctx context.Context) (asked time.Time, ok bool) {
	var st unix.Stat_t
	if q.lstat(againFile, &st) != nil {
		return asked, false
	}
	ctx, cancel := context.WithTimeout(ctx, againPatience)
	defer cancel()
	_, err := q.LockRun(ctx, nil, nil)
	return time.Unix(st.Mtim.Unix()), err == nil
}
