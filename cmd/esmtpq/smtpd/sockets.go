package smtpd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/exit"
)

// firstSocket is the descriptor of the first socket that a supervisor hands over, sd_listen_fds(3).
const firstSocket = 3

// inheritedSockets returns the sockets that the supervisor has opened. What it has said about them is
// not for our children.
func inheritedSockets() ([]net.Listener, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range [...]string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"} {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 64 {
		return nil, exit.Fail(exit.Config, "LISTEN_FDS is no number of sockets")
	}
	var all []net.Listener
	for fd := firstSocket; fd < firstSocket+n; fd++ {
		syscall.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "socket")
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, exit.Fail(exit.Config, "descriptor %d of the supervisor is no listening socket: %w", fd, err)
		}
		if err := onLoopback(l.Addr()); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// onLoopback returns an error for an address that others than this machine can reach.
func onLoopback(addr net.Addr) error {
	if a, ok := addr.(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		return &exit.Failure{
			Code: exit.Config, Err: fmt.Errorf("%s is not on loopback", a),
			Hint: "other machines must not send mail as you: use 127.0.0.1, [::1] or the path of a socket",
		}
	}
	return nil
}

// openSockets opens the sockets that a command line names, beside those that are open already. closeAll
// closes them all.
func openSockets(names []string, open []net.Listener) (all []net.Listener, closeAll func(), err error) {
	all = open
	closeAll = sync.OnceFunc(func() {
		for _, l := range all {
			l.Close()
		}
	})
	for _, name := range names {
		more, err := openSocket(name)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		all = append(all, more...)
	}
	return all, closeAll, nil
}

// openSocket opens the socket of one name, or both of localhost.
func openSocket(name string) ([]net.Listener, error) {
	if strings.Contains(name, "/") {
		l, err := openPath(strings.TrimPrefix(name, "unix:"))
		return []net.Listener{l}, err
	}
	host, port, err := net.SplitHostPort(name)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
		return nil, exit.Fail(exit.Usage, "%q is neither an address with a port, such as 127.0.0.1:2525, nor the path of a socket", name)
	}
	if host == "localhost" {
		return openLocalhost(port)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return nil, exit.Fail(exit.Usage, "%q: the address must be localhost, 127.0.0.1 or [::1]", name)
	}
	if err := onLoopback(&net.TCPAddr{IP: ip.AsSlice()}); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", name)
	return []net.Listener{l}, cannotListen(name, err)
}

// openLocalhost opens a port of both addresses of this machine. It may not have the second one.
func openLocalhost(port string) ([]net.Listener, error) {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, cannotListen("127.0.0.1:"+port, err)
	}
	l6, err := net.Listen("tcp6", net.JoinHostPort("::1", port))
	switch {
	case err == nil:
		return []net.Listener{l, l6}, nil
	case errors.Is(err, syscall.EADDRINUSE):
		l.Close()
		return nil, cannotListen("[::1]:"+port, err)
	}
	return []net.Listener{l}, nil
}

// cannotListen gives an error its exit code.
func cannotListen(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return &exit.Failure{Code: exit.TempFail, Err: fmt.Errorf("something else listens at %s", name), Hint: "end it, or use another port"}
	case errors.Is(err, os.ErrPermission):
		return &exit.Failure{Code: exit.NoPerm, Err: fmt.Errorf("cannot listen at %s: %w", name, err), Hint: "use a port above 1023"}
	}
	return exit.Fail(exit.OSErr, "cannot listen at %s: %w", name, err)
}

// A pathListener is a socket in the file system, and the lock beside it.
type pathListener struct {
	*net.UnixListener
	lock *os.File
}

// Close closes the socket, removes it, and lets go of the lock.
func (l *pathListener) Close() error {
	err := l.UnixListener.Close()
	l.lock.Close()
	return err
}

// openPath makes a socket in the file system, with access for us alone. One that a listener has left
// is replaced; the lock says whether one is there.
func openPath(path string) (net.Listener, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, cannotListen(path, err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, exit.Fail(exit.CantCreat, "cannot listen at %s: %w", path, err)
	}
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		lock.Close()
		return nil, exit.Fail(exit.TempFail, "another listener is at %s", path)
	}
	if err := removeStale(path); err != nil {
		lock.Close()
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}) // the umask leaves it to us
	if err != nil {
		lock.Close()
		return nil, exit.Fail(exit.CantCreat, "cannot listen at %s: %w", path, err)
	}
	return &pathListener{l, lock}, nil
}

// removeStale removes a socket of ours to which nobody listens.
func removeStale(path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return nil // if it is not merely absent, the socket cannot be made either
	}
	if st.Mode().Type() != os.ModeSocket || st.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
		return exit.Fail(exit.CantCreat, "%s is there, and is no socket of yours", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return exit.Fail(exit.TempFail, "something else listens at %s", path)
	}
	if err := os.Remove(path); err != nil {
		return exit.Fail(exit.CantCreat, "%w", err)
	}
	return nil
}
