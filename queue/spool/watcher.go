package spool

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A watcher is a process that stays and begins a run when there is something to do. There is one at
// a time, with a lock. Its socket has a name in the queue directory, which may be a symbolic link to
// where the system keeps sockets: so whoever submits a message needs to know of no other directory.

const (
	watchFile  = ".watch" // locked by the watcher
	socketFile = ".wake"  // its socket, or a symbolic link to that
)

// maxSocketPath is how long the path of a socket may be, on all systems.
const maxSocketPath = 103

// Look is what is said to a watcher for which there is no new message, but which is to find out anew
// what the queue waits for.
const Look = "look"

// Poke tells the watcher of a new message, for which it is to wait so long. It returns false if there
// is none: then the caller has to see to the message.
//
// A watcher that ends removes the name of its socket first, and looks at what was said before then. So
// if the name is still there afterwards, the watcher has heard it. If the name is that of the next one,
// that one has still to look at the queue. A socket that is full belongs to a watcher that has not
// looked at the queue since.
func (q *Queue) Poke(delay time.Duration) bool { return q.say(delay.String()) && q.exists(socketFile) }

// PokeToLook has the watcher, if there is one, find out anew what the queue waits for: another process
// has tried what is in it.
func (q *Queue) PokeToLook() { q.say(Look) }

// Watched reports whether there is a watcher.
func (q *Queue) Watched() bool { return q.say(Look) && q.exists(socketFile) }

// say says something to the watcher, and reports whether there is one that may hear it.
func (q *Queue) say(words string) bool {
	path := q.path(socketFile)
	if len(path) > maxSocketPath {
		if path = q.shortPath(socketFile); path == "" {
			return false
		}
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	err = uninterrupted(func() error {
		return syscall.Sendto(fd, []byte(words), syscall.MSG_DONTWAIT, &syscall.SockaddrUnix{Name: path})
	})
	return err == nil || err == syscall.EAGAIN || err == syscall.ENOBUFS
}

// TryWatch takes the lock of the watcher. It returns nil and no error if another process has it.
func (q *Queue) TryWatch() (*os.File, error) { return q.tryOnly(watchFile) }

// SocketAt gives the socket of the watcher its name in the queue directory: a symbolic link to path,
// or, if path is "", none, and the socket is to be made at the path that is returned.
func (q *Queue) SocketAt(path string) (string, error) {
	if err := q.unlink(socketFile); err != nil {
		return "", err
	}
	if path != "" {
		return path, q.failed("symlink", socketFile, unix.Symlinkat(path, q.fd, socketFile))
	}
	own := q.path(socketFile)
	if len(own) > maxSocketPath {
		own = q.shortPath(socketFile)
	}
	return own, nil
}

// HasSocket reports whether the queue directory is still the one under its path, and has the name of
// the watcher's socket.
func (q *Queue) HasSocket() bool {
	var open, named syscall.Stat_t
	return fstat(q.fd, &open) == nil && syscall.Stat(q.Dir, &named) == nil &&
		open.Ino == named.Ino && open.Dev == named.Dev && q.exists(socketFile)
}

// RemoveSocket removes the name.
func (q *Queue) RemoveSocket() error { return q.unlink(socketFile) }

// Identity returns a text that differs for every queue directory of this machine.
func (q *Queue) Identity() string {
	var st syscall.Stat_t
	if fstat(q.fd, &st) != nil {
		return ""
	}
	return hexadecimal(uint64(st.Dev), 8) + "-" + hexadecimal(st.Ino, 8)
}
