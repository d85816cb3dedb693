// Package early takes a message into the queue before the rest of the program is initialised.
//
// A program in Go initialises every package that is linked into it before it calls main. Here
// that includes those for TLS, YAML and SMTP, which a submission does not need. Of the packages
// whose imports are initialised, the one whose path sorts first is always next. So a package that
// imports only what a submission needs has its turn while net still waits for its own imports,
// and everything that imports net waits for net. This package does the work in its own
// initialisation, and the program then ends without the rest.
//
// Importing this package is enough. It takes a message if the program is called as sendmail for
// nothing else, and if the configuration is plain (see [tree.Scan]). It leaves everything else to
// main, including errors in the command line or the configuration. main can take messages, too,
// and begins anew: nothing is read from standard input before that is decided.
//
// Its limits:
//
//   - Everything that package submit imports matters, and nothing else does. None of it may
//     import net, or a package that sorts after net, since everything that sorts before such a
//     package would be initialised first. One of them is unique, which net/netip imports.
//   - The module may have any path. Under a path that sorts before "net", such as esmtpq or
//     github.com/someone/esmtpq, a submission is early. Under a path that sorts after it, net,
//     TLS and YAML come first, and a program cannot change that. Messages are still taken here,
//     but no sooner than by main.
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

// simple returns the command line if it only asks to take a message; nil if not.
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
	process.SetZone()
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

// growStack makes the stack as large as it will have to be, while there is next to nothing on it
// that has to be moved.
//
//go:noinline
func growStack() byte {
	var room [5 << 10]byte
	return room[len(os.Args)%len(room)] // the compiler cannot leave this out
}
