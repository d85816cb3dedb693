package door

import "golang.org/x/sys/unix"

// EchoOff has a terminal no longer show what is typed, and returns what undoes that. It comes before the
// question: an answer can be there as soon as the question is.
func EchoOff(fd int) (undo func()) {
	before, err := unix.IoctlGetTermios(fd, getTerminal)
	if err != nil {
		return func() {}
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if unix.IoctlSetTermios(fd, setTerminal, &silent) != nil {
		return func() {}
	}
	return func() { unix.IoctlSetTermios(fd, setTerminal, before) }
}
