package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/queue/spool"
)

// The verbs with which its owner works on the queue. They need no privilege: the queue
// is the owner's.

// chosen parses a verb's arguments and returns the queue and the entries that are meant.
func (p *program) chosen(flags ...string) (*spool.Queue, []string, map[string]bool, error) {
	if p.asksHelp() {
		return nil, nil, nil, errHelp
	}
	c, set, err := parseChoice(p.args, flags...)
	if err != nil {
		return nil, nil, nil, err
	}
	if c.empty() {
		return nil, nil, nil, exit.Fail(exit.Usage, "which messages? queue IDs as mailq shows them, all, last, --sender, --recipient or --older")
	}
	q, err := openQueue()
	if err != nil {
		return nil, nil, nil, err
	}
	if q == nil {
		return nil, nil, nil, exit.Fail(exit.Unavailable, "the queue is empty")
	}
	names, err := c.resolve(q)
	if err != nil {
		q.Close()
		return nil, nil, nil, err
	}
	return q, names, set, nil
}

// each does something to each entry, tells what went wrong with which, and returns one error for all.
func (p *program) each(names []string, do func(name string) error) error {
	code := exit.OK
	for _, name := range names {
		err := do(name)
		if err == nil || gone(err) {
			continue
		}
		fmt.Fprintf(p.err, "%s: %s: %s\n", p.name, name, printable(err.Error()))
		code = exit.TempFail
	}
	if code != exit.OK {
		return exit.Silent(code)
	}
	return nil
}

func runHold(p *program) error    { return p.setHeld(true) }
func runRelease(p *program) error { return p.setHeld(false) }

func (p *program) setHeld(on bool) error {
	q, names, _, err := p.chosen()
	if err != nil {
		return err
	}
	defer q.Close()
	return p.each(names, func(name string) error {
		if !spool.IsID(name) {
			return errors.New("queued by esmtp-wrapper: run deliver once to take it over")
		}
		return q.SetHeld(name, on)
	})
}

func runRemove(p *program) error {
	q, names, set, err := p.chosen("yes")
	if err != nil {
		return err
	}
	defer q.Close()
	if !set["yes"] && len(names) > 0 {
		if err := p.confirm(q, names); err != nil {
			return err
		}
	}
	return p.each(names, func(name string) error {
		if !spool.IsID(name) {
			return q.RemoveLegacy(name)
		}
		return q.Remove(name)
	})
}

// confirm asks a person at a terminal; a script must have said --yes to drop more than it named.
func (p *program) confirm(q *spool.Queue, names []string) error {
	if !term.IsTerminal(int(p.in.Fd())) {
		if !slices.ContainsFunc(p.args, func(a string) bool { return !slices.Contains(names, a) }) {
			return nil // each was named
		}
		return exit.Fail(exit.Usage, "would remove %s: say --yes", plural(len(names), "message", "messages"))
	}
	for _, name := range names {
		fmt.Fprintf(p.err, "%s  %s\n", name, describe(q, name))
	}
	fmt.Fprintf(p.err, "Remove %s? [y/N] ", plural(len(names), "message", "messages"))
	answer, _ := bufio.NewReader(io.LimitReader(p.in, 100)).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return exit.Fail(exit.TempFail, "nothing removed")
	}
	return nil
}

// describe says in a few words which message an entry is.
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
	return printable(fmt.Sprintf("%s  %s -> %s", m.Envelope.Arrival.Local().Format(time.DateTime), m.Envelope.Sender(), to))
}

func runRetry(p *program) error {
	q, names, _, err := p.chosen()
	if err != nil {
		return err
	}
	defer q.Close()
	try := map[string]bool{}
	err = p.each(names, func(name string) error {
		if !spool.IsID(name) {
			return errors.New("queued by esmtp-wrapper: run deliver to take it over and send it")
		}
		pending, err := q.Retry(name)
		try[name] = pending
		return err
	})
	if err != nil {
		return err
	}
	return p.deliver(&deliverOptions{inv: &argv.Invocation{}, only: func(m *spool.Message) bool { return try[m.ID] }})
}

func runShow(p *program) error {
	q, names, set, err := p.chosen("raw")
	if err != nil {
		return err
	}
	defer q.Close()
	for i, name := range names {
		if i > 0 && !set["raw"] {
			fmt.Fprintln(p.out)
		}
		if err := p.show(q, name, set["raw"]); err != nil {
			return exit.Fail(exit.Unavailable, "%s: %w", name, err)
		}
	}
	return nil
}

// show prints an entry: its envelope, what became of its recipients, and its header; raw prints
// the content and nothing else.
func (p *program) show(q *spool.Queue, name string, raw bool) error {
	if !spool.IsID(name) {
		f, err := q.OpenLegacyMail(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if raw {
			_, err = io.Copy(p.out, f)
			return err
		}
		out := bufio.NewWriter(p.out)
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
		_, err = io.Copy(p.out, r)
		return err
	}
	out := bufio.NewWriter(p.out)
	showEnvelope(out, filepath.Join(q.Dir, name), m)
	showHeader(out, r)
	return out.Flush()
}

func showEnvelope(w io.Writer, path string, m *spool.Message) {
	field := func(name, value string) { fmt.Fprintf(w, "%-14s %s\n", name+":", printable(value)) }
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
	field("Size", fmt.Sprintf("%d octets", m.Envelope.Size))
	if m.Held {
		field("State", "held: esmtpq release "+m.ID)
	}
	if m.Attempts > 0 {
		field("Attempts", fmt.Sprintf("%d, last %s, next %s", m.Attempts, stamp(m.Last), stamp(m.Next)))
	}
	for i := range m.Progress {
		s := &m.Progress[i]
		line := cmp.Or(m.Envelope.Recipients[i].Address, "(unreadable address)") + ": " + stateNames[s.State]
		if s.Text != "" {
			line += " " + stamp(s.Time) + ": " + s.Explain()
		}
		field("Recipient", line)
	}
	fmt.Fprintln(w)
}

var stateNames = map[spool.State]string{
	spool.Untried: "not tried yet", spool.Deferred: "delayed", spool.Sending: "being sent",
	spool.Unsure: "possibly delivered", spool.Accepted: "relayed", spool.LocalDone: "delivered", spool.Refused: "failed",
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "now"
	}
	return t.Local().Format(time.DateTime)
}

// showHeader prints the header of a content, line by line, so that folding is kept.
func showHeader(w io.Writer, content io.Reader) {
	br := bufio.NewReader(io.LimitReader(content, 1<<20))
	for {
		line, err := br.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return
		}
		fmt.Fprintln(w, printable(line))
		if err != nil {
			return
		}
	}
}
