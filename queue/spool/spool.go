// Package spool keeps messages on disk: it takes them durably, and keeps what is known of each
// recipient. This package is enough for submitting, listing and changing mail; package queue
// decides when mail is tried and what becomes of it.
//
// # A message on disk
//
// Everything lives in one directory, ~/.esmtp_queue, mode 0700. A message is a directory in it:
//
//	.new-XXXXXXXXXXXXXXXX/  being written; its writer holds it locked (flock)
//	<queue ID>/             accepted
//	    mail                the content, LF line ends; written once
//	    envelope            who and for whom, and the progress; see below
//	    envelope.new        being written by a command that corrects an address
//
// The queue directory has mode 0500 until its own name is durable. A process that finds it so
// syncs its parent before using it.
//
// A queue ID is 16 upper-case hexadecimal digits: 14 of the arrival time in
// microseconds, 2 random. IDs sort by arrival.
//
// The file envelope is a sequence of lines, each a JSON object. The first is the Envelope, the
// second its SHA-256; they are written once, but for a command that corrects an address, which
// replaces the file. The third says what is known of the message
// (attempts, next attempt, held), and one line for each recipient follows. These lines have a
// fixed length, reserved when the message was accepted, and are overwritten in place: a full disk
// cannot prevent a delivery from being recorded.
//
// # States
//
//	files present                      meaning                          who moves it on
//	.new-…, locked                     being submitted                  its writer
//	.new-…, not locked                 the writer died; never accepted  a queue run removes it
//	ID/{mail,envelope}, locked         being made durable, sent or      its writer, a queue run,
//	                                   changed                          a command
//	ID/{mail,envelope}                 accepted                         a queue run
//	  recipient "-"                    untried                          a queue run
//	  recipient "d"                    delayed                          a queue run, when due
//	  recipient "s"                    its end is being sent            the run that wrote it; if that died, as "u"
//	  recipient "u"                    possibly delivered: reply lost   a queue run, when due
//	  recipient "u", three times       the same, and held               its owner: release or rm
//	  recipient "r", "l"               relayed, delivered locally       nobody: never sent again
//	  recipient "f"                    failed, for good                 its owner: retry or rm; a run drops it in the end
//	  recipient "f", told              the same; its owner knows        the same
//	  all "r" or "l"                   done                             a queue run removes it
//	ID/{envelope}, all "r" or "l"      being removed                    a queue run removes it
//	ID/ empty                          being removed                    a queue run removes it
//	.sent-ID/                          done, recorded by this name      a queue run removes it
//	anything else                      damaged, or not ours             its owner; reported, never sent or removed
//
// # The promise
//
// A message is accepted at one instant: when the queue directory has been synced after ID
// appeared in it (Writer.Commit). Its files and their names have been synced before. Its envelope
// is locked until then, so that no run sends it.
//
// A recipient is done when its progress has been synced: in the envelope, perhaps for some
// recipients of a message at a time (Entry, Attempt), or as the names of the entries, when
// several messages are done at once (RecordAll). A transport has that done before it sends the
// end of the next message over the same session; or it limits the messages whose end it has sent
// without waiting to a window, whose recipients are in state "s". A message goes out twice only
// when the connection, the queue run or the machine dies after the receiver's answer and before
// that sync. The line of the recipient counts how often that may have happened.
//
// # Locks
//
// All locks are flock(2) on close-on-exec descriptors and vanish with their process.
//
//	.lock                 held by the queue run, which writes into it what it is sending
//	.wakeup               held by the one background process that sleeps before a run
//	.watch                held by the watcher, whose socket is .wake
//	.told                 held while the owner of the queue is told of mail
//	.new-…/               held by its writer
//	ID/envelope           held while a run or a command works on the entry, and by its writer
//	                      from before it has this name until it is accepted
//
// Reading takes no lock, and a submission waits for none.
//
// # Caches
//
// Queue runs remember which identities wait (.parked) and when each entry of a long queue is due
// (.agenda); .edited makes the latter void. None of these files is needed, and a run makes them
// anew. The names are those of the first version. A submission leaves its queue ID in .last, for
// the owner's commands.
package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Queue is an open queue directory.
type Queue struct {
	Dir string // absolute path
	// Shared says that others can write to the home directory, and what helps; "" if they cannot.
	Shared string
	dir    *os.File
	fd     int      // of dir
	run    *os.File // locked by this process's queue run

	knowsMachine bool
	machineHash  string // "" if it is not known

	asked bool  // for kind
	kind  int64 // of file system

	memory *memory // of what was sent
}

// ErrNotOurs is returned for a queue directory that belongs to someone else or
// is not a directory; nothing is read from or written to it.
var ErrNotOurs = errors.New("not a directory of ours")

// Open opens the queue directory and corrects its mode. For a missing directory, the error is
// fs.ErrNotExist by errors.Is.
func Open(dir string) (*Queue, error) {
	h, err := openHome(dir)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	return h.open(dir)
}

// OpenOrCreate opens the queue directory, and creates it first if it is missing. The created
// directory is durable: its parent has been synced.
func OpenOrCreate(dir string) (*Queue, error) {
	h, err := openHome(dir)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	q, err := h.open(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return q, err
	}
	err = uninterrupted(func() error { return unix.Mkdirat(h.fd, filepath.Base(dir), unsettled) })
	if err != nil && err != syscall.EEXIST {
		return nil, fmt.Errorf("queue directory: %w", &fs.PathError{Op: "mkdir", Path: dir, Err: err})
	}
	return h.open(dir)
}

// A home is the directory that the queue directory is in.
type home struct {
	dir string
	fd  int
	// shared says that others can write to it and exchange what is in it: without the sticky bit,
	// they can even move away what is not theirs.
	shared bool
}

// ErrShared is returned for a queue in a home directory that others can write to, where that is
// too dangerous.
var ErrShared = errors.New("others can write to it")

func openHome(queue string) (*home, error) {
	dir := filepath.Dir(queue)
	fd, err := openFD(unix.AT_FDCWD, dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("home directory: %w", &fs.PathError{Op: "open", Path: dir, Err: err})
	}
	h := &home{dir: dir, fd: fd}
	var st syscall.Stat_t
	if err := fstat(fd, &st); err != nil {
		h.Close()
		return nil, fmt.Errorf("home directory: %w", &fs.PathError{Op: "stat", Path: dir, Err: err})
	}
	h.shared = st.Mode&0o022 != 0 && st.Mode&syscall.S_ISVTX == 0
	if h.shared && euid == 0 {
		h.Close()
		return nil, fmt.Errorf("home directory %s: %w, and root must not rely on what is there: type: chmod go-w %s", dir, ErrShared, dir)
	}
	return h, nil
}

// danger says what others can do in a home that they can write to; "" if they cannot.
func (h *home) danger() string {
	if !h.shared {
		return ""
	}
	return fmt.Sprintf("%s: others can write to this directory, and so exchange the queue and the configuration in it: type: chmod go-w %s", h.dir, h.dir)
}

// Close closes the directory.
func (h *home) Close() { syscall.Close(h.fd) }

// sync makes the name of the queue directory durable.
func (h *home) sync() error {
	fd, err := openFD(h.fd, ".", os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), h.dir)
	defer f.Close()
	return syncDir(f)
}

// open opens the queue directory, which must not be reached through a link.
func (h *home) open(dir string) (*Queue, error) {
	const flag = os.O_RDONLY | syscall.O_DIRECTORY | syscall.O_NOFOLLOW
	name := filepath.Base(dir)
	fd, err := openFD(h.fd, name, flag, 0)
	if err == syscall.EACCES && repair(h.fd, name) == nil {
		fd, err = openFD(h.fd, name, flag, 0)
	}
	switch err {
	case nil:
	case syscall.ELOOP, syscall.ENOTDIR:
		return nil, fmt.Errorf("queue directory %s: %w (a symbolic link or a file): move it away", dir, ErrNotOurs)
	default:
		return nil, fmt.Errorf("queue directory: %w", &fs.PathError{Op: "open", Path: dir, Err: err})
	}
	q := &Queue{Dir: dir, Shared: h.danger(), dir: os.NewFile(uintptr(fd), dir), fd: fd, memory: &memory{}}
	if err := h.check(q); err != nil {
		q.Close()
		return nil, err
	}
	return q, nil
}

// unsettled is the mode of a queue directory whose name may not be durable yet: mail accepted
// into it could be lost together with it.
const unsettled = 0o500

// check refuses another user's directory, and removes other users' access to ours.
func (h *home) check(q *Queue) error {
	var st syscall.Stat_t
	if err := fstat(q.fd, &st); err != nil {
		return fmt.Errorf("queue directory: %w", &fs.PathError{Op: "stat", Path: q.Dir, Err: err})
	}
	if st.Uid != euid {
		return fmt.Errorf("queue directory %s: %w: it belongs to user %d", q.Dir, ErrNotOurs, st.Uid)
	}
	mode := st.Mode & 0o777
	if mode == 0o700 {
		return nil
	}
	if h.shared && mode&0o077 != 0 {
		// It could be any directory of ours, moved here by somebody else.
		return fmt.Errorf("queue directory %s: %w, and to its parent directory, too: type: chmod go-w %s; chmod 700 %s",
			q.Dir, ErrShared, h.dir, q.Dir)
	}
	// Somebody has changed the mode, or the process that made the directory died before its name
	// was durable.
	if err := h.sync(); err != nil {
		return fmt.Errorf("queue directory: sync: %w", err)
	}
	if err := q.dir.Chmod(0o700); err != nil {
		return fmt.Errorf("queue directory: %w", err)
	}
	if err := fstat(q.fd, &st); err == nil && st.Mode&0o077 != 0 {
		return fmt.Errorf("queue directory %s: %w, and chmod changes nothing on this file system: mount it with umask=077", q.Dir, ErrShared)
	}
	return nil
}

// Close closes the directory.
func (q *Queue) Close() error {
	q.closeMemory()
	return q.dir.Close()
}

// Changed returns when a name in the directory last changed. It is only a hint.
func (q *Queue) Changed() (time.Time, error) {
	st, err := q.dir.Stat()
	if err != nil {
		return time.Time{}, err
	}
	return st.ModTime(), nil
}

// syncDir makes the names in a directory durable. File systems that cannot sync a
// directory say EINVAL or ENOTSUP; there a rename is as durable as it gets.
func syncDir(d *os.File) error {
	err := d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

const idLength = 16

// newID returns a queue ID for a message that arrived at t.
func newID(t time.Time, random byte) string {
	return hexadecimal(uint64(t.UnixMicro()), 14) + hexadecimal(uint64(random), 2)
}

// hexadecimal returns the last digits of a number, at most 16.
func hexadecimal(n uint64, digits int) string {
	var b [16]byte
	for i := range b {
		b[i] = "0123456789ABCDEF"[n>>(60-4*i)&15]
	}
	return string(b[len(b)-digits:])
}

// IsID reports whether name has the form of a queue ID.
func IsID(name string) bool {
	if len(name) != idLength {
		return false
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// Number returns a queue ID as a number, which takes a third of the space.
func Number(id string) uint64 {
	n, _ := strconv.ParseUint(id, 16, 64)
	return n
}

// IDText returns the queue ID that a number stands for.
func IDText(n uint64) string { return hexadecimal(n, idLength) }

// ArrivalOf returns the time in a queue ID.
func ArrivalOf(id string) time.Time {
	us, err := strconv.ParseUint(id[:min(len(id), idLength-2)], 16, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(us))
}
