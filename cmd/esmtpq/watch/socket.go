package watch

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/watched"
	"esmtpq/queue/spool"
)

// A socket is where submissions say that there is a new message, with the lock of the watcher.
type socket struct {
	q     *spool.Queue
	lock  *os.File
	f     *os.File
	path  string
	pokes chan *watched.Request // closed when no more come
	ended bool
}

// listen takes the lock of the watcher and makes the socket.
func listen(dir string) (*socket, error) {
	q, err := spool.OpenOrCreate(dir)
	if err != nil {
		return nil, exit.Queue(err)
	}
	lock, err := q.TryWatch()
	switch {
	case err != nil:
		q.Close()
		return nil, exit.Queue(err)
	case lock == nil:
		defer q.Close()
		return nil, alreadyWatched(q)
	}
	s := &socket{q: q, lock: lock, pokes: make(chan *watched.Request)}
	if err := s.make(); err != nil {
		lock.Close()
		q.Close()
		return nil, exit.Fail(exit.CantCreat, "cannot make a socket for new messages: %w", err)
	}
	go s.read()
	return s, nil
}

// make makes the socket where the system wants sockets, or else in the queue directory. A stale one
// is nobody's: we have the lock.
func (s *socket) make() error {
	if dir := runtimeDir(); dir != "" {
		path := filepath.Join(dir, "esmtpq", s.q.Identity()+".wake")
		if err := s.bind(path); err == nil {
			if s.path, err = s.q.SocketAt(path); err == nil {
				return nil
			}
			s.f.Close()
			syscall.Unlink(path)
		}
	}
	path, err := s.q.SocketAt("")
	if err != nil {
		return err
	}
	if path == "" {
		return fmt.Errorf("%s: the path is too long", s.q.Dir)
	}
	s.path = path
	return s.bind(path)
}

// bind makes the socket at a path.
func (s *socket) bind(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	syscall.Unlink(path)
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		syscall.Close(fd)
		return &os.PathError{Op: "bind", Path: path, Err: err}
	}
	os.Chmod(path, 0o600)
	syscall.SetNonblock(fd, true)
	s.f = os.NewFile(uintptr(fd), path)
	return nil
}

// runtimeDir returns the directory for sockets of this user; "" if there is none, or not his alone.
func runtimeDir() string {
	for _, dir := range [...]string{os.Getenv("XDG_RUNTIME_DIR"), "/run/user/" + strconv.Itoa(os.Geteuid())} {
		st, err := os.Lstat(dir)
		if err != nil || !filepath.IsAbs(dir) || !st.IsDir() || st.Mode().Perm()&0o077 != 0 {
			continue
		}
		if own, ok := st.Sys().(*syscall.Stat_t); ok && int(own.Uid) == os.Geteuid() {
			return dir
		}
	}
	return ""
}

// read hands on what is said.
func (s *socket) read() {
	defer close(s.pokes)
	b := make([]byte, 64)
	for {
		n, err := s.f.Read(b)
		if err != nil && err != io.EOF { // EOF is a message of no octets
			return
		}
		s.pokes <- request(b[:n])
	}
}

// request returns what is asked for by words: submissions say how long to wait for more mail, and runs
// of others that they are over. Whatever else is said counts as a message, too.
func request(words []byte) *watched.Request {
	if string(words) == spool.Look {
		return &watched.Request{Kind: watched.Look}
	}
	d, _ := time.ParseDuration(string(words))
	return &watched.Request{Kind: watched.New, Delay: d}
}

// there reports whether submissions find the socket.
func (s *socket) there() bool {
	_, err := os.Lstat(s.path)
	return err == nil && s.q.HasSocket()
}

// close ends it, and reports whether something was said that nobody has taken. Submissions see to their
// mail themselves from now on: the name goes before the last look at what was said, and a submission
// looks for the name after it has said something.
func (s *socket) close() (said bool) {
	if s.ended {
		return false
	}
	s.ended = true
	s.q.RemoveSocket()
	syscall.Unlink(s.path)
	if s.f.SetReadDeadline(time.Now()) != nil {
		said = true // perhaps
		s.f.Close()
	}
	for range s.pokes {
		said = true
	}
	said = s.unread() || said
	s.f.Close()
	s.lock.Close()
	s.q.Close()
	return said
}

// unread reports whether anything is left to be read.
func (s *socket) unread() (any bool) {
	raw, err := s.f.SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		any = err == nil
	})
	return any
}
