// Package exit has the program's exit codes, and the errors that carry them.
package exit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/term"

	"esmtpq/queue/spool"
)

// The exit codes, from sysexits.h. Callers distinguish zero from everything else; the rest is for
// people and logs.
const (
	OK          = 0
	Usage       = 64 // the command line is wrong
	DataErr     = 65 // the message names no recipients, or cannot be queued as it is
	NoInput     = 66 // the message cannot be read
	Unavailable = 69 // what was asked for does not exist here
	Software    = 70 // our own mistake
	OSErr       = 71 // the system refuses something that it should not
	CantCreat   = 73 // the queue cannot be created
	IOErr       = 74 // reading or writing failed
	TempFail    = 75 // not now: a full disk; or mail remains to be tried
	NoPerm      = 77 // the host refuses the login
	Config      = 78 // the configuration, or none
)

// A Failure is an error with its exit code and a hint what to try.
type Failure struct {
	Code int
	Err  error
	Hint string // may be empty
}

// Error returns the text of Err, and the hint.
func (f *Failure) Error() string {
	if f.Hint == "" {
		return f.Err.Error()
	}
	return f.Err.Error() + ": " + f.Hint
}

// Unwrap returns Err.
func (f *Failure) Unwrap() error { return f.Err }

// ErrSilent is an error that has been reported already.
var ErrSilent = errors.New("said already")

// Silent gives an exit code without words.
func Silent(code int) error { return &Failure{Code: code, Err: ErrSilent} }

// Fail returns an error with an exit code.
func Fail(code int, format string, args ...any) error {
	return &Failure{Code: code, Err: fmt.Errorf(format, args...)}
}

// Spool gives an error of the spool its exit code: EX_TEMPFAIL for a condition that may pass.
func Spool(what string, err error) error {
	code := TempFail
	hint := "try again"
	var unfit spool.UnfitError
	switch {
	case errors.As(err, &unfit):
		code, hint = DataErr, ""
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		hint = "free some space and try again"
	case errors.Is(err, syscall.EFBIG):
		hint = "raise the limit on the size of files (ulimit -f)"
	case errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS):
		code, hint = CantCreat, "make it writable for you"
	case errors.Is(err, os.ErrNotExist):
		code, hint = CantCreat, "create its parent directory"
	}
	return &Failure{Code: code, Err: fmt.Errorf("%s: %w", what, err), Hint: hint}
}

// MayPass reports whether an error is trouble of the system, as of a disk or a network file system,
// that may be over another time; and not that something is not there, not allowed or of another kind.
func MayPass(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES, syscall.EPERM, syscall.ELOOP, syscall.ENAMETOOLONG,
		syscall.EISDIR, syscall.ENXIO, syscall.ENODEV, syscall.EINVAL, syscall.EROFS:
		return false
	}
	return true
}

// Queue gives an error about the queue directory itself its exit code.
func Queue(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, spool.ErrNotOurs) || errors.Is(err, spool.ErrShared) {
		return &Failure{Code: CantCreat, Err: err}
	}
	return Spool("cannot use the queue", err)
}

// Report reports an error on w, in the name of a program, and returns the exit code.
func Report(w io.Writer, name string, err error) int {
	if err != nil && !errors.Is(err, ErrSilent) {
		fmt.Fprintf(w, "%s: %s\n", name, spool.Printable(shortened(err.Error())))
	}
	return Code(err)
}

// Remark prints a remark on w in the name of a program, if w is a terminal at which a person
// waits.
func Remark(w *os.File, name, text string) {
	if term.IsTerminal(int(w.Fd())) {
		fmt.Fprintf(w, "%s: %s\n", name, text)
	}
}

// maxError is how much of an error is shown, in octets: an error may quote an argument of any
// length.
const maxError = 4000

// shortened leaves out the middle of a text that is too long. The hint what to try is at the end.
func shortened(s string) string {
	if len(s) <= maxError {
		return s
	}
	return s[:maxError/2] + " ... " + s[len(s)-maxError/2:]
}

// Code returns the exit code for an error.
func Code(err error) int {
	if err == nil {
		return OK
	}
	var f *Failure
	if errors.As(err, &f) {
		return f.Code
	}
	return Software
}
