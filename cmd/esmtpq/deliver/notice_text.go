package deliver

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/message"
	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// A wording is the text of a notice.
type wording struct {
	subject string
	text    string // what happened, why, and what to do
	reasons string // the recipients and the reasons, one line each
}

// describeNotice puts a notice into words.
func describeNotice(n *queue.Notice) wording {
	var w wording
	for _, i := range n.Recipients {
		p, address := &n.Message.Progress[i], n.Message.Envelope.Recipients[i].Address
		if address == "" {
			address = "(unreadable address)"
		}
		w.reasons += fmt.Sprintf("%s: %s\n", spool.Printable(address), p.Explain())
	}
	id := n.Message.ID
	since := time.Since(n.Message.Envelope.Arrival)
	var b strings.Builder
	switch n.Kind {
	case queue.Lost:
		w.subject = "Undelivered mail"
		fmt.Fprintf(&b, "Your mail could not be delivered:\n\n%s\n%s", indented(w.reasons), about(n))
		b.WriteString("\nIt will not be tried again by itself. Once the cause is gone, try again with\n\n")
		fmt.Fprintf(&b, "  esmtpq retry %s\n\nor remove it from the queue with\n\n  esmtpq rm %s\n", id, id)
		if !n.Until.IsZero() {
			fmt.Fprintf(&b, "\nOtherwise it is kept until %s and dropped then.\n", door.Stamp(n.Until))
		}
	case queue.Overdue:
		w.subject = "Delayed mail"
		fmt.Fprintf(&b, "Your mail has not been delivered yet. It has been waiting for %s:\n\n%s\n%s", roughly(since), indented(w.reasons), about(n))
		if n.Others > 0 {
			fmt.Fprintf(&b, "\n%s for the same reason: see mailq.\n", door.Plural(n.Others, "more message waits", "more messages wait"))
		}
		b.WriteString("\nThere is no need to send it again: it will be tried again")
		if !n.Until.IsZero() {
			fmt.Fprintf(&b, ", at least until %s", door.Stamp(n.Until))
		}
		fmt.Fprintf(&b, ".\nTo try it at once:\n\n  deliver %s\n\nTo remove it from the queue:\n\n  esmtpq rm %s\n", id, id)
	case queue.Dropped:
		w.subject = "Undelivered mail dropped"
		fmt.Fprintf(&b, "Your mail could not be delivered, and was kept long enough. It has left the queue:\n\n%s\n%s", indented(w.reasons), about(n))
	}
	w.text = b.String()
	return w
}

func indented(lines string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", "\n  ") + "\n"
}

// roughly returns a length of time as people say it.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}

// about returns which mail a notice is about.
func about(n *queue.Notice) string {
	var b strings.Builder
	field := func(name, value string) {
		if value = strings.TrimSpace(spool.Printable(value)); value != "" {
			fmt.Fprintf(&b, "  %-9s %.200s\n", name+":", value)
		}
	}
	if n.Content != nil {
		if r, err := n.Content.Open(); err == nil {
			defer r.Close()
			if h, err := message.ReadHeader(bufio.NewReader(r)); err == nil {
				for _, name := range [...]string{"Subject", "To", "Date"} {
					value, _ := h.Get(name)
					field(name, value)
				}
			}
		}
	}
	field("Queued", door.Stamp(n.Message.Envelope.Arrival))
	field("Queue ID", n.Message.ID)
	return b.String()
}
