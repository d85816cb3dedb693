//go:build linux && amd64

package faults

import (
	"fmt"
	"strings"
)

// A faultMail is a message as it is submitted. Its header is complete, so that it arrives
// unchanged.
type faultMail struct {
	serial  int
	rcpts   []string
	content string // LF line ends
}

func newFaultMail(serial, size int, rcpts ...string) *faultMail {
	var b strings.Builder
	fmt.Fprintf(&b, "From: me@example.org\nTo: %s\nSubject: message %d\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <%d@fault.test>\n\n",
		strings.Join(rcpts, ", "), serial, serial)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%d.%d: a line like any other, and one with a dot\n.\n", serial, i)
	}
	return &faultMail{serial, rcpts, b.String()}
}

// serialOf returns the serial of the message that a content belongs to, whatever has happened to
// it; 0 for none.
func serialOf(content string) int {
	n := 0
	if _, rest, ok := strings.Cut(content, "Message-ID: <"); ok {
		fmt.Sscanf(rest, "%d@fault.test>", &n)
	}
	return n
}

// A copyOf is one recipient's copy of a message.
type copyOf struct {
	serial int
	rcpt   string
}

// copies counts the copies that were taken, and those that differ from what was submitted.
func (h *faultHost) copies(mails []*faultMail) (counts map[copyOf]int, torn int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	counts = map[copyOf]int{}
	for _, tx := range h.taken {
		content := strings.ReplaceAll(tx.Content, "\r\n", "\n")
		serial := serialOf(content)
		if serial < 1 || serial > len(mails) || mails[serial-1].content != content {
			torn++
			continue
		}
		for _, to := range tx.To {
			counts[copyOf{serial, to}]++
		}
	}
	return counts, torn
}
