package spool

import (
	"bufio"
	"strings"

	"esmtpq/message"
)

// Fields are the fields of a header by which a person knows a message.
type Fields struct{ MessageID, Subject string }

// FieldsOf reads them from a content; they are "" where that is not possible. They may have any octets.
func FieldsOf(c Content) (f Fields) {
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
	f.MessageID = strings.TrimSpace(f.MessageID)
	return f
}
