package inherit

import (
	"os"
	"syscall"
)

// Sockets returns two connected stream sockets, which no other program inherits: ours can wait with a
// deadline; theirs is a plain file, to be handed to a child.
func Sockets(name string) (ours, theirs *os.File, err error) {
	// Not every system can mark the sockets when it creates them; the lock prevents a fork
	// meanwhile.
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	syscall.SetNonblock(fds[0], true) // before it becomes a file: for the runtime's poller
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name), nil
}
