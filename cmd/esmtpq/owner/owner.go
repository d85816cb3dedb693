// Package owner has the verbs for the owner of the queue: show, hold, release, retry and rm. They
// need no privilege, since the queue belongs to its owner.
package owner

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/queue/spool"
)

// Verb is show, hold, release, rm and retry.
func Verb(c *door.Call) error {
	if c.AsksHelp() {
		return c.Help(help(c.Verb))
	}
	switch c.Verb {
	case "show":
		return showAll(c)
	case "rm":
		return remove(c)
	case "retry":
		return retry(c)
	}
	return setHeld(c, c.Verb == "hold")
}

// help explains the options of a verb.
func help(verb string) string {
	switch verb {
	case "rm":
		return door.ChoiceHelp + "  --yes                  do not ask\n"
	case "show":
		return door.ChoiceHelp + "  --raw                  the content, as it would be sent, and nothing else\n"
	}
	return door.ChoiceHelp
}

// A selection is the queue, together with the entries that a command line means.
type selection struct {
	*spool.Queue
	names []string
	named bool            // each of them was named
	set   map[string]bool // the switches that were given
}

// chosen parses a verb's arguments. Words of flags are its switches, without the dashes.
func chosen(c *door.Call, flags ...string) (*selection, error) {
	choice, set, err := door.ParseChoice(c.Args, flags...)
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
		return nil, exit.Fail(exit.Unavailable, "the queue is empty")
	}
	names, err := choice.Resolve(q)
	if err != nil {
		q.Close()
		return nil, err
	}
	return &selection{q, names, choice.Named(), set}, nil
}

// each applies a function to each entry, reports what went wrong with which, and returns one
// error for all.
func each(c *door.Call, names []string, do func(name string) error) error {
	code := exit.OK
	for _, name := range names {
		err := do(name)
		if err == nil || door.Gone(err) {
			continue
		}
		fmt.Fprintf(c.Err, "%s: %s: %s\n", c.Name, name, spool.Printable(err.Error()))
		code = exit.TempFail
	}
	if code != exit.OK {
		return exit.Silent(code)
	}
	return nil
}

func setHeld(c *door.Call, on bool) error {
	sel, err := chosen(c)
	if err != nil {
		return err
	}
	defer sel.Close()
	return each(c, sel.names, func(name string) error {
		if !spool.IsID(name) {
			return errors.New("queued by esmtp-wrapper: run deliver once to take it over")
		}
		return sel.SetHeld(name, on)
	})
}

func remove(c *door.Call) error {
	sel, err := chosen(c, "yes")
	if err != nil {
		return err
	}
	defer sel.Close()
	if !sel.set["yes"] && len(sel.names) > 0 {
		if err := confirm(c, sel); err != nil {
			return err
		}
	}
	return each(c, sel.names, func(name string) error {
		if !spool.IsID(name) {
			return sel.RemoveLegacy(name)
		}
		return sel.Remove(name)
	})
}

// confirm asks a person at a terminal. A script must say --yes to drop entries that it has not
// named.
func confirm(c *door.Call, sel *selection) error {
	count := door.Plural(len(sel.names), "message", "messages")
	if !term.IsTerminal(int(c.In.Fd())) {
		if sel.named {
			return nil
		}
		return exit.Fail(exit.Usage, "would remove %s: say --yes", count)
	}
	for _, name := range sel.names {
		fmt.Fprintf(c.Err, "%s  %s\n", name, describe(sel.Queue, name))
	}
	fmt.Fprintf(c.Err, "Remove %s? [y/N] ", count)
	answer, _ := bufio.NewReader(io.LimitReader(c.In, 100)).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return exit.Fail(exit.TempFail, "nothing removed")
	}
	return nil
}

// describe describes the message of an entry in a few words.
func describe(q *spool.Queue, name string) string {
	m, err := q.Read(name)
	if err != nil {
		return "(cannot be read)"
	}
	to := ""
	if len(m.Envelope.Recipients) > 0 {
		to = m.Envelope.Recipients[0].Address
	}
	if n := len(m.Envelope.Recipients); n > 1 {
		to += fmt.Sprintf(" and %d more", n-1)
	}
	return spool.Printable(fmt.Sprintf("%s  %s -> %s", door.Stamp(m.Envelope.Arrival), m.Envelope.Sender(), to))
}

func retry(c *door.Call) error {
	sel, err := chosen(c)
	if err != nil {
		return err
	}
	defer sel.Close()
	try := []string{} // not nil, which would be all
	err = each(c, sel.names, func(name string) error {
		if !spool.IsID(name) {
			return errors.New("queued by esmtp-wrapper: run deliver to take it over and send it")
		}
		pending, err := sel.Retry(name)
		if pending {
			try = append(try, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Deliver(try, nil)
}

func showAll(c *door.Call) error {
	sel, err := chosen(c, "raw")
	if err != nil {
		return err
	}
	defer sel.Close()
	for i, name := range sel.names {
		if i > 0 && !sel.set["raw"] {
			fmt.Fprintln(c.Out)
		}
		if err := show(c, sel.Queue, name, sel.set["raw"]); err != nil {
			return exit.Fail(exit.Unavailable, "%s: %w", name, err)
		}
	}
	return nil
}

// show prints an entry: its envelope, what became of its recipients, and its header; raw prints
// the content and nothing else.
func show(c *door.Call, q *spool.Queue, name string, raw bool) error {
	if !spool.IsID(name) {
		f, err := q.OpenLegacyMail(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if raw {
			_, err = io.Copy(c.Out, f)
			return err
		}
		out := bufio.NewWriter(c.Out)
		showHeader(out, f)
		return out.Flush()
	}
	m, err := q.Read(name)
	if err != nil {
		return err
	}
	content, err := q.Content(m)
	if err != nil {
		return err
	}
	r, err := content.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if raw {
		_, err = io.Copy(c.Out, r)
		return err
	}
	out := bufio.NewWriter(c.Out)
	showEnvelope(out, filepath.Join(q.Dir, name), m)
	showHeader(out, r)
	return out.Flush()
}

func showEnvelope(w io.Writer, path string, m *spool.Message) {
	field := func(name, value string) { fmt.Fprintf(w, "%-14s %s\n", name+":", spool.Printable(value)) }
	field("Queue ID", m.ID)
	field("Files", path)
	field("Arrived", m.Envelope.Arrival.Local().Format(time.RFC1123Z))
	switch rp := m.Envelope.ReversePath; {
	case rp == nil:
		field("Sender", m.Envelope.From+" (from the header)")
	case *rp == "":
		field("Sender", "<> (null, as given)")
	default:
		field("Sender", *rp+" (as given)")
	}
	for _, remark := range m.Envelope.Remarks {
		field("Remark", remark)
	}
	field("Size", fmt.Sprintf("%d octets", m.Envelope.Size))
	if m.Held {
		field("State", "held: esmtpq release "+m.ID)
	}
	if m.Attempts > 0 {
		field("Attempts", fmt.Sprintf("%d, last %s, next %s", m.Attempts, door.Stamp(m.Last), door.Stamp(m.Next)))
	}
	for i := range m.Progress {
		s := &m.Progress[i]
		line := cmp.Or(m.Envelope.Recipients[i].Address, "(unreadable address)") + ": " + stateNames[s.State]
		if s.Text != "" {
			line += " " + door.Stamp(s.Time) + ": " + s.Explain()
		}
		field("Recipient", line)
	}
	fmt.Fprintln(w)
}

// stateNames is no map, since that would be made at the start of each submission; see package
// early.
var stateNames = [...]string{
	spool.Untried: "not tried yet", spool.Deferred: "delayed", spool.Sending: "being sent",
	spool.Unsure: "possibly delivered", spool.Accepted: "relayed", spool.LocalDone: "delivered", spool.Refused: "failed",
}

// showHeader prints the header of a content, line by line, so that folding is kept.
func showHeader(w io.Writer, content io.Reader) {
	br := bufio.NewReader(io.LimitReader(content, 1<<20))
	for {
		line, err := br.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return
		}
		fmt.Fprintln(w, spool.Printable(line))
		if err != nil {
			return
		}
	}
}
