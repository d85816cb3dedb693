// Package process hardens this process.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"esmtpq/cmd/esmtpq/exit"
)

// fewestFiles is the number of files that taking a message needs to have open at once.
const fewestFiles = 8

// Harden hardens the process before it reads anything.
//
// It does not use no_new_privs and Landlock: they would also bind the MDA and the other lines
// that are run for the person, and procmail, for one, is set-id.
func Harden() error {
	if os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() {
		return &exit.Failure{Code: exit.Config, Err: errors.New("installed set-user-ID or set-group-ID"), Hint: "chmod ug-s it: it needs no privilege"}
	}
	syscall.Umask(0o077)
	dropZoneFile()
	// A core dump would contain passwords.
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
	}
	// With fewer, the runtime dies in the middle of its work, with a page of its own words.
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && limit.Cur < fewestFiles {
		return &exit.Failure{Code: exit.OSErr, Err: fmt.Errorf("only %d files may be open", limit.Cur), Hint: "raise the limit (ulimit -n)"}
	}
	// Beyond the limit on the size of files, the write must fail, and not the process.
	signal.Ignore(syscall.SIGXFSZ)
	return nil
}

// dropZoneFile makes us use the time zone of the machine if TZ names a file elsewhere than where
// zones are kept. The runtime would open it, and wait for ever if it is a FIFO.
func dropZoneFile() {
	name := strings.TrimPrefix(os.Getenv("TZ"), ":")
	kept := strings.HasPrefix(name, "/etc/") || strings.HasPrefix(name, "/usr/share/zoneinfo/") || !strings.HasPrefix(name, "/")
	if !kept || strings.Contains(name, "..") {
		os.Unsetenv("TZ")
	}
}
