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
	more    string // the command that shows more
}

// describeNotice puts a notice into words.
func describeNotice(n *queue.Notice) wording {
	w := wording{subject: subjects[n.Kind], more: "esmtpq show " + n.Parts[0].Message.ID}
	var details strings.Builder
	for i := range n.Parts {
		reasons := reasonsOf(&n.Parts[i])
		w.reasons += reasons
		if i > 0 {
			details.WriteString("\n\n")
		}
		fmt.Fprintf(&details, "%s\n%s", indented(reasons), about(&n.Parts[i]))
	}
	if n.Others > 0 {
		more := fmt.Sprintf("%s: see mailq.\n", door.Plural(n.Others, "more message", "more messages"))
		if n.Kind == queue.Overdue && len(n.Parts) == 1 {
			more = fmt.Sprintf("%s for the same reason: see mailq.\n",
				door.Plural(n.Others, "more message waits", "more messages wait"))
		}
		details.WriteString("\n" + more)
	}
	if count := len(n.Parts) + n.Others; count > 1 {
		w.subject += fmt.Sprintf(" (%d messages)", count)
		w.more = "mailq"
	}
	w.text = opening(n) + "\n" + details.String() + advice(n, w.reasons)
	return w
}

var subjects = map[queue.NoticeKind]string{
	queue.Lost: "Undelivered mail", queue.Overdue: "Delayed mail", queue.Dropped: "Undelivered mail dropped",
	queue.Stuck: "Mail that cannot be sent", queue.Blocked: "Mail waits for you",
}

// opening returns the first line of a notice.
func opening(n *queue.Notice) string {
	switch n.Kind {
	case queue.Lost:
		return "Your mail could not be delivered:\n"
	case queue.Overdue:
		since := time.Since(n.Parts[0].Message.Envelope.Arrival)
		return fmt.Sprintf("Your mail has not been delivered yet. It has been waiting for %s:\n", roughly(since))
	case queue.Dropped:
		return "Your mail could not be delivered, and was kept long enough. It has left the queue:\n"
	case queue.Blocked:
		return fmt.Sprintf("No mail of %s can go out before you have mended something:\n", spool.Printable(n.Parts[0].Destination))
	}
	return "Your mail cannot be sent as it is, before you have mended something:\n"
}

// advice returns what to do, unless the reasons say it, and what happens otherwise.
func advice(n *queue.Notice, reasons string) string {
	id := n.Parts[0].Message.ID
	if len(n.Parts) > 1 {
		id = "ID" // of each
	}
	var b strings.Builder
	switch n.Kind {
	case queue.Lost:
		b.WriteString("\nIt will not be tried again by itself.")
		if readable, unreadable := spelled(n); readable {
			fmt.Fprintf(&b, " Once the cause is gone, try again with\n\n  esmtpq retry %s\n\nor ", id)
		} else if unreadable {
			fmt.Fprintf(&b, " Send it to the right address with\n\n  esmtpq retry --to ADDRESS %s\n\nor ", id)
		}
		fmt.Fprintf(&b, "remove it from the queue with\n\n  esmtpq rm %s\n", id)
		if !n.Until.IsZero() {
			fmt.Fprintf(&b, "\nOtherwise it is kept until %s and dropped then.\n", door.Stamp(n.Until))
		}
	case queue.Overdue:
		b.WriteString("\nThere is no need to send it again: it will be tried again")
		if !n.Until.IsZero() {
			fmt.Fprintf(&b, ", at least until %s", door.Stamp(n.Until))
		}
		fmt.Fprintf(&b, ".\nTo try it at once:\n\n  deliver %s\n\nTo remove it from the queue:\n\n  esmtpq rm %s\n", id, id)
	case queue.Blocked:
		cure := n.Cure
		if cure == "" {
			cure = "Mend that, then type deliver"
		}
		b.WriteString("\n")
		if cure = spool.Printable(cure); !strings.Contains(reasons, cure) {
			b.WriteString(cure + ".\n")
		}
		b.WriteString("Nothing is lost: there is no need to send anything again.\n")
	case queue.Stuck:
		fmt.Fprintf(&b, "\nMend that, then type\n\n  deliver\n\nor remove it from the queue with\n\n  esmtpq rm %s\n", id)
	}
	return b.String()
}

// spelled reports whether there are recipients that can be tried again, and such whose address could
// not be read.
func spelled(n *queue.Notice) (readable, unreadable bool) {
	for i := range n.Parts {
		for _, k := range n.Parts[i].Recipients {
			if n.Parts[i].Message.Envelope.Recipients[k].Address == "" {
				unreadable = true
			} else {
				readable = true
			}
		}
	}
	return readable, unreadable
}

// reasonsOf returns the recipients of a message and the reasons, one line each.
func reasonsOf(part *queue.Part) string {
	if part.Why != "" {
		return spool.Printable(part.Why) + "\n"
	}
	var b strings.Builder
	for _, i := range part.Recipients {
		fmt.Fprintf(&b, "%s: %s\n", spool.Printable(part.Message.Envelope.Recipients[i].Shown()), part.Message.Progress[i].Explain())
	}
	return b.String()
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

// about returns which mail a part of a notice is about.
func about(n *queue.Part) string {
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
