package main

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/queue/spool"
)

// A choice is which entries of the queue a command is about: by queue ID, all or last, and
// narrowed by what they are.
type choice struct {
	ids       []string
	all, last bool
	sender    string        // a part of the sender
	recipient string        // a part of a recipient
	older     time.Duration // at least this old
}

// narrowed tells whether the choice asks for some property.
func (c *choice) narrowed() bool { return c.sender != "" || c.recipient != "" || c.older > 0 }

// empty tells whether nothing at all was chosen.
func (c *choice) empty() bool { return len(c.ids) == 0 && !c.all && !c.last && !c.narrowed() }

// parseChoice takes a choice out of a command's arguments. Words of flags, without the dashes,
// are the command's own switches; their presence is returned.
func parseChoice(args []string, flags ...string) (*choice, map[string]bool, error) {
	c, set := &choice{}, map[string]bool{}
	for i := 0; i < len(args); i++ {
		name, value, attached := strings.Cut(args[i], "=")
		switch {
		case args[i] == "all":
			c.all = true
		case args[i] == "last":
			c.last = true
		case strings.HasPrefix(name, "--") && slices.Contains(flags, name[2:]) && !attached:
			set[name[2:]] = true
		case name == "--sender" || name == "--recipient" || name == "--older":
			if !attached {
				if i++; i >= len(args) {
					return nil, nil, exit.Fail(exit.Usage, "%s needs a value", name)
				}
				value = args[i]
			}
			if err := c.narrow(name, value); err != nil {
				return nil, nil, err
			}
		case strings.HasPrefix(name, "-"):
			return nil, nil, exit.Fail(exit.Usage, "unknown option %s", printable(name))
		default:
			if !plainName(args[i]) {
				return nil, nil, exit.Fail(exit.Usage, "%s is not a queue ID: see mailq", printable(args[i]))
			}
			c.ids = append(c.ids, args[i])
		}
	}
	return c, set, nil
}

func (c *choice) narrow(name, value string) error {
	switch name {
	case "--sender":
		c.sender = value
	case "--recipient":
		c.recipient = value
	default:
		d, err := parseAge(value)
		if err != nil {
			return exit.Fail(exit.Usage, "--older %s: an age such as 30m, 12h or 3d", printable(value))
		}
		c.older = d
	}
	if value == "" {
		return exit.Fail(exit.Usage, "%s needs a value", name)
	}
	return nil
}

// parseAge reads a duration, also in whole days.
func parseAge(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		d, err := time.ParseDuration(days + "h")
		return 24 * d, err
	}
	return time.ParseDuration(s)
}

// plainName tells whether s can be the name of an entry, ours or esmtp-wrapper's: never a path.
func plainName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}

// matches tells whether a message has what the choice asks for.
func (c *choice) matches(m *spool.Message, now time.Time) bool {
	return (c.sender == "" || matches(argv.Selection{By: 'S', Substr: c.sender}, m)) &&
		(c.recipient == "" || matches(argv.Selection{By: 'R', Substr: c.recipient}, m)) &&
		(c.older == 0 || now.Sub(m.Envelope.Arrival) >= c.older)
}

// selector returns the choice as a filter of a queue run; nil for everything.
func (c *choice) selector(q *spool.Queue) (func(*spool.Message) bool, error) {
	if c.empty() || c.all && !c.narrowed() && len(c.ids) == 0 {
		return nil, nil
	}
	ids, err := c.resolve(q)
	if err != nil {
		return nil, err
	}
	// One of esmtp-wrapper's has got a queue ID by then.
	return func(m *spool.Message) bool {
		return slices.Contains(ids, m.ID) || m.Envelope.Legacy != "" && slices.Contains(ids, m.Envelope.Legacy)
	}, nil
}

// resolve returns the names of the entries that are meant, in the order of their arrival. An ID
// that is not there is an error.
func (c *choice) resolve(q *spool.Queue) ([]string, error) {
	l, err := q.List()
	if err != nil {
		return nil, exit.Spool("cannot read the queue", err)
	}
	for _, id := range c.ids {
		if !slices.Contains(l.IDs, id) && !slices.Contains(l.Legacy, id) {
			return nil, exit.Fail(exit.Unavailable, "%s: no such message in the queue: see mailq", id)
		}
	}
	names := slices.Concat(l.Legacy, l.IDs)
	if len(c.ids) > 0 && !c.all {
		names = slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(c.ids, n) })
	}
	if c.narrowed() {
		names = slices.DeleteFunc(names, func(n string) bool {
			m, err := q.Read(n)
			return err != nil || !c.matches(m, time.Now())
		})
	}
	if c.last {
		if len(names) == 0 {
			return nil, exit.Fail(exit.Unavailable, "there is no such message in the queue")
		}
		names = names[len(names)-1:]
	}
	return names, nil
}

// gone tells whether an error says that an entry has left the queue.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Help for commands that take a choice.
const (
	chooseHelp = `Messages are named by queue ID, as mailq shows them, or:
  all                    every one
  last                   the one that came last
  --sender TEXT          those with TEXT in the sender
  --recipient TEXT       those with TEXT in a recipient
  --older AGE            those older than AGE: 30m, 12h, 3d
`
	removeHelp  = chooseHelp + "  --yes                  do not ask\n"
	showHelp    = chooseHelp + "  --raw                  the content, as it would be sent, and nothing else\n"
	deliverHelp = chooseHelp + `Without any: everything that is neither held nor failed.
  -v                     show the SMTP dialogue
  -X FILE                append it to FILE
  -C FILE                use this configuration for everything
`
	mailqHelp = `  -q                     run the queue instead, as deliver does
  -v                     attempts, and when the next one is due
  --json                 one JSON object per message
  --count                just how many there are
`
)
