// Package wire is the door that makes other programs send by this one: it prints the lines that they
// need, or writes them into the programs' own files, and takes them out again.
package wire

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue/spool"
)

const help = `  --apply                write the lines, after showing what changes
  --undo                 take them out again
  --file FILE            use this file of the program, not the usual one
  --sendmail PATH        use this sendmail
Programs: `

// options are those of wire.
type options struct {
	apply, undo    bool
	file, sendmail string
	programs       []string
}

// Verb is wire.
func Verb(c *door.Call) error {
	if c.AsksHelp("--file", "--sendmail") || len(c.Args) == 0 {
		return c.Help(help + strings.Join(names(), ", ") + "\n")
	}
	opt, err := parse(c.Args)
	if err != nil {
		return err
	}
	me, err := whoami.Home()
	if err != nil {
		return err
	}
	sendmail, err := sendmailPath(opt.sendmail)
	if err != nil {
		return err
	}
	for _, name := range opt.programs {
		p := find(name)
		if p == nil {
			return exit.Fail(exit.Usage, "%s: no such program; there are %s", spool.Printable(name), strings.Join(names(), ", "))
		}
		if err := wire(c, p, opt, me, sendmail); err != nil {
			return err
		}
	}
	return nil
}

func parse(args []string) (*options, error) {
	opt := &options{}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, value, hasValue := strings.Cut(arg, "=")
		switch {
		case arg == "--apply":
			opt.apply = true
		case arg == "--undo":
			opt.undo = true
		case name == "--file" || name == "--sendmail":
			if !hasValue {
				if len(args) == 0 {
					return nil, exit.Fail(exit.Usage, "%s needs a value: see esmtpq help wire", name)
				}
				value, args = args[0], args[1:]
			}
			if name == "--file" {
				opt.file = value
			} else {
				opt.sendmail = value
			}
		case strings.HasPrefix(arg, "-"):
			return nil, exit.Fail(exit.Usage, "unknown option %s: see esmtpq help wire", spool.Printable(arg))
		default:
			opt.programs = append(opt.programs, arg)
		}
	}
	switch {
	case len(opt.programs) == 0:
		return nil, exit.Fail(exit.Usage, "which program? see esmtpq help wire")
	case opt.apply && opt.undo:
		return nil, exit.Fail(exit.Usage, "only one of --apply and --undo can be given")
	case opt.file != "" && len(opt.programs) > 1:
		return nil, exit.Fail(exit.Usage, "--file belongs to one program")
	}
	return opt, nil
}

// wire prints the lines for one program, or changes its file.
func wire(c *door.Call, p *program, opt *options, home, sendmail string) error {
	f, err := p.open(home, opt.file)
	switch {
	case err != nil:
		return exit.Fail(exit.Unavailable, "%s: %w", p.name, err)
	case !opt.apply && !opt.undo:
		fmt.Fprintf(c.Out, "%s %s\n%s", p.comment, f.name, p.lines(sendmail))
		return nil
	case f.path == "" && !f.isCommand():
		return exit.Fail(exit.Usage, "%s: which file? name it with --file; without --apply, the lines are printed", p.name)
	}
	text := p.taken(f.old)
	if p.whole && text != "" {
		return exit.Fail(exit.CantCreat, "%s: %s is there already, and is not from wire: remove it first", p.name, f.name)
	}
	if opt.undo && opt.file == "" && text != f.old {
		if err := switchTo(p.off); err != nil {
			return exit.Fail(exit.Unavailable, "%s: %w", p.name, err)
		}
	}
	if opt.apply {
		text = p.put(text, sendmail)
	}
	if text != f.old {
		fmt.Fprint(c.Out, p.difference(f.name, f.old, text))
		if err := f.write(text); err != nil {
			return exit.Fail(exit.CantCreat, "%s: %w", p.name, err)
		}
	}
	if opt.apply && opt.file == "" {
		if err := switchTo(p.on); err != nil {
			return exit.Fail(exit.Unavailable, "%s: %w", p.name, err)
		}
		return p.confirm(sendmail, home)
	}
	return nil
}

// plainPath reports whether every program takes a path as it is, without quotes.
func plainPath(path string) bool {
	ok, _ := regexp.MatchString(`^/[A-Za-z0-9_./+@-]+$`, path)
	return ok
}

// sendmailPath returns the path of our sendmail: the one given, that beside the running program, or
// that of a package.
func sendmailPath(given string) (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", exit.Fail(exit.Software, "find this program: %w", err)
	}
	candidates := []string{given}
	if given == "" {
		candidates = []string{filepath.Join(filepath.Dir(own), "sendmail"), "/usr/lib/esmtpq/sendmail", "/usr/sbin/sendmail"}
	}
	for _, path := range candidates {
		path, err := filepath.Abs(path)
		if err != nil || !same(path, own) {
			continue
		}
		if !plainPath(path) {
			return "", exit.Fail(exit.Config, "%s: many programs cannot call a path with a blank or a sign in it; install esmtpq elsewhere, or name a link to it with --sendmail", spool.Printable(path))
		}
		return path, nil
	}
	if given != "" {
		return "", exit.Fail(exit.Config, "%s is not the sendmail of this esmtpq", spool.Printable(given))
	}
	return "", exit.Fail(exit.Config, "there is no sendmail beside %s: ./install.sh makes it", spool.Printable(own))
}

func same(path, other string) bool {
	a, err1 := os.Stat(path)
	b, err2 := os.Stat(other)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}
