package helper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// An Exit says how a command ended.
type Exit struct {
	Status int            // its exit status; -1 if a signal ended it
	Signal syscall.Signal // the signal; 0 if it exited by itself
	// Stopped is why we ended it: context.DeadlineExceeded after its limit, or the cause of its
	// context; nil if we did not.
	Stopped error
	Output  string // the end of its output: whole lines without empty ones, at most 1 kB, any octets
	Left    []int  // its processes that could not be ended

	Whole    bool  // the input was written to its end
	Unread   bool  // it exited with status 0 and has read nothing; only with MustRead
	InputErr error // the input could not be read
}

func (e *Exit) set(state *os.ProcessState) {
	e.Status, e.Signal = state.ExitCode(), signaled(state)
}

// OK reports whether the program exited with status 0, even while it was being ended.
func (e *Exit) OK() bool { return e.Status == 0 && e.Signal == 0 }

// How says how the command ended, without its output.
func (e *Exit) How() string {
	switch {
	case e.Stopped != nil && errors.Is(e.Stopped, context.DeadlineExceeded):
		return "not finished in time and stopped"
	case e.Stopped != nil:
		return "stopped"
	case e.Signal != 0:
		return "ended by signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit status %d", e.Status)
}

// Err returns an [ExitError] that begins with name; nil after exit status 0.
func (e *Exit) Err(name string) error {
	if e.OK() {
		return nil
	}
	return &ExitError{name, *e}
}

// maxWords bounds what Words returns, in octets.
const maxWords = 500

// Words returns the last two lines of the output as one.
func (e *Exit) Words() string {
	lines := strings.Split(e.Output, "\n")
	words := strings.Join(lines[max(len(lines)-2, 0):], "; ")
	return words[:min(len(words), maxWords)]
}

// An ExitError says that a command did not end with exit status 0.
type ExitError struct {
	Name string // what was run: "preconnect", or the program's name
	Exit
}

func (e *ExitError) Error() string { return e.Name + ": " + e.How() + suffix(e.Output) }

// Unwrap returns why the command was stopped, if it was.
func (e *ExitError) Unwrap() error { return e.Stopped }

// suffix returns lines of output for the end of an error text.
func suffix(output string) string {
	if output == "" {
		return ""
	}
	return ": " + strings.ReplaceAll(output, "\n", "; ")
}
