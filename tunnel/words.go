package tunnel

import (
	"path"
	"slices"
	"strings"

	"esmtpq/helper"
)

// An ExitError says that a command ended with a non-zero exit status or by a signal, or before
// the host had said anything, and what it printed last.
type ExitError struct {
	helper.ExitError
	// Early says that it exited with status 0 before anything had come from the host.
	Early bool
	// Try is a command to type to see why, if it ended without a word.
	Try string
}

func (e *ExitError) Error() string {
	text := e.ExitError.Error()
	if e.Early {
		text = "the tunnel ended (" + e.How() + ") before the host's greeting"
		if e.Output != "" {
			text += ": " + strings.ReplaceAll(e.Output, "\n", "; ")
		}
	}
	if e.Try != "" {
		text += ", and said nothing; to see why, type: " + e.Try
	}
	return text
}

// A SaidError is the error of a deadline, with what the command has printed until then: it may be
// asking for something, or may have complained.
type SaidError struct {
	Name  string
	Words string // the last lines of its output
	Err   error
}

func (e *SaidError) Error() string { return e.Err.Error() + "; " + e.Said() }
func (e *SaidError) Unwrap() error { return e.Err }

// Said returns the text to add to a reason that names the deadline.
func (e *SaidError) Said() string {
	return "the tunnel (" + e.Name + ") has said: " + strings.ReplaceAll(e.Words, "\n", "; ")
}

// talkers are programs that print more with an option, and options that keep them silent.
var talkers = []struct{ prefix, more, less string }{
	{"nc", "-v", ""}, // nc.openbsd, nc.traditional, ncat, netcat
	{"netcat", "-v", ""},
	{"ssh", "-v", "-q"},
	{"proxytunnel", "-v", "-q"},
	{"socat", "-d", ""},
}

// louder returns the command line to type for a program that printed nothing.
func louder(argv []string) string {
	words := slices.Clone(argv)
	name := path.Base(argv[0])
	for _, t := range talkers {
		if !strings.HasPrefix(name, t.prefix) {
			continue
		}
		if t.less != "" {
			words = slices.DeleteFunc(words, func(w string) bool { return w == t.less })
		}
		if !slices.Contains(words, t.more) {
			words = slices.Insert(words, 1, t.more)
		}
		break
	}
	for i, w := range words {
		words[i] = quoted(w)
	}
	return strings.Join(words, " ")
}

// plain are the characters without a special meaning to a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,"

// quoted returns a word as one would type it.
func quoted(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
