// Package door has what the doors of esmtpq share: the form of a call, how a door hands a call on
// to another, and how a command line says which messages it is about.
//
// A door is a package that exports one Verb. Doors do not know each other: the table in package
// main knows them all, and each Call carries it.
package door

import (
	"os"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
)

// A Verb does what a call asks for.
type Verb func(*Call) error

// A Call is one call of a verb.
type Call struct {
	Verb string // its name in the table
	Name string // to begin messages with
	Args []string
	In   *os.File
	Out  *os.File
	Err  *os.File

	// Sendmail is the command line of sendmail (or mailq) that asked for this door by an option,
	// such as -bp; nil if the door was called by its name. Otherwise Args are those of sendmail.
	Sendmail *argv.Invocation
	// Messages are the queue IDs that another door hands over to deliver; nil if Args say which.
	Messages []string
	// Early says that Messages were named one by one, and are sent before their time, too.
	Early bool
	// Transcript is the transcript of a submission, for sendmail -v, which waits for the delivery
	// of Messages; nil if there is none.
	Transcript *Transcript

	table *Table
}

// AsksHelp reports whether the command line asks for help, which Help then gives. Valued are the
// verb's long options that have a value.
func (c *Call) AsksHelp(valued ...string) bool { return argv.AsksHelp(c.Args, valued...) }

// Help prints how the verb is called and, below that, its options.
func (c *Call) Help(options string) error { return c.table.help(c, options) }

// Hand hands the call on to the door that an option of sendmail asks for. It does nothing for an
// option without a door, such as -bi.
func (c *Call) Hand(inv *argv.Invocation) error {
	verb := c.table.Modes[inv.Mode]
	if verb == nil {
		return nil
	}
	next := *c
	next.Sendmail = inv
	return verb(&next)
}

// Deliver delivers messages now, in the foreground.
func (c *Call) Deliver(ids []string, transcript *Transcript) error {
	next := *c
	next.Sendmail, next.Messages, next.Transcript = &argv.Invocation{Mode: argv.Run}, ids, transcript
	return c.table.Modes[argv.Run](&next)
}

// Remark says something to a person who waits at a terminal.
func (c *Call) Remark(text string) { exit.Remark(c.Err, c.Name, text) }
