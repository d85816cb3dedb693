// Package command reads the command that a tunnel runs. It needs no network, so that a submission
// can check a configuration without the packages that a connection takes.
package command

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// A Command is a command whose standard input and output are a connection to
// the smart host.
type Command struct {
	words []string
	ssh   bool // words lack the options that make ssh a connection
}

// sshOptions make ssh carry one connection and nothing else, and fail where it would ask. They
// come before the person's own, since ssh takes the first that it sees.
var sshOptions = []string{"-T", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes", "-W"}

// Parse reads a command from a line of words, split and quoted as in a
// shell but run without one. There are two forms:
//
//   - ssh with a host and any options, such as `ssh -p 2222 -i key user@gateway`. It is
//     run with -W host:port, and with -T, BatchMode and ClearAllForwardings.
//   - any command in which %h and %p stand for the smart host and its port, such as
//     `nc -X 5 -x localhost:9050 %h %p`. It is run as given.
//
// The error quotes nothing of the line, in which there can be a password.
//
// In the arguments of ssh's -o, -S, -E and -F these two belong to ssh and are left alone.
func Parse(line string) (*Command, error) {
	words, err := splitWords(line)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, errors.New("no command; name one, such as: ssh gateway.example.org")
	}
	isSSH := path.Base(words[0]) == "ssh"
	switch {
	case mentionsHost(words):
		return &Command{words: words}, nil
	case !isSSH:
		return nil, errors.New("neither ssh nor a command that says with %h and %p where host and port go")
	case len(words) == 1:
		return nil, errors.New("ssh needs the host to go through, such as: ssh gateway.example.org")
	}
	return &Command{words: words, ssh: true}, nil
}

// mentionsHost reports whether the words contain a %h or %p that is to be replaced here.
func mentionsHost(words []string) bool {
	for i := range words {
		if !sshTokens(words, i) && (strings.Contains(words[i], "%h") || strings.Contains(words[i], "%p")) {
			return true
		}
	}
	return false
}

// sshTokens reports whether ssh expands percent signs in the word at i, as in `ssh -o
// ControlPath=~/.ssh/%h gateway`.
func sshTokens(words []string, i int) bool {
	if i == 0 || path.Base(words[0]) != "ssh" {
		return false
	}
	for _, option := range []string{"-o", "-S", "-E", "-F"} {
		if words[i-1] == option || strings.HasPrefix(words[i], option) {
			return true
		}
	}
	return false
}

// Argv returns the words to run for a connection to host and port.
func (c *Command) Argv(host, port string) ([]string, error) {
	for _, s := range []string{host, port} {
		if s == "" || s[0] == '-' || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return nil, fmt.Errorf("tunnel: %q cannot be a host or port", s)
		}
	}
	addr := host + ":" + port
	if strings.Contains(host, ":") {
		addr = "[" + host + "]:" + port
	}
	if c.ssh {
		argv := append([]string{c.words[0]}, sshOptions...)
		argv = append(argv, addr)
		return append(argv, c.words[1:]...), nil
	}
	replacer := strings.NewReplacer("%h:%p", addr, "%h", host, "%p", port)
	argv := make([]string, len(c.words))
	for i, word := range c.words {
		if !sshTokens(c.words, i) {
			word = replacer.Replace(word)
		}
		argv[i] = word
	}
	return argv, nil
}

// Name returns the name of the program, for error texts.
func (c *Command) Name() string { return path.Base(c.words[0]) }
