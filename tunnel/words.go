package tunnel

import (
	"path"
	"slices"
	"strings"

	"esmtpq/helper"
	"esmtpq/tunnel/command"
)

// An ExitError says that a command ended with a non-zero exit status or by a signal, or before
// the host had said anything, and what it printed last.
type ExitError struct {
	helper.ExitError
	// Early says that it exited with status 0 before anything had come from the host.
	Early bool
	// Try is a command to type to see why, if it ended without a word.
	Try string
	// Cure is what helps, where its words are known.
	Cure string
	// Before is why it failed before, where its words now only follow from that.
	Before string
}

func (e *ExitError) Error() string {
	text := e.ExitError.Error()
	if e.Before != "" {
		first, _, _ := strings.Cut(e.Output, "\n")
		return e.Before + "; since then the gateway hangs up: " + first // what is shown can be cut
	}
	if e.Early {
		text = "the tunnel ended (" + e.How() + ") before the host's greeting"
		if e.Output != "" {
			text += ": " + strings.ReplaceAll(e.Output, "\n", "; ")
		}
	}
	if e.Cure != "" {
		text += "; " + e.Cure
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

// Said returns the text to add to a reason that names the deadline. A tunnel that has said nothing
// is named, too: it may be the gateway that does not answer, and not the host.
func (e *SaidError) Said() string {
	if e.Words == "" {
		return "the tunnel (" + e.Name + ") has said nothing"
	}
	return "the tunnel (" + e.Name + ") has said: " + strings.ReplaceAll(e.Words, "\n", "; ")
}

// A sharedError is the end of a connection that ssh has carried: an end by the host and the end of a
// connection that ssh shared look the same.
type sharedError struct{ err error }

func (e *sharedError) Error() string {
	return "closed by the host, or because the ssh connection that carried it has ended"
}
func (e *sharedError) Unwrap() error { return e.err }

// sshNoise begins lines of ssh that follow from what it has said before.
var sshNoise = []string{"@", "stdio forwarding failed", "kex_exchange_identification:", "Connection closed by UNKNOWN port", "** "}

// The last words of ssh that have a known cure.
var sshCures = []struct{ words, cure string }{
	{"Host key verification failed", "the gateway's key is not known here: type %s, and compare it"},
	{"Permission denied", "no key was accepted: ssh-add -l shows what the agent has, %s what is asked for"},
	{"bad permissions", "type chmod 600 and the file's name"},
	{"Session open refused by peer", "the shared ssh connection does not say why: type %s -o ControlPath=none"},
	{"kex_exchange_identification: ", "after failed logins a gateway refuses all for a while: ssh-add -l shows whether a key is there, and %s what it says"},
	{"Connection timed out", "the gateway does not answer"},
}

// sshWords returns what ssh has said without what only follows from it, at most two lines, and what
// helps. typed is the command to type.
func sshWords(output, typed string) (words, cure string) {
	lines := strings.Split(output, "\n")
	if host, remove := changedKey(lines); host != "" {
		return "the host key of " + host + " has changed", "if you know why, type: " + remove
	}
	for _, c := range sshCures {
		if strings.Contains(output, c.words) {
			cure = strings.ReplaceAll(c.cure, "%s", typed)
			break
		}
	}
	said := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return slices.ContainsFunc(sshNoise, func(noise string) bool { return strings.HasPrefix(line, noise) })
	})
	if len(said) == 0 {
		said = lines
	}
	return strings.Join(said[max(len(said)-2, 0):], "\n"), cure
}

// changedKey returns the host whose key ssh says has changed, and the command that forgets the old
// one; "" if it does not say so.
func changedKey(lines []string) (host, remove string) {
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(line, "Host key for "); ok {
			host, _, _ = strings.Cut(rest, " has changed")
		}
		if strings.HasPrefix(line, "ssh-keygen -f ") && i > 0 {
			remove = line
		}
	}
	if host != "" && remove == "" {
		remove = "ssh-keygen -R " + command.Quoted(host)
	}
	return host, remove
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
		words[i] = command.Quoted(w)
	}
	return strings.Join(words, " ")
}
