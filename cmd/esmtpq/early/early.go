// Package early takes a message into the queue before the rest of the program is initialised.
//
// A program in Go initialises every package that is linked into it before it calls main: here
// those for TLS, YAML and SMTP too, which a submission does not need. Of the packages whose
// imports are done, the one whose path sorts first is always next. So a package that imports only
// what a submission needs has its turn while net still waits for what net imports, and all that
// imports net waits behind it. It does the work in its own initialisation, and the program then
// ends without the rest.
//
// Importing this package is enough. It takes a message if the program is called as sendmail, for
// no more than that, and with a configuration that is plain (see [tree.Scan]). All else, errors in
// the command line or the configuration included, it leaves to main, which can do this too and
// begins anew: nothing is read from standard input before that is decided.
//
// The limits of it:
//
//   - Only what package submit imports matters, and all of that does: none of it may import net, or
//     a package that sorts behind net, for whose sake everything before it would be initialised
//     first. One such is unique, which net/netip imports.
//   - The module may have any path. Under one that sorts before "net", such as esmtpq or
//     github.com/someone/esmtpq, a submission is early. Under one that sorts behind it the order puts
//     net, TLS and YAML first, and nothing that a program can say changes that: messages are taken
//     here all the same, and no sooner than by main.
package early

import (
	"os"
	"path/filepath"
	"slices"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
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
	router := plain(inv)
	if router == nil {
		return
	}
	if tag := inv.ShownTag(); tag != "" {
		name = tag
	}
	c := &door.Call{Name: name, In: os.Stdin, Err: os.Stderr}
	os.Exit(exit.Report(os.Stderr, name, submit.Send(c, inv, router)))
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

// plain returns the router of a configuration that can be read here; nil if there is none.
func plain(inv *argv.Invocation) *submit.Router {
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
	r := &submit.Router{Home: home}
	if _, err := r.Load(&spool.Envelope{Config: file}); err != nil {
		return nil
	}
	return r
}

// growStack makes the stack as large as it will have to be while there is next to nothing on it,
// which would have to be moved.
//
//go:noinline
func growStack() byte {
	var room [5 << 10]byte
	return room[len(os.Args)%len(room)] // what the compiler cannot leave out
}
