package whoami

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/identity"
)

// provided returns the directory that the system's configuration gives to the user in place of a home;
// "" if it gives none. With create, it is made.
func provided(create bool) (string, error) {
	cfg, err := identity.Load(identity.LoadOptions{System: true})
	switch {
	case errors.Is(err, identity.ErrNoConfig), err == nil && cfg.Queue == "":
		return "", nil
	case errors.Is(err, identity.ErrNotPlain):
		return "", err // read again, by main
	case err != nil:
		return "", &exit.Failure{Code: exit.Config, Err: fmt.Errorf("there is no home directory, and which other one to use is not known: %w", err)}
	}
	dir := strings.ReplaceAll(cfg.Queue, "%u", ownName())
	if err := checkParent(filepath.Dir(dir)); err != nil {
		return "", err
	}
	if create {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return "", cannotProvide(dir, err)
		}
	}
	st, err := os.Lstat(dir)
	if err == nil && !st.IsDir() {
		err = errors.New("it is no directory")
	}
	if err == nil {
		err = ownDir(dir)
	}
	if err != nil {
		return "", cannotProvide(dir, err)
	}
	return dir, nil
}

// ownName returns the login name, or the number, of the user whose rights we have. The environment has
// no say: it names a directory of somebody else's as easily.
func ownName() string {
	id := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(id); err == nil && u.Username != "" && u.Username[0] != '.' && !strings.ContainsAny(u.Username, "/\x00") {
		return u.Username
	}
	return "uid" + id
}

// checkParent makes sure that nobody else can put another directory into the place of the user's.
func checkParent(parent string) error {
	st, err := os.Lstat(parent)
	if err != nil {
		return cannotProvide(parent, err)
	}
	owner := int(st.Sys().(*syscall.Stat_t).Uid)
	switch {
	case !st.IsDir():
		err = errors.New("it is no directory")
	case owner != 0 && owner != os.Geteuid():
		err = errors.New("it is not root's")
	case st.Mode().Perm()&0o022 != 0 && st.Mode()&os.ModeSticky == 0:
		err = errors.New("others can replace what is in it")
	default:
		return nil
	}
	return cannotProvide(parent, err)
}

func cannotProvide(dir string, err error) error {
	return &exit.Failure{
		Code: exit.Config, Err: fmt.Errorf("no home directory, and the queue of /etc/esmtpq/config.yaml cannot be used: %s: %w", dir, err),
		Hint: "as root, install -d -m 1733 the directory above those of the users",
	}
}
