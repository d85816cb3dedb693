package door

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/process"
	"esmtpq/queue/spool"
)

// A Table has everything that the program can do.
type Table struct {
	Version string
	Entries []Entry
	// Modes are the doors that options of sendmail ask for; nil means that there is nothing to
	// do.
	Modes map[argv.Mode]Verb
}

// An Entry is a verb under a name of its own, or as "esmtpq NAME".
type Entry struct {
	Name    string
	Aliases []string // other base names of argv[0] that mean it
	Program bool     // it is also a name of the program
	Args    string   // for help
	Help    string
	Verb    Verb
}

// Main runs the program and returns its exit code.
func (t *Table) Main() int {
	c := &Call{
		Name: filepath.Base(os.Args[0]), Args: os.Args[1:],
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, table: t,
	}
	process.SetZone()
	err := process.Harden()
	if err == nil {
		err = t.run(c)
	}
	return exit.Report(c.Err, c.Name, err)
}

func (t *Table) run(c *Call) error {
	e, err := t.entry(c)
	if err != nil {
		return err
	}
	return e.Verb(c)
}

// entry finds the verb from argv[0] or, if that is our own name, from the first argument.
func (t *Table) entry(c *Call) (*Entry, error) {
	if e := t.find(c.Name); e != nil && e.Program {
		c.Verb = e.Name
		return t.orVersion(e, c), nil
	}
	if c.Name != "esmtpq" {
		name := c.Name
		c.Name = "esmtpq"
		return nil, exit.Fail(exit.Usage,
			"called as %s: call it esmtpq, sendmail, deliver, mailq or newaliases", spool.Printable(name))
	}
	if len(c.Args) == 0 {
		return nil, exit.Fail(exit.Usage, "what to do? sendmail, deliver, mailq, ...: see esmtpq help")
	}
	word := c.Args[0]
	switch word {
	case "-h", "--help":
		word = "help"
	case "--version":
		word = "version"
	}
	return t.choose(c, word, c.Args[1:])
}

// choose makes c a call of a verb.
func (t *Table) choose(c *Call, verb string, args []string) (*Entry, error) {
	e := t.find(verb)
	if e == nil {
		return nil, exit.Fail(exit.Usage, "unknown verb %s: see esmtpq help", spool.Printable(verb))
	}
	c.Verb, c.Name, c.Args = e.Name, e.Name, args
	if !e.Program {
		c.Name = "esmtpq " + e.Name
		return e, nil
	}
	return t.orVersion(e, c), nil
}

// orVersion returns the entry of a program, or that which prints the version if that is all it is asked for.
func (t *Table) orVersion(e *Entry, c *Call) *Entry {
	if len(c.Args) == 1 && c.Args[0] == "--version" {
		return t.find("version")
	}
	return e
}

// find returns the entry of a name, nil if there is none.
func (t *Table) find(name string) *Entry {
	for i := range t.Entries {
		if e := &t.Entries[i]; e.Name == name || slices.Contains(e.Aliases, name) {
			return e
		}
	}
	return nil
}

// PrintVersion is the verb that prints the version.
func PrintVersion(c *Call) error {
	if c.AsksHelp() {
		return c.Help("")
	}
	_, err := fmt.Fprintf(c.Out, "esmtpq %s\n", c.table.Version)
	return err
}

// Nothing is the verb that does nothing, for programs that expect it.
func Nothing(*Call) error { return nil }

// Explain is the verb help, for all verbs or one.
func Explain(c *Call) error {
	t := c.table
	if len(c.Args) > 0 {
		e, err := t.choose(c, c.Args[0], []string{"--help"})
		if err != nil {
			return err
		}
		return e.Verb(c)
	}
	var b strings.Builder
	b.WriteString("Usage: esmtpq VERB [argument ...]\n\n")
	for _, e := range t.Entries {
		fmt.Fprintf(&b, "  %-14s %s\n", e.Name, e.Help)
	}
	b.WriteString("\nsendmail, deliver, mailq and newaliases are also names of this program.\n")
	_, err := c.Out.WriteString(b.String())
	return err
}

// help prints how a verb is called, and its options.
func (t *Table) help(c *Call, options string) error {
	e := t.find(c.Verb)
	text := fmt.Sprintf("Usage: %s\n%s\n", strings.TrimSpace(e.Name+" "+e.Args), e.Help)
	if options != "" {
		text += "\n" + options
	}
	_, err := c.Out.WriteString(text)
	return err
}
