package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxFileSize bounds the size of a configuration file, in octets.
const maxFileSize = 1 << 20

// systemFile is the system's configuration, below /etc.
const systemFile = "esmtpq/config.yaml"

// LoadOptions say where to look for a configuration.
type LoadOptions struct {
	File   string              // -C FILE; "" means to search for one
	Home   string              // the user's home directory; "" where there is none
	Getenv func(string) string // os.Getenv, if nil
	Etc    string              // the system's configuration directory; "" means /etc
	System bool                // only the system's, whatever else there is
}

// A candidate is a place where a configuration may be.
type candidate struct {
	path   string
	named  bool // asked for by name: it must exist
	system bool // the administrator's file: its group may read it
}

// Load reads the first configuration file that exists. Its error is a *ConfigError, and wraps
// ErrNoConfig if there is no file at all.
func Load(opt LoadOptions) (*Config, error) {
	if opt.Getenv == nil {
		opt.Getenv = os.Getenv
	}
	if opt.Etc == "" {
		opt.Etc = "/etc"
	}
	var empty []string
	for _, c := range opt.candidates() {
		file, err := openConfig(c.path)
		if err != nil {
			if link, _ := os.Readlink(c.path); link != "" && err.Err == syscall.ENOENT {
				return nil, &ConfigError{File: c.path, Text: "is a symbolic link to a file that is not there: see man esmtpq.yaml", Err: err}
			}
			if !c.named && (err.Err == syscall.ENOENT || err.Err == syscall.ENOTDIR) {
				continue
			}
			return nil, &ConfigError{File: c.path, Text: "cannot be read: " + cause(err), Err: err}
		}
		defer file.Close()
		if !c.named && isEmpty(file) {
			empty = append(empty, c.path)
			continue
		}
		return load(file, c, opt)
	}
	text := "no configuration: esmtpq does not know where to send mail"
	if len(empty) > 0 {
		text += "; " + strings.Join(empty, " and ") + " is empty"
	}
	return nil, &ConfigError{
		Text: text,
		Hint: "type: esmtpq setup you@example.org; or write ~/.config/esmtpq/config.yaml or ~/.esmtprc: man esmtpq.yaml begins with examples",
		Err:  ErrNoConfig,
	}
}

// isEmpty reports whether a file is empty. An empty file configures nothing: for "esmtpq config
// >FILE", the shell makes one before the configuration is read.
func isEmpty(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// candidates returns the places to look at, in order.
func (opt LoadOptions) candidates() []candidate {
	if opt.System {
		return []candidate{{path: filepath.Join(opt.Etc, systemFile), system: true}}
	}
	if opt.File != "" {
		return []candidate{{path: opt.File, named: true}}
	}
	if file := opt.Getenv("ESMTPQ_CONFIG"); file != "" {
		return []candidate{{path: file, named: true}}
	}
	var cs []candidate
	add := func(system bool, parts ...string) {
		// Without a home directory, the places below it are left out. The XDG base directory
		// specification says to ignore relative paths.
		if filepath.IsAbs(parts[0]) {
			cs = append(cs, candidate{path: filepath.Join(parts...), system: system})
		}
	}
	if xdg := opt.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(xdg) {
		add(false, xdg, "esmtpq/config.yaml")
	} else {
		add(false, opt.Home, ".config/esmtpq/config.yaml")
	}
	add(true, opt.Etc, systemFile)
	add(false, opt.Home, ".esmtprc")
	add(true, opt.Etc, "esmtprc")
	return cs
}

// openConfig opens a file without waiting for a writer, should it be a FIFO. A symbolic link is
// followed, for people who keep their files elsewhere; the checks are of the file it leads to.
//
// os.OpenFile is not used, since it sets up the runtime's poller at each start, for a file that
// nothing waits for.
func openConfig(path string) (*os.File, *fs.PathError) {
	for {
		fd, err := syscall.Open(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		switch err {
		case nil:
			// This never fails for an open file; if it did, the file would be left to the poller.
			syscall.SetNonblock(fd, false)
			return os.NewFile(uintptr(fd), path), nil
		case syscall.EINTR:
		default:
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// load reads and checks an opened file.
func load(file *os.File, c candidate, opt LoadOptions) (*Config, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, &ConfigError{File: c.path, Text: "cannot be read: " + cause(err), Err: err}
	}
	if err := checkFile(info, c.path, os.Geteuid()); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, &ConfigError{File: c.path, Text: "cannot be read: " + cause(err), Err: err}
	}
	if len(data) > maxFileSize {
		return nil, &ConfigError{File: c.path, Text: "is larger than 1 MiB: surely not a configuration"}
	}
	config, err := parse(c.path, data, opt)
	if err != nil {
		return nil, err
	}
	config.Info = info
	for _, id := range config.Identities {
		if id.passwordAt = "password in " + position(c.path, config.LineOf(id, "password")); id.PasswordCommand != "" {
			id.passwordAt = "password_command in " + position(c.path, config.LineOf(id, "password_command"))
		}
	}
	if err := checkMode(config, info, c.system); err != nil {
		return nil, err
	}
	return config, nil
}

// parse reads the content of a file in the format that its name says: YAML if it ends in .yaml or
// .yml, esmtprc otherwise.
func parse(path string, data []byte, opt LoadOptions) (*Config, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		return parseYAML(path, data, opt)
	}
	return parseEsmtprc(path, data)
}

// checkFile refuses a file that is not regular or belongs to another user: the commands in it are
// run as this user. Root's files are taken, since root could write to ours anyway.
func checkFile(info fs.FileInfo, path string, euid int) error {
	if !info.Mode().IsRegular() {
		return &ConfigError{File: path, Text: "is not a regular file"}
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && stat.Uid != 0 && int(stat.Uid) != euid {
		return &ConfigError{
			File: path,
			Text: fmt.Sprintf("belongs to another user (uid %d, and this is uid %d)", stat.Uid, euid),
			Hint: "a configuration holds commands that are run: use one that is yours or root's",
		}
	}
	if info.Mode().Perm()&0o002 != 0 {
		return &ConfigError{
			File: path,
			Text: "can be written by everybody, and holds commands that are run; " + withoutOthers(info, path),
		}
	}
	return nil
}

// withoutOthers returns what to do about a file that others can write to. File systems without modes
// of their own show this mode for everything.
func withoutOthers(info fs.FileInfo, path string) string {
	if info.Mode().Perm() == 0o777 {
		return "type: chmod go-w " + shellQuote(path) + "; where that changes nothing (NTFS, exFAT, FAT), mount with umask=077"
	}
	return "type: chmod go-w " + shellQuote(path)
}

// checkMode refuses a file that holds a secret and that others can read. The group may read the
// administrator's file.
func checkMode(c *Config, info fs.FileInfo, system bool) error {
	forbidden, command := fs.FileMode(0o044), "chmod 600 "
	if system {
		forbidden, command = 0o004, "chmod o= "
	}
	if info.Mode().Perm()&forbidden == 0 || !c.holdsSecret() {
		if info.Mode().Perm()&0o020 != 0 {
			c.warn(0, "can be written by its group, and holds commands that are run")
		}
		return nil
	}
	return &ConfigError{
		File: c.File,
		Text: "holds a password, and other users can read it; type: " + command + shellQuote(c.File),
	}
}

func (c *Config) holdsSecret() bool {
	for _, id := range c.Identities {
		if id.Password.IsSet() || id.CertificatePassphrase.IsSet() || id.ProxyPassword.IsSet() || id.OAuth != nil && id.OAuth.ClientSecret.IsSet() {
			return true
		}
	}
	return false
}

// warn adds a remark about a line; 0 is the whole file.
func (c *Config) warn(line int, text string) {
	c.Warnings = append(c.Warnings, position(c.File, line)+text)
}

// cause returns what the system said, without the path in front.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// shellQuote returns a path as one types it in a shell.
func shellQuote(path string) string {
	for _, r := range path {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,@%", r)
		if !plain {
			return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
		}
	}
	return path
}
