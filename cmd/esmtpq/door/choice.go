package door

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/identity"
	"esmtpq/queue/spool"
)

// A Choice says which messages of the queue a command is about: by queue ID, all or the one
// submitted last, and narrowed by their properties. The zero Choice names none.
type Choice struct {
	ids       []string
	all, last bool
	parts     []argv.Selection // each must match
	older     time.Duration    // at least this old; 0 for any age
}

// ChoiceHelp explains the words of a choice.
const ChoiceHelp = `Messages are named by queue ID, as mailq shows them, or:
  all                    every one
  last                   the one submitted last, if it is still there
  --sender TEXT          those with TEXT in the sender
  --recipient TEXT       those with TEXT in a recipient
  --older AGE            those older than AGE: 30m, 12h, 3d
`

// ChoiceOptions are the options of a choice. Each has a value.
var ChoiceOptions = []string{"--sender", "--recipient", "--older"}

// ParseChoice takes a choice out of a command's arguments. Words of flags, without the dashes,
// are the command's own switches; those present are returned.
func ParseChoice(args []string, flags ...string) (*Choice, map[string]bool, error) {
	c, set := &Choice{}, map[string]bool{}
	for i := 0; i < len(args); i++ {
		name, value, attached := strings.Cut(args[i], "=")
		switch {
		case args[i] == "all":
			c.all = true
		case args[i] == "last":
			c.last = true
		case strings.HasPrefix(name, "--") && slices.Contains(flags, name[2:]) && !attached:
			set[name[2:]] = true
		case slices.Contains(ChoiceOptions, name):
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
			return nil, nil, exit.Fail(exit.Usage, "unknown option %s", spool.Printable(name))
		default:
			if !plainName(args[i]) {
				return nil, nil, exit.Fail(exit.Usage, "%s is not a queue ID: see mailq", spool.Printable(args[i]))
			}
			c.ids = append(c.ids, args[i])
		}
	}
	return c, set, nil
}

func (c *Choice) narrow(name, value string) error {
	if value == "" {
		return exit.Fail(exit.Usage, "%s needs a value", name)
	}
	switch name {
	case "--sender":
		c.Narrow(argv.Selection{By: 'S', Substr: value})
	case "--recipient":
		c.Narrow(argv.Selection{By: 'R', Substr: value})
	default:
		d, err := identity.ParsePeriod(value)
		if err != nil {
			return exit.Fail(exit.Usage, "--older %s: an age such as 30m, 12h or 3d", spool.Printable(value))
		}
		c.older = d
	}
	return nil
}

// Narrow limits the choice to messages that match all selections (-qI, -qR, -qS).
func (c *Choice) Narrow(selections ...argv.Selection) { c.parts = append(c.parts, selections...) }

// plainName reports whether s can be the name of an entry, ours or esmtp-wrapper's: never a path.
func plainName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}

// Empty reports whether nothing at all was chosen.
func (c *Choice) Empty() bool { return len(c.ids) == 0 && !c.all && !c.last && !c.narrowed() }

// Named reports whether each message was named, by its queue ID or as the last one.
func (c *Choice) Named() bool { return !c.Empty() && !c.all && !c.narrowed() }

// HasRecipient reports whether the address of a recipient is one that the choice asks for.
func (c *Choice) HasRecipient(address string) bool {
	return !slices.ContainsFunc(c.parts, func(s argv.Selection) bool { return s.By == 'R' && !in(address, s) })
}

// Last reports whether the choice is the message submitted last, and no other.
func (c *Choice) Last() bool { return c.last && !c.all && len(c.ids) == 0 }

// MayBeNone reports whether the choice may be of no message at all: it names none, and describes none by
// a text that may be mistyped.
func (c *Choice) MayBeNone() bool { return len(c.ids) == 0 && !c.last && len(c.parts) == 0 }

// narrowed reports whether the choice asks for any property.
func (c *Choice) narrowed() bool { return len(c.parts) > 0 || c.older > 0 }

// Filter returns the choice as a filter for a queue run. For a queue run an empty choice means
// everything, for which Filter returns nil.
func (c *Choice) Filter(q *spool.Queue) (func(*spool.Message) bool, error) {
	if len(c.ids) == 0 && !c.last {
		if !c.narrowed() {
			return nil, nil
		}
		return c.matches, nil
	}
	names, err := c.Resolve(q)
	if err != nil {
		return nil, err
	}
	// An entry of esmtp-wrapper has got a queue ID by then.
	return func(m *spool.Message) bool {
		return slices.Contains(names, m.ID) || m.Envelope.Legacy != "" && slices.Contains(names, m.Envelope.Legacy)
	}, nil
}

// Resolve returns the names of the chosen entries, in the order of their arrival. It is an error if
// an ID does not exist, or if no entry has the text asked for in an address: either may be
// mistyped.
func (c *Choice) Resolve(q *spool.Queue) ([]string, error) {
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
	if c.last {
		last, err := lastOf(q, l)
		if err != nil {
			return nil, err
		}
		names = slices.DeleteFunc(names, func(n string) bool { return n != last })
	}
	if c.narrowed() {
		names = slices.DeleteFunc(names, func(n string) bool {
			m, err := q.Read(n)
			return err != nil || !c.matches(m)
		})
	}
	if len(names) == 0 && (c.last || len(c.parts) > 0) {
		return nil, exit.Fail(exit.Unavailable, "there is no such message in the queue: see mailq")
	}
	return names, nil
}

// lastOf returns the name of the message that was submitted last. It never returns an older one:
// if the last one has left the queue, or if it is not certain which one that is, it returns an
// error.
func lastOf(q *spool.Queue, l *spool.Listing) (string, error) {
	last := q.LastID()
	if last == "" {
		return "", exit.Fail(exit.Unavailable, "which message was submitted last is not known: name it by its queue ID")
	}
	// A power cut can bring back an older note, and two submissions at once can leave theirs in
	// any order. A clock that was set back looks the same.
	at, there := slices.BinarySearch(l.IDs, last)
	for _, id := range l.IDs[at:] {
		if id == last {
			continue
		}
		if m, err := q.Read(id); err == nil && !m.Envelope.Notice && m.Envelope.Legacy == "" {
			return "", exit.Fail(exit.Unavailable, "%s and %s may each be the last one: name it by its queue ID", last, id)
		}
	}
	if !there {
		return "", exit.Fail(exit.TempFail, "the last message, of %s, is no longer in the queue: it has been sent, unless you have removed it",
			Stamp(spool.ArrivalOf(last)))
	}
	return last, nil
}

// matches reports whether a message has the properties that the choice asks for.
func (c *Choice) matches(m *spool.Message) bool {
	for _, s := range c.parts {
		if contains(m, s) == s.Not {
			return false
		}
	}
	return c.older == 0 || time.Since(m.Envelope.Arrival) >= c.older
}

// contains reports whether a message has the text of a selection in its place.
func contains(m *spool.Message, s argv.Selection) bool {
	switch s.By {
	case 'I':
		return in(m.ID, s)
	case 'S':
		return in(m.Envelope.Sender(), s)
	}
	return slices.ContainsFunc(m.Envelope.Recipients, func(rcpt spool.Recipient) bool { return in(rcpt.Address, s) })
}

// in reports whether a text has that of a selection in it, without regard to case.
func in(text string, s argv.Selection) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(s.Substr))
}

// Gone reports whether an error says that an entry has left the queue, or is about to.
func Gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, spool.ErrServed) }
