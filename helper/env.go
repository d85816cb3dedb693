package helper

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// defaultPath is where programs are searched when the environment has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

// Environ returns our environment, completed. Programs that call us from a job or a filter (at,
// incron, sieve) leave out what a command line relies on: PATH, HOME, USER and LOGNAME, and
// XDG_RUNTIME_DIR, through which keyrings and agents are found.
func Environ() []string {
	env := os.Environ()
	add := func(name, value string) {
		if value != "" && os.Getenv(name) == "" {
			env = append(env, name+"="+value)
		}
	}
	add("PATH", defaultPath)
	if os.Getenv("HOME") == "" || os.Getenv("USER") == "" || os.Getenv("LOGNAME") == "" {
		if u, err := user.LookupId(strconv.Itoa(os.Geteuid())); err == nil {
			add("HOME", u.HomeDir)
			add("USER", u.Username)
			add("LOGNAME", u.Username)
		}
	}
	if os.Getenv("XDG_RUNTIME_DIR") == "" {
		add("XDG_RUNTIME_DIR", runtimeDir("/run/user"))
	}
	return env
}

// runtimeDir returns the user's directory below parent; "" if there is none, or not the user's
// alone.
func runtimeDir(parent string) string {
	dir := filepath.Join(parent, fmt.Sprint(os.Geteuid()))
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return ""
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return ""
	}
	return dir
}

// home returns the home directory that env names, or the root directory if that cannot be
// entered.
func home(env []string) string {
	dir := ""
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "HOME="); ok {
			dir = value
		}
	}
	if filepath.IsAbs(dir) {
		// The dot needs the right to enter the directory.
		if info, err := os.Stat(dir + "/."); err == nil && info.IsDir() {
			return dir
		}
	}
	return "/"
}
