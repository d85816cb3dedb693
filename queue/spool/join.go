package spool

import (
	"context"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A run for everything says so in the file that it has locked. Another one that is asked for
// meanwhile has nothing of its own to do: it leaves a note, and the first looks at the queue once
// more. The note is made before the lock is found taken, and looked for after the lock is let go, so
// that one of the two always sees to the mail.

const (
	// everything is what the file of the lock begins with.
	everything = "all\n"
	// againFile is the note.
	againFile = ".again"
)

// JoinRun leaves the work to another run for everything. It reports false if there is none: then the
// caller has to run the queue. The time of the note is that of the last call: what was tried before
// may go out now, as when the network has just come.
func (q *Queue) JoinRun() bool {
	if !q.runsEverything() {
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

// runsEverything reports whether a run for everything is going on.
func (q *Queue) runsEverything() bool {
	f, err := q.openOurs(runFile, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(len(everything)))) // what is being sent follows
	return err == nil && string(b) == everything && q.Running()
}

// DeclareRun says what the run whose lock this process has is for. One for everything takes the note
// of those who ask for it from now on.
func (q *Queue) DeclareRun(all bool) {
	if st, err := q.run.Stat(); err != nil || !st.Mode().IsRegular() {
		return // the directory, for want of a file
	}
	q.run.Truncate(0)
	if all {
		q.unlink(againFile)
		q.run.WriteAt([]byte(everything), 0) // without it, others wait
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
	_, err := q.LockRun(ctx, nil)
	return time.Unix(st.Mtim.Unix()), err == nil
}
