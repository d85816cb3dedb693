// Package command reads the command that a tunnel runs. It needs no network, so that a submission
// can check a configuration without the packages that a connection takes.
package command

import (
	"errors"
	"fmt"
	"path"
	"slices"
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
var sshOptions = []string{"-T", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes", noMaster[0], noMaster[1], "-W"}

// noMaster keeps ssh from carrying other sessions of the person over this connection, which would be
// cut when the mail is done. It still uses a connection that is there.
var noMaster = []string{"-o", "ControlMaster=no"}

// sshLimits come after the person's own options, which go before them: a gateway that does not
// answer, and one that has gone, are noticed well before the limits of a session.
var sshLimits = []string{"-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"}

// Parse reads a command from a line of words, split and quoted as in a
// shell but run without one. There are two forms:
//
//   - ssh with a host and any options, such as `ssh -p 2222 -i key user@gateway`. It is
//     run with -W host:port, with -T, BatchMode and ClearAllForwardings, with time limits, and so
//     that it never becomes the master of a shared connection.
//   - any command in which %h and %p stand for the smart host and its port, such as
//     `ncat --proxy localhost:9050 --proxy-type socks5 %h %p`. It is run as given, but that ssh
//     does not become a master either.
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
		return slices.Concat(argv, c.words[1:], sshLimits), nil
	}
	replacer := strings.NewReplacer("%h:%p", addr, "%h", host, "%p", port)
	argv := make([]string, len(c.words))
	for i, word := range c.words {
		if !sshTokens(c.words, i) {
			word = replacer.Replace(word)
		}
		argv[i] = word
	}
	if c.isSSH() {
		argv = slices.Insert(argv, 1, noMaster...)
	}
	return argv, nil
}

func (c *Command) isSSH() bool { return path.Base(c.words[0]) == "ssh" }

// SSH returns the command that a person types to see what ssh says or asks; "" if it is not ssh.
func (c *Command) SSH() string {
	if !c.isSSH() {
		return ""
	}
	words := slices.Clone(c.words)
	if !c.ssh {
		words = words[:1] // it has a command or -W among its words
	}
	for i, w := range words {
		words[i] = Quoted(w)
	}
	return strings.Join(words, " ")
}

// Remarks says what may be wrong with a command, for the person to judge.
func (c *Command) Remarks() []string {
	name := c.Name()
	switch name {
	case "nc", "netcat", "nc.openbsd":
		if c.waits("-w") {
			return []string{name + " -w cuts a connection that is silent for so long, as a host may be for ten minutes behind a mail: leave out -w"}
		}
		return []string{name + " may not notice when the host closes the connection, so that mail waits for a time limit: ncat and socat do"}
	case "ncat", "socat":
		for _, option := range []string{"-i", "--idle-timeout", "-T"} {
			if c.waits(option) && !(name == "ncat" && option == "-T") {
				return []string{name + " " + option + " cuts a connection that is silent for so long, as a host may be for ten minutes behind a mail: leave it out"}
			}
		}
	case "openssl":
		return []string{"openssl s_client prints its own words into the connection and checks no certificate: use tls: implicit, without a tunnel"}
	}
	return nil
}

// waits reports whether an option is among the words.
func (c *Command) waits(option string) bool {
	return slices.ContainsFunc(c.words[1:], func(w string) bool {
		return w == option || strings.HasPrefix(w, option+"=") || len(option) == 2 && strings.HasPrefix(w, option) && strings.Trim(w[2:], "0123456789.smh") == ""
	})
}

// Name returns the name of the program, for error texts.
func (c *Command) Name() string { return path.Base(c.words[0]) }

// Program returns the program as the command names it, for a look whether it is there.
func (c *Command) Program() string { return c.words[0] }

// plain are the characters without a special meaning to a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,"

// Quoted returns a word as one would type it.
func Quoted(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
