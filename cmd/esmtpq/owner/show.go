package owner

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/queue/spool"
)

func showAll(c *door.Call) error {
	sel, err := chosen(c.Args, "raw")
	if err != nil || sel == nil {
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
	out := bufio.NewWriter(c.Out)
	defer out.Flush()
	if !raw { // it can be shown whatever has become of the content
		showEnvelope(out, filepath.Join(q.Dir, name), m, q.Transfers()[m.ID])
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
		_, err = io.Copy(out, r)
		return errors.Join(err, out.Flush())
	}
	showHeader(out, r)
	return out.Flush()
}

func showEnvelope(w io.Writer, path string, m *spool.Message, t spool.Transfer) {
	field := func(name, value string) { fmt.Fprintf(w, "%-14s %s\n", name+":", spool.Printable(value)) }
	field("Queue ID", m.ID)
	field("Files", path)
	field("Arrived", door.Stamp(m.Envelope.Arrival))
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
	if m.Envelope.RequireTLS {
		field("Asks for", "verified TLS all the way (REQUIRETLS)")
	}
	field("Size", fmt.Sprintf("%d octets", m.Envelope.Size))
	switch {
	case t.ID != "":
		field("State", fmt.Sprintf("being sent: %d of %d octets", t.Done, t.Total))
	case m.Held:
		field("State", "held: esmtpq release "+m.ID)
	case !m.Scheduled(time.Now()).IsZero():
		field("State", m.ScheduledText(time.Now(), door.Stamp))
	}
	if !m.Last.IsZero() {
		field("Attempts", fmt.Sprintf("%d of its own, last %s, next %s", m.Attempts, door.Stamp(m.Last), door.Stamp(m.Next)))
	}
	for i := range m.Progress {
		s := &m.Progress[i]
		line := m.Envelope.Recipients[i].Shown() + ": " + stateNames[s.State]
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
