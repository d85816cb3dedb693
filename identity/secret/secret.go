// Package secret finds passwords where a person keeps them: in the keyring of the desktop, in the
// files ~/.authinfo and ~/.netrc, and among the credentials that systemd hands to a service.
//
// Nothing here asks anybody. A keyring that is locked, and a file that is not there, are reasons to
// wait; every reason says what helps.
package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"esmtpq/helper"
)

// A Key is what a password is found by.
type Key struct {
	Host, Port, User string
	Identity         string // for reasons and commands
	Home             string
	Proxy            bool // it is the password for a proxy
	// State opens the directory in which a file notes when the keyring did not answer, and makes it
	// first if it is asked to: a question may still be open at the desktop, and each further one would
	// have to be answered as well. There is one note for all passwords. nil keeps none.
	State func(create bool) (*os.File, error)
	// Again reports whether the keyring is to be asked although it did not answer at a time.
	Again func(since time.Time) bool
}

// maxFile bounds the files that are read, in octets.
const maxFile = 1 << 20

// Credential returns a credential that systemd hands to a service (systemd.exec, LoadCredential).
func Credential(dir, name string) (string, error) {
	if dir == "" {
		return "", fmt.Errorf("there are no credentials of systemd here: the unit that delivers has to have LoadCredential=%s:FILE", name)
	}
	if name == "" || strings.Contains(name, "/") || name == "." || name == ".." {
		return "", errors.New("password_credential is no name of a credential")
	}
	text, err := readFile(filepath.Join(dir, name))
	if err != nil {
		return "", fmt.Errorf("the credential %s cannot be read: %w", name, err)
	}
	return oneLine(text, "the credential "+name)
}

// oneLine returns a secret that has one line, with or without its end.
func oneLine(text []byte, what string) (string, error) {
	s := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case s == "":
		return "", errors.New(what + " is empty")
	case strings.ContainsAny(s, "\x00\n"):
		return "", errors.New(what + " has more than one line, or a NUL octet")
	}
	return s, nil
}

// readFile reads a small regular file.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, cause(err)
	case !st.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case st.Size() > maxFile:
		return nil, errors.New("it is larger than 1 MiB")
	}
	text := make([]byte, st.Size())
	n, err := f.Read(text)
	if err != nil && st.Size() > 0 {
		return nil, cause(err)
	}
	return text[:n], nil
}

// cause returns what the system said, without the path in front.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Valid returns an error for a password that not every keyring keeps as it is.
func Valid(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case len(password) > maxStored:
		return fmt.Errorf("the password has %d octets, and the keyring keeps %d", len(password), maxStored)
	case !utf8.ValidString(password):
		return errors.New("the password is not UTF-8")
	case strings.ContainsAny(password, "\x00\n\r"):
		return errors.New("the password holds a line end or a NUL octet")
	}
	return nil
}

var errSilent = errors.New("it did not answer in time: it may be waiting for somebody at the desktop")

// run runs a command and returns what it printed: up to most octets of standard output, and its last
// words.
func run(ctx context.Context, most int, c *helper.Command) (stdout, words string, ok bool, err error) {
	var out strings.Builder
	c.Stdout, c.Limit = &limited{&out, most}, keyringLimit
	exit, err := c.Run(ctx)
	if err != nil {
		return "", "", false, err
	}
	if exit.Stopped != nil {
		return "", exit.Output, false, errSilent
	}
	return out.String(), exit.Output, exit.OK(), nil
}

// A limited writer keeps the beginning of what is written.
type limited struct {
	b    *strings.Builder
	most int
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if room := l.most - l.b.Len(); room > 0 {
		l.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
