package spool

import (
	"bufio"
	"bytes"
	"strings"

	"esmtpq/message"
)

// Fields are the fields of a header by which a person knows a message.
type Fields struct{ MessageID, Subject string }

// FieldsOf reads them from a content; they are "" where that is not possible. They may have any octets.
func FieldsOf(c Content) (f Fields) {
	if c, ok := c.(*storedContent); ok && c.whole != nil {
		return fieldsIn(c.whole)
	}
	r, err := c.Open()
	if err != nil {
		return f
	}
	defer r.Close()
	h, err := message.ReadHeader(bufio.NewReaderSize(r, 1<<10))
	if err != nil {
		return f
	}
	f.MessageID, _ = h.Get("Message-ID")
	f.Subject, _ = h.Get("Subject")
	return f
}

// fieldsIn finds the fields without a copy of the header: a run does this for each message.
func fieldsIn(b []byte) (f Fields) {
	var field *string // that the line before belongs to
	for len(b) > 0 && b[0] != '\n' {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		switch {
		case line[0] == ' ' || line[0] == '\t':
			if field != nil {
				*field = strings.TrimSpace(*field + string(line))
			}
			continue
		case f.MessageID == "" && isField(line, "message-id:"):
			field = &f.MessageID
		case f.Subject == "" && isField(line, "subject:"):
			field = &f.Subject
		default:
			field = nil
			continue
		}
		*field = strings.TrimSpace(string(line[bytes.IndexByte(line, ':')+1:]))
	}
	return f
}

// isField reports whether a line begins with the name of a field, given in lower case with its colon.
func isField(line []byte, name string) bool {
	if len(line) < len(name) || line[0]|0x20 != name[0] {
		return false
	}
	return strings.EqualFold(string(line[:len(name)]), name)
}
