// Package whoami finds out whose mail this is: the user, the home directory and the machine.
package whoami

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/message"
)

// Home returns the user's home directory: $HOME, or where that is not set or no such directory
// exists, the one in the passwd entry, since cron and at run jobs with another HOME or none. A HOME
// that is there and cannot be used is an error: mail may be waiting in it, and in another home
// nobody would look for mail.
//
// Accounts of services often have none, or one of root's: they get a directory below that of the
// system's configuration, if it has one for them.
func Home() (string, error) { return find(true) }

// HasQueue reports whether the user has a queue, and in which home. It makes nothing.
func HasQueue() (home string, has bool) {
	home, err := find(false)
	if err != nil {
		return "", false
	}
	_, err = os.Lstat(Queue(home))
	return home, err == nil
}

// find returns the user's home directory. With create, that of an account without one is made.
func find(create bool) (string, error) {
	home := os.Getenv("HOME")
	err := ownDir(home)
	if err == nil {
		return home, nil
	}
	u, lookup := user.LookupId(strconv.Itoa(os.Geteuid()))
	account := lookup == nil && home == u.HomeDir
	if !errors.Is(err, errNone) && !(account && errors.Is(err, errOthers)) {
		return "", unusable("HOME", err)
	}
	if lookup == nil {
		if err = ownDir(u.HomeDir); err == nil {
			return u.HomeDir, nil
		}
		if !errors.Is(err, errNone) && !errors.Is(err, errOthers) {
			return "", unusable("the home directory of the passwd entry", err)
		}
	}
	if dir, failed := provided(create); dir != "" || failed != nil {
		return dir, failed
	}
	if lookup == nil && errors.Is(err, errOthers) {
		return "", unusable("the home directory of the passwd entry", err)
	}
	why := "HOME is not set"
	if home != "" {
		why = "HOME (" + home + ") is not a directory of yours"
	}
	return "", &exit.Failure{
		Code: exit.Config,
		Err:  errors.New("no home directory to keep the queue in: " + why + ", and the passwd entry names none either"),
		Hint: "set HOME to a directory of yours; for accounts without one, /etc/esmtpq/config.yaml can say queue: /var/spool/esmtpq/%u",
	}
}

// unusable says why a home directory that is there cannot be used.
func unusable(what string, err error) error {
	f := &exit.Failure{Code: exit.Config, Err: fmt.Errorf("%s cannot be used: %w", what, err), Hint: "set HOME to a directory of yours"}
	switch {
	case exit.MayPass(err):
		f.Code, f.Hint = exit.TempFail, "try again"
	case errors.Is(err, errOthers):
		f.Hint += " (with sudo, say -H; with sshfs, -o idmap=user)"
	}
	return f
}

var (
	errNone   = errors.New("no such directory")
	errOthers = errors.New("it belongs to somebody else")
)

// Queue returns the path of the queue directory in a home directory.
func Queue(home string) string { return filepath.Join(home, ".esmtp_queue") }

// ownDir returns why a path is not an absolute path of a directory that belongs to the user; errNone
// where there is no such directory.
func ownDir(path string) error {
	if !filepath.IsAbs(path) {
		return errNone
	}
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENOTDIR), err == nil && !st.IsDir():
		return errNone
	case err != nil:
		return err
	}
	if owner := int(st.Sys().(*syscall.Stat_t).Uid); owner != os.Geteuid() {
		return fmt.Errorf("%s: %w (user %d, and this is user %d)", path, errOthers, owner, os.Geteuid())
	}
	return nil
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
