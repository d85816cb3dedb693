// Package owner has the verbs for the owner of the queue: show, hold, release, retry, adopt and rm. They
// need no privilege, since the queue belongs to its owner.
package owner

import (
	"errors"
	"fmt"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/queue/history"
	"esmtpq/queue/spool"
)

// Verb is show, hold, release, rm, retry and adopt.
func Verb(c *door.Call) error {
	if c.AsksHelp(append(door.ChoiceOptions[:3:3], "--to")...) {
		return c.Help(help(c.Verb))
	}
	switch c.Verb {
	case "show":
		return showAll(c)
	case "rm":
		return remove(c)
	case "retry":
		return retry(c)
	case "adopt":
		return adopt(c)
	}
	return setHeld(c, c.Verb == "hold")
}

// help explains the options of a verb.
func help(verb string) string {
	switch verb {
	case "rm":
		return door.ChoiceHelp + "  --yes                  do not ask\n"
	case "retry":
		return door.ChoiceHelp + "  --to ADDRESS           send to this address, in place of the one that failed\n"
	case "show":
		return door.ChoiceHelp + "  --raw                  the content, as it would be sent, and nothing else\n"
	}
	return door.ChoiceHelp
}

// A selection is the queue, together with the entries that a command line means.
type selection struct {
	*spool.Queue
	names []string
	*door.Choice
	set map[string]bool // the switches that were given

	asked   bool // whether there is to be a history
	history *history.Log
	ids     map[string]string // Message-IDs of messages that go
}

// chosen parses a verb's arguments. Words of flags are its switches, without the dashes. It
// returns nil if there is nothing to do.
func chosen(args []string, flags ...string) (*selection, error) {
	choice, set, err := door.ParseChoice(args, flags...)
	if err != nil {
		return nil, err
	}
	if choice.Empty() {
		return nil, exit.Fail(exit.Usage,
			"which messages? queue IDs as mailq shows them, all, last, --sender, --recipient or --older")
	}
	q, err := door.OpenQueue()
	if err != nil {
		return nil, err
	}
	if q == nil {
		if choice.MayBeNone() {
			return nil, nil
		}
		return nil, exit.Fail(exit.Unavailable, "the queue is empty")
	}
	names, err := choice.Resolve(q)
	if err != nil {
		q.Close()
		return nil, err
	}
	return &selection{Queue: q, names: names, Choice: choice, set: set}, nil
}

// gone is what is said of a mail that has left the queue since it was chosen.
const gone = "is no longer in the queue: it has been sent meanwhile, or removed by another command"

// each applies a function to each entry, reports what went wrong with which, and returns one
// error for all.
func each(c *door.Call, names []string, do func(name string) error) error {
	code := exit.OK
	for _, name := range names {
		err := do(name)
		if err == nil {
			continue
		}
		text := name + ": " + spool.Printable(err.Error())
		switch {
		case door.Gone(err):
			text = name + " " + gone
		case errors.Is(err, spool.ErrHeld):
			text = fmt.Sprintf("%s is held: esmtpq release %s lets it go", name, name)
		}
		fmt.Fprintf(c.Err, "%s: %s\n", c.Name, text)
		var failure *exit.Failure
		if !errors.As(err, &failure) {
			code = exit.TempFail // which says of several that one can be tried again
		} else if code != exit.TempFail {
			code = failure.Code
		}
	}
	if code != exit.OK {
		return exit.Silent(code)
	}
	return nil
}

// adopt makes copies of mail from another machine or a backup mail of this queue. Without a choice
// it takes all of them.
func adopt(c *door.Call) error {
	args := c.Args
	if len(args) == 0 {
		args = []string{"all"}
	}
	sel, err := chosen(args)
	if err != nil || sel == nil {
		return err
	}
	defer sel.Close()
	n := 0
	err = each(c, sel.names, func(name string) error {
		if !spool.IsID(name) {
			return nil // one of esmtp-wrapper's says nothing of where it was made
		}
		m := sel.look(name)
		foreign, err := sel.Adopt(name)
		if err == nil && foreign {
			n++
			sel.note(m, history.Adopted, "")
		}
		if errors.Is(err, spool.ErrServed) && len(c.Args) == 0 {
			return nil
		}
		return err
	})
	if n > 0 {
		sel.Poke(0)
	}
	if err == nil && n == 0 {
		return exit.Fail(exit.Unavailable, "no mail here is held as a copy")
	}
	return err
}

func setHeld(c *door.Call, on bool) error {
	sel, err := chosen(c.Args)
	if err != nil || sel == nil {
		return err
	}
	defer sel.Close()
	released := false
	err = each(c, sel.names, func(name string) error {
		if !spool.IsID(name) {
			return errors.New("queued by esmtp-wrapper: run deliver once to take it over")
		}
		m, event := sel.look(name), history.Released
		if on {
			event = history.Held
		}
		err := sel.SetHeld(name, on)
		if err == nil && m != nil && m.Held != on {
			sel.note(m, event, "")
			released = released || !on
		}
		return err
	})
	if released {
		sel.Poke(0) // a watcher may send it now; without one it waits for the next run
	}
	return err
}
