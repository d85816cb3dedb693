package owner

import (
	"bufio"
	"fmt"
	"io"
	"mime"
	"strings"

	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/message"
	"esmtpq/queue/history"
	"esmtpq/queue/spool"
)

// remove drops messages. No entry is locked while a person is asked, since a mail that was locked
// at its time would wait for another run; what has been sent in the meantime is reported.
func remove(c *door.Call) error {
	sel, err := chosen(c.Args, "yes")
	if err != nil || sel == nil {
		return err
	}
	defer sel.Close()
	if !sel.set["yes"] && !sel.Last() && len(sel.names) > 0 {
		if err := confirm(c, sel); err != nil {
			return err
		}
	}
	return each(c, sel.names, func(name string) error {
		if !spool.IsID(name) {
			return sel.RemoveLegacy(name)
		}
		said := ""
		if sel.Last() {
			said = describe(sel.Queue, name)
		}
		m := sel.look(name)
		sel.keepID(m)
		err := sel.Remove(name)
		if err == nil {
			sel.note(m, history.Removed, "")
		}
		if err == nil && sel.Last() {
			c.Remark("removed: " + name + "  " + said)
		}
		return err
	})
}

// confirm asks a person at a terminal. A script must say --yes to drop entries that it has not
// named.
func confirm(c *door.Call, sel *selection) error {
	count := door.Plural(len(sel.names), "message", "messages")
	if !term.IsTerminal(int(c.In.Fd())) {
		if sel.Named() {
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
		to = m.Envelope.Recipients[0].Shown()
	}
	if n := len(m.Envelope.Recipients); n > 1 {
		to += fmt.Sprintf(" and %d more", n-1)
	}
	text := fmt.Sprintf("%s  %s -> %s", door.Stamp(m.Envelope.Arrival), m.Envelope.Sender(), to)
	if s := subject(q, m); s != "" {
		text += "  " + s
	}
	return spool.Printable(text)
}

// subject returns the subject of a message for people, "" if there is none.
func subject(q *spool.Queue, m *spool.Message) string {
	content, err := q.Content(m)
	if err != nil {
		return ""
	}
	r, err := content.Open()
	if err != nil {
		return ""
	}
	defer r.Close()
	h, err := message.ReadHeader(bufio.NewReader(r))
	if err != nil {
		return ""
	}
	text, _ := h.Get("Subject")
	if plain, err := new(mime.WordDecoder).DecodeHeader(text); err == nil {
		text = plain
	}
	if chars := []rune(text); len(chars) > maxSubject {
		text = string(chars[:maxSubject]) + "..."
	}
	return text
}

// maxSubject is how much of a subject is shown, in characters.
const maxSubject = 60
