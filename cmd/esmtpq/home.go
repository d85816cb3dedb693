package main

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"esmtpq/queue"
)

// queueName is the name of the queue directory in the home directory.
const queueName = ".esmtp_queue"

// homeDir returns the user's home directory. $HOME counts if it is absolute, exists, and is the
// user's own; else the passwd entry does: cron and at run jobs with another HOME or none.
func homeDir() (string, error) {
	home := os.Getenv("HOME")
	if ownDir(home) {
		return home, nil
	}
	u, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err == nil && ownDir(u.HomeDir) {
		return u.HomeDir, nil
	}
	why := "HOME is not set"
	if home != "" {
		why = "HOME (" + home + ") is not a directory of yours"
	}
	return "", &failure{
		code: exConfig,
		err:  errors.New("no home directory to keep the queue in: " + why + ", and the passwd entry names none either"),
		hint: "set HOME to an absolute path",
	}
}

// ownDir tells whether path is an absolute path of a directory that belongs to the user.
func ownDir(path string) bool {
	if !filepath.IsAbs(path) {
		return false
	}
	st, err := os.Stat(path)
	return err == nil && st.IsDir() && int(st.Sys().(*syscall.Stat_t).Uid) == os.Geteuid()
}

// loginName returns the user's login name.
func loginName() string {
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
		return u.Username
	}
	for _, name := range []string{"LOGNAME", "USER"} {
		if v := os.Getenv(name); v != "" && !hasControl(v) {
			return v
		}
	}
	return "uid" + strconv.Itoa(os.Getuid())
}

// gecosName returns the user's full name from the passwd entry, "" if there is none.
func gecosName() string {
	u, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil || hasControl(u.Name) {
		return ""
	}
	return u.Name
}

// hostName returns this machine's name.
var hostName = sync.OnceValue(func() string {
	name, err := os.Hostname()
	if err != nil || name == "" || hasControl(name) {
		return "localhost"
	}
	return name
})

// openQueue opens the user's queue; nil and no error if there is none yet.
func openQueue() (*queue.Queue, error) {
	home, err := homeDir()
	if err != nil {
		return nil, err
	}
	q, err := queue.Open(filepath.Join(home, queueName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return q, queueFailure(err)
}

// queueFailure gives an error about the queue directory itself its exit code.
func queueFailure(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, queue.ErrNotOurs) {
		return &failure{code: exCantCreat, err: err}
	}
	return spoolFailure("cannot use the queue", err)
}
