//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package door

import "golang.org/x/sys/unix"

const getTerminal, setTerminal = unix.TIOCGETA, unix.TIOCSETA
