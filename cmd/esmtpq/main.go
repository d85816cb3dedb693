// The runtime is not to keep the limits of cgroups open, nor to look at them again: what runs for long here waits
// for hosts, not for processors.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Esmtpq is a queueing, send-only mailer for one person's machine: sendmail, deliver
// and mailq in one program, which asks argv[0] which of them it is.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"esmtpq/cmd/esmtpq/argv"
	_ "esmtpq/cmd/esmtpq/early" // takes most messages before main is called
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/process"
	"esmtpq/queue/spool"
)

// version is set when the program is built for installation.
var version = "development"

// A program is one run of one of our names.
type program struct {
	name string // to begin messages with
	args []string
	in   *os.File
	out  *os.File
	err  *os.File
}

// A verb is a thing esmtpq can do, under a name of its own or as "esmtpq VERB".
type verb struct {
	name    string
	aliases []string // other base names of argv[0] that mean it
	args    string   // for help
	help    string
	run     func(p *program) error
	ownName bool   // it is also a name of the program
	options string // the long ones, for help
}

// verbs are all there are. A function, since help, one of them, reads it.
func verbs() []verb {
	return []verb{
		{argv.Names[0], argv.Names[1:], "[option ...] [recipient ...]", "take a message from standard input into the queue", runSendmail, true, ""},
		{"deliver", nil, "[option ...] [message ...]", "try to deliver what is in the queue", runDeliver, true, deliverHelp},
		{"mailq", nil, "[option ...]", "list the queue", runMailq, true, mailqHelp},
		{"newaliases", nil, "", "do nothing, for programs that expect it", func(*program) error { return nil }, true, ""},
		{"show", nil, "[--raw] message ...", "print a message of the queue: envelope, history, header; or its content", runShow, false, showHelp},
		{"hold", nil, "message ...", "keep messages from being delivered until they are released", runHold, false, chooseHelp},
		{"release", nil, "message ...", "let held messages go", runRelease, false, chooseHelp},
		{"rm", nil, "[--yes] message ...", "remove messages from the queue, unsent", runRemove, false, removeHelp},
		{"retry", nil, "message ...", "try again now, failed recipients too", runRetry, false, chooseHelp},
		{"explain", nil, "[-f sender] [-C file] address ...", "say how mail for an address would be sent, and why, without sending any", runExplain, false, ""},
		{"check-message", nil, "[file]", "tell what may be wrong with a message", runCheckMessage, false, ""},
		{"config", nil, "[-C file]", "print the configuration as YAML, and where it is from", runConfig, false, ""},
		{"demo", nil, "", "send a mail through everything, to a smart host of its own", runDemo, false, ""},
		{"version", nil, "", "print the version", runVersion, false, ""},
		{"help", nil, "[verb]", "explain", runHelp, false, ""},
	}
}

// findVerb returns the verb that has a name, nil if none does.
func findVerb(name string) *verb {
	for _, v := range verbs() {
		if v.name == name || slices.Contains(v.aliases, name) {
			return &v
		}
	}
	return nil
}

func main() {
	p := &program{name: filepath.Base(os.Args[0]), args: os.Args[1:], in: os.Stdin, out: os.Stdout, err: os.Stderr}
	os.Exit(p.main())
}

func (p *program) main() int {
	err := process.Harden()
	if err == nil {
		err = p.run()
	}
	if errors.Is(err, errHelp) {
		err = p.help(findVerb(strings.TrimPrefix(p.name, "esmtpq ")))
	}
	return exit.Report(p.err, p.name, err)
}

func (p *program) run() error {
	v, err := p.choose()
	if err != nil {
		return err
	}
	return v.run(p)
}

// choose finds the verb from argv[0], or behind our own name from the first argument.
func (p *program) choose() (*verb, error) {
	if v := findVerb(p.name); v != nil && v.ownName {
		return v, nil
	}
	if p.name != "esmtpq" {
		name := p.name
		p.name = "esmtpq"
		return nil, exit.Fail(exit.Usage, "called as %s: call it esmtpq, sendmail, deliver, mailq or newaliases", printable(name))
	}
	if len(p.args) == 0 {
		return nil, exit.Fail(exit.Usage, "what to do? sendmail, deliver, mailq, ...: see esmtpq help")
	}
	word := p.args[0]
	switch word {
	case "-h", "--help":
		word = "help"
	case "--version":
		word = "version"
	}
	v := findVerb(word)
	if v == nil {
		return nil, exit.Fail(exit.Usage, "unknown verb %s: see esmtpq help", printable(word))
	}
	p.name, p.args = v.name, p.args[1:]
	if !v.ownName {
		p.name = "esmtpq " + v.name
	}
	return v, nil
}

// errHelp asks for the help of the verb instead.
var errHelp = errors.New("help")

// asksHelp tells whether the command line is a call for help.
func (p *program) asksHelp() bool { return argv.AsksHelp(p.args) }

// printable makes text from outside safe to show.
func printable(s string) string { return spool.Printable(s) }

func runVersion(p *program) error {
	_, err := fmt.Fprintf(p.out, "esmtpq %s\n", version)
	return err
}

func runHelp(p *program) error {
	if len(p.args) > 0 {
		v := findVerb(p.args[0])
		if v == nil {
			return exit.Fail(exit.Usage, "unknown verb %s: see esmtpq help", printable(p.args[0]))
		}
		return p.help(v)
	}
	var b strings.Builder
	b.WriteString("Usage: esmtpq VERB [argument ...]\n\n")
	for _, v := range verbs() {
		fmt.Fprintf(&b, "  %-14s %s\n", v.name, v.help)
	}
	b.WriteString("\nsendmail, deliver, mailq and newaliases are also names of this program.\n")
	_, err := p.out.WriteString(b.String())
	return err
}

// help prints the help of one verb.
func (p *program) help(v *verb) error {
	text := fmt.Sprintf("Usage: %s\n%s\n", strings.TrimSpace(v.name+" "+v.args), v.help)
	if v.options != "" {
		text += "\n" + v.options
	}
	if v.name == "sendmail" {
		text += "\n" + argv.Help()
	}
	_, err := p.out.WriteString(text)
	return err
}
