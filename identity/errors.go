package identity

import (
	"errors"
	"strconv"
)

// ErrNoConfig is wrapped by Load's error if no configuration file exists.
var ErrNoConfig = errors.New("no configuration")

// ErrNotPlain is wrapped by Load's error if a file needs a parser for all of YAML and there is
// none, because package yaml is not linked or not initialised yet.
var ErrNotPlain = errors.New("needs a parser of all of YAML")

// A ConfigError tells a person what is wrong with a configuration; a program that cannot go on
// because of it exits with EX_CONFIG.
type ConfigError struct {
	File string // path; "" where there is no file
	Line int    // counted from 1; 0 if the error is about the whole file
	Text string // what is wrong; holds no value of the file
	Hint string // what to try, for a line of its own; may be empty
	Err  error  // ErrNoConfig or what the system said; may be nil

	More []*ConfigError // what else is wrong with the same file
}

// Error returns "file:line: text", without the hint, and the same of More.
func (e *ConfigError) Error() string {
	s := e.Text
	if e.File != "" {
		s = position(e.File, e.Line) + s
	}
	for _, more := range e.More {
		s += "; " + more.Error()
	}
	return s
}

// Unwrap returns the cause, if any.
func (e *ConfigError) Unwrap() error { return e.Err }

// position returns "file:line: ", or "file: " where there is no line.
func position(file string, line int) string {
	if line > 0 {
		return file + ":" + strconv.Itoa(line) + ": "
	}
	return file + ": "
}
