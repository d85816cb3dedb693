package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// The exit codes we give, from sysexits.h. Callers tell zero from everything
// else; the rest is for people and logs.
const (
	exOK          = 0
	exUsage       = 64 // the command line is wrong
	exDataErr     = 65 // the message names nobody to send it to
	exNoInput     = 66 // the message cannot be read
	exUnavailable = 69 // what was asked for does not exist here
	exSoftware    = 70 // our own mistake
	exOSErr       = 71 // the system refuses something it should not
	exCantCreat   = 73 // the queue cannot be created
	exIOErr       = 74 // reading or writing failed
	exTempFail    = 75 // not now: a full disk; or mail remains to be tried
	exConfig      = 78 // the configuration, or none
)

// A failure is an error with the exit code that goes with it, and what to try.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string {
	if f.hint == "" {
		return f.err.Error()
	}
	return f.err.Error() + ": " + f.hint
}

func (f *failure) Unwrap() error { return f.err }

// fail returns an error with an exit code.
func fail(code int, format string, args ...any) error {
	return &failure{code: code, err: fmt.Errorf(format, args...)}
}

// spoolFailure gives an error of the spool its exit code: a condition that may pass is EX_TEMPFAIL.
func spoolFailure(what string, err error) error {
	code := exTempFail
	hint := "try again"
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		hint = "free some space and try again"
	case errors.Is(err, syscall.EFBIG):
		hint = "raise the limit on the size of files (ulimit -f)"
	case errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS):
		code, hint = exCantCreat, "make it writable for you"
	case errors.Is(err, os.ErrNotExist):
		code, hint = exCantCreat, "create its parent directory"
	}
	return &failure{code: code, err: fmt.Errorf("%s: %w", what, err), hint: hint}
}

// exitCode returns the exit code for an error.
func exitCode(err error) int {
	if err == nil {
		return exOK
	}
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	return exSoftware
}
