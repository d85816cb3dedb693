// Package whoami finds out whose mail this is: the user, the home directory and the machine.
package whoami

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/message"
)

// Home returns the user's home directory. $HOME is used if it is absolute, exists, and belongs to
// the user; otherwise the passwd entry is, since cron and at run jobs with another HOME or none.
func Home() (string, error) {
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
	return "", &exit.Failure{
		Code: exit.Config,
		Err:  errors.New("no home directory to keep the queue in: " + why + ", and the passwd entry names none either"),
		Hint: "set HOME to an absolute path",
	}
}

// Queue returns the path of the queue directory in a home directory.
func Queue(home string) string { return filepath.Join(home, ".esmtp_queue") }

// ownDir reports whether path is an absolute path of a directory that belongs to the user.
func ownDir(path string) bool {
	if !filepath.IsAbs(path) {
		return false
	}
	st, err := os.Stat(path)
	return err == nil && st.IsDir() && int(st.Sys().(*syscall.Stat_t).Uid) == os.Geteuid()
}

// Login returns the user's login name.
func Login() string {
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
		return u.Username
	}
	for _, name := range []string{"LOGNAME", "USER"} {
		if v := os.Getenv(name); v != "" && !message.HasControl(v) {
			return v
		}
	}
	return "uid" + strconv.Itoa(os.Getuid())
}

// FullName returns the user's full name from the passwd entry, "" if there is none.
func FullName() string {
	u, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil || message.HasControl(u.Name) {
		return ""
	}
	return u.Name
}

// Host returns this machine's name.
var Host = sync.OnceValue(func() string {
	name, err := os.Hostname()
	if err != nil || name == "" || message.HasControl(name) {
		return "localhost"
	}
	return name
})
