// Package process makes this process one that is safe to be.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"esmtpq/cmd/esmtpq/exit"
)

// fewestFiles is how many files must be allowed to be open at once for a message to be taken.
const fewestFiles = 8

// Harden makes the process a careful one before it reads anything.
//
// What it leaves out: no_new_privs and Landlock would also bind the MDA and the other lines
// that we run for the person, and procmail, for one, is set-id.
func Harden() error {
	if os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() {
		return &exit.Failure{Code: exit.Config, Err: errors.New("installed set-user-ID or set-group-ID"), Hint: "chmod ug-s it: it needs no privilege"}
	}
	syscall.Umask(0o077)
	// A core dump would hold passwords.
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
	}
	// With fewer the runtime dies in the middle of something, and with a page of its own words.
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && limit.Cur < fewestFiles {
		return &exit.Failure{Code: exit.OSErr, Err: fmt.Errorf("only %d files may be open", limit.Cur), Hint: "raise the limit (ulimit -n)"}
	}
	// Over the limit on the size of files a write is to fail, not the process.
	signal.Ignore(syscall.SIGXFSZ)
	return nil
}
