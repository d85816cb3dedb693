package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// fewestFiles is how many files must be allowed to be open at once for a message to be taken.
const fewestFiles = 8

// harden makes the process a careful one before it reads anything.
//
// What it leaves out: no_new_privs and Landlock would also bind the MDA and the other lines
// that we run for the person, and procmail, for one, is set-id.
func harden() error {
	if os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() {
		return &failure{code: exConfig, err: errors.New("installed set-user-ID or set-group-ID"), hint: "chmod ug-s it: it needs no privilege"}
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
		return &failure{code: exOSErr, err: fmt.Errorf("only %d files may be open", limit.Cur), hint: "raise the limit (ulimit -n)"}
	}
	// Over the limit on the size of files a write is to fail, not the process.
	signal.Ignore(syscall.SIGXFSZ)
	return nil
}
