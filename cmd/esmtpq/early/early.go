// Package early takes a message into the queue before the rest of the program is initialised.
//
// A program in Go initialises every package that is linked into it before its main function is
// called: here those for TLS, YAML and SMTP, which take longer than a submission needs them, which is
// not at all. They are initialised in the order of what they import, and where that leaves a choice,
// of their paths. So a package that imports only what a submission needs comes before them, and can
// do the work in its own initialisation; the program then ends without the rest.
//
// Importing this package is enough. It takes a message if the program is called as sendmail, for no
// more than that, and with a configuration that is plain (see [tree.Scan]). All else, errors in the command line
// or the configuration included, it leaves to main, which can do this too and begins anew: nothing is read
// from standard input before that is decided.
package early

import (
	"os"
	"path/filepath"
	"slices"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/process"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue/spool"
)

func init() {
	name := filepath.Base(os.Args[0])
	if !slices.Contains(argv.Names, name) {
		return
	}
	growStack()
	inv := simple(os.Args[1:])
	if inv == nil {
		return
	}
	ways := plain(inv)
	if ways == nil {
		return
	}
	if tag := inv.ShownTag(); tag != "" {
		name = tag
	}
	s := &submit.Submission{Name: name, In: os.Stdin, Err: os.Stderr, Ways: ways}
	os.Exit(exit.Report(os.Stderr, name, s.Send(inv)))
}

// simple returns the command line, if it asks for nothing but to take a message; nil if not.
func simple(args []string) *argv.Invocation {
	if argv.AsksHelp(args) {
		return nil
	}
	inv, err := argv.Parse(args)
	if err != nil || inv.Mode != argv.Send || inv.Verbose || inv.Transcript != "" {
		return nil
	}
	return inv
}

// plain returns the ways of a configuration that can be read here; nil if there is none.
func plain(inv *argv.Invocation) *submit.Ways {
	if process.Harden() != nil {
		return nil
	}
	home, err := whoami.Home()
	if err != nil {
		return nil
	}
	file, err := submit.ConfigFile(inv)
	if err != nil {
		return nil
	}
	w := &submit.Ways{Home: home}
	if _, err := w.Load(&spool.Envelope{Config: file}); err != nil {
		return nil
	}
	return w
}

// growStack makes the stack as large as it will have to be while there is next to nothing on it, which
// would have to be moved.
//
//go:noinline
func growStack() byte {
	var room [5 << 10]byte
	return room[len(os.Args)%len(room)] // what the compiler cannot leave out
}
