package message

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// MaxLine is how many octets a line may have, without its end (RFC 5321, 4.5.3.1.6).
const MaxLine = 998

// Check reads a message as a submission would, and returns what may be wrong with it, one
// sentence each: what a host may refuse or change, and what its author may not have intended.
func Check(r io.Reader) ([]string, error) {
	raw := &rawCheck{r: r}
	br := bufio.NewReaderSize(WithoutNUL(raw), 64<<10)
	h, err := ReadHeader(br)
	if err != nil {
		return nil, err
	}
	meter := NewMeter(io.Discard)
	if err := Copy(meter, h, br); err != nil {
		return nil, err
	}
	stats := meter.Stats()
	remarks := h.check()
	if len(h.raw) == 0 {
		remarks = append(remarks, "it has no header (fields such as Subject:, then a blank line): all of it is text, and nobody is named in it")
	}
	if stats.MaxLine > MaxLine {
		line, cure := "a line", "encode the part as quoted-printable or base64"
		if raw.long > 0 {
			line = fmt.Sprintf("line %d", raw.long)
		}
		if raw.longInHeader {
			cure = "fold the field"
		}
		remarks = append(remarks, fmt.Sprintf("%s has over %d octets, which hosts may refuse or break (RFC 5321); %s", line, MaxLine, cure))
	}
	if raw.nul {
		remarks = append(remarks, "it has NUL octets in it, which no mail may have (RFC 5322, 4): they will be left out")
	}
	if raw.bareCR {
		remarks = append(remarks, "it has a CR that is no part of a line end in it: it will be sent as a blank in the header and as a line end in the body, which breaks a signature over it")
	}
	switch {
	case h.UTF8():
		remarks = append(remarks, "its header has octets over 127: the host must offer SMTPUTF8 (RFC 6532); encoded words (RFC 2047) go everywhere")
	case h.EightBit():
		remarks = append(remarks, "its header has octets over 127 that are not UTF-8: nothing says what they stand for; use encoded words (RFC 2047)")
	}
	if stats.EightBit && !h.EightBit() && !h.Has("MIME-Version") {
		remarks = append(remarks, "its body has octets over 127 and no MIME-Version field says in which character set")
	}
	return remarks, nil
}

// check checks the fields of a header.
func (h *Header) check() []string {
	var remarks []string
	if a := h.Author(); a.Remark != "" {
		remarks = append(remarks, a.Remark)
	}
	lists := [...]string{"To", "Cc", "Bcc", "Reply-To", "Sender", "Resent-To", "Resent-Cc", "Resent-Bcc", "Resent-Sender"}
	for _, name := range lists {
		for _, v := range h.Values(name) {
			_, bad := ParseAddressList(v)
			for _, err := range bad {
				remarks = append(remarks, fmt.Sprintf("%s: %v", name, err))
			}
		}
	}
	for _, name := range [...]string{"From", "Date", "Message-ID", "Subject", "Sender", "Reply-To"} {
		if n := len(h.Values(name)); n > 1 {
			remarks = append(remarks, fmt.Sprintf("it has %d fields %s, one is allowed (RFC 5322, 3.6)", n, name))
		}
	}
	return remarks
}

// rawCheck notices what is lost when reading makes the content uniform.
type rawCheck struct {
	r           io.Reader
	nul, bareCR bool
	cr          bool // the last octet was a CR

	long         int // the first line that is too long; 0: none yet
	longInHeader bool
	line, length int  // of the line that is being read: how many came before it, and its octets so far
	body         bool // the header has ended
}

// measure looks for the first line that is too long. A CR before the line end does not count.
func (c *rawCheck) measure(b []byte) {
	for len(b) > 0 && c.long == 0 {
		n := bytes.IndexByte(b, '\n')
		piece := b[:max(n, 0)]
		if n < 0 {
			piece = b
		}
		c.length += len(piece) - bytes.Count(piece, []byte("\r"))
		if c.length > MaxLine {
			c.long, c.longInHeader = c.line+1, !c.body
		}
		if n < 0 {
			return
		}
		c.body = c.body || c.length == 0
		c.line, c.length = c.line+1, 0
		b = b[n+1:]
	}
}

func (c *rawCheck) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	b := p[:n]
	c.nul = c.nul || bytes.IndexByte(b, 0) >= 0
	c.measure(b)
	for len(b) > 0 && !c.bareCR {
		if !c.cr {
			i := bytes.IndexByte(b, '\r')
			if i < 0 {
				break
			}
			b = b[i:]
		}
		b = bytes.TrimLeft(b, "\r")
		c.cr = len(b) == 0
		c.bareCR = len(b) > 0 && b[0] != '\n'
	}
	if err == io.EOF {
		c.bareCR = c.bareCR || c.cr
	}
	return n, err
}
