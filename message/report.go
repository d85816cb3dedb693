package message

import (
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// A Report is a mail that says what became of another one: a delivery status notification (RFC
// 3464), or its form for addresses that are not ASCII (RFC 6533). Its texts need not be clean:
// what hosts said is made printable and folded here.
type Report struct {
	Date     time.Time
	From, To string // mailboxes as FormatMailbox returns them
	Subject  string // ASCII
	Text     string // for a person; LF line ends, lines of any length

	MTA        string    // Reporting-MTA: this machine's name
	EnvelopeID string    // Original-Envelope-Id, "" for none
	Arrival    time.Time // of the message reported on
	Recipients []ReportRecipient

	Header *Header   // of the message reported on; nil if it cannot be read
	Body   io.Reader // the rest of it; nil to return only the header
}

// A ReportRecipient is what became of one recipient (RFC 3464, 2.3).
type ReportRecipient struct {
	Address    string // addr-spec, perhaps without a domain; "" if it could not be read
	Action     string // failed, delayed, ...
	Status     string // enhanced status code (RFC 3463)
	RemoteMTA  string // the host whose words Diagnostic is, "" for none
	Diagnostic string // reply code and text, or ours; any octets
	SMTP       bool   // Diagnostic is a reply of SMTP
	Last       time.Time
	RetryUntil time.Time // zero for no limit
}

// WriteTo writes the report as a message with LF line ends. Errors are those of w and of Body.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	m := NewMeter(w)
	boundary := "=_" + rand.Text() // cannot be in the content, which was written before
	err := r.write(m, boundary)
	return m.Stats().Size, err
}

func (r *Report) write(w io.Writer, boundary string) error {
	kind, encoding := "message/delivery-status", "7bit"
	if r.international() {
		kind, encoding = "message/global-delivery-status", "8bit"
	}
	b := r.appendHeader(nil, boundary)
	b = append(b, "This is a report in MIME format (RFC 3464).\n"...)
	b = appendPart(b, boundary, "text/plain; charset=utf-8", "8bit", "Notification")
	b = appendText(b, r.Text)
	b = appendPart(b, boundary, kind, encoding, "Delivery report")
	b = r.appendStatus(b)
	if r.Header != nil {
		kind, what := r.returned()
		b = appendPart(b, boundary, kind, r.encoding(), what)
		b = append(b, r.Header.raw...)
		b = append(b, '\n')
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	if r.Header != nil && r.Body != nil {
		if _, err := io.Copy(w, r.Body); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "\n--"+boundary+"--\n")
	return err
}

func (r *Report) appendHeader(b []byte, boundary string) []byte {
	line := func(name, value string) { b = append(b, name+": "+value+"\n"...) }
	line("Date", FormatDate(r.Date))
	line("From", r.From)
	line("To", r.To)
	line("Subject", r.Subject)
	line("Message-ID", NewMessageID(r.Date, r.MTA))
	if id := r.referred(); id != "" {
		line("In-Reply-To", id)
		line("References", id)
	}
	line("Auto-Submitted", "auto-replied") // RFC 3834, 5: no machine is to answer
	line("MIME-Version", "1.0")
	line("Content-Type", "multipart/report; report-type="+r.reportType()+";\n\tboundary=\""+boundary+"\"")
	line("Content-Transfer-Encoding", "8bit")
	return append(b, '\n')
}

// reportType is the subtype of the part for machines (RFC 6522, 3).
func (r *Report) reportType() string {
	if r.international() {
		return "global-delivery-status"
	}
	return "delivery-status"
}

// referred returns the Message-ID of the message reported on, if it can be repeated unchanged.
func (r *Report) referred() string {
	if r.Header == nil {
		return ""
	}
	id, _ := r.Header.Get("Message-ID")
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f }
	if len(id) < 3 || len(id) > 250 || id[0] != '<' || strings.IndexByte(id, '>') != len(id)-1 || strings.ContainsFunc(id, odd) {
		return ""
	}
	return id
}

// international reports whether an address is not ASCII, so that the report is not one of RFC
// 3464.
func (r *Report) international() bool {
	for i := range r.Recipients {
		if hasNonASCII(r.Recipients[i].Address) {
			return true
		}
	}
	return false
}

// returned returns the media type of the part with the message reported on, and its name.
func (r *Report) returned() (kind, what string) {
	// RFC 6532 does not mean a header with octets that are not UTF-8.
	utf8Header := r.Header.UTF8()
	switch {
	case r.Body != nil && utf8Header:
		return "message/global", "Undelivered message"
	case r.Body != nil:
		return "message/rfc822", "Undelivered message"
	case utf8Header:
		return "message/global-headers", "Header of the undelivered message"
	}
	return "text/rfc822-headers", "Header of the undelivered message"
}

// encoding returns the transfer encoding of that part. The body is not searched for octets over
// 127: 8bit is right for 7bit content, too.
func (r *Report) encoding() string {
	if r.Body != nil || r.Header.EightBit() {
		return "8bit"
	}
	return "7bit"
}

func appendPart(b []byte, boundary, kind, encoding, what string) []byte {
	return fmt.Appendf(b, "\n--%s\nContent-Description: %s\nContent-Type: %s\nContent-Transfer-Encoding: %s\n\n", boundary, what, kind, encoding)
}

// appendStatus appends the part for machines: a group of fields about the message, one for
// each recipient.
func (r *Report) appendStatus(b []byte) []byte {
	ascii := !r.international()
	field := func(name, value string) { b = appendStatusField(b, name, value, ascii) }
	field("Reporting-MTA", "dns; "+hostWord(r.MTA))
	if r.EnvelopeID != "" {
		field("Original-Envelope-Id", xtext(r.EnvelopeID))
	}
	if !r.Arrival.IsZero() {
		field("Arrival-Date", FormatDate(r.Arrival))
	}
	for i := range r.Recipients {
		rcpt := &r.Recipients[i]
		b = append(b, '\n')
		b = append(b, "Final-Recipient: "+clean(r.typedAddress(rcpt.Address), ascii)+"\n"...) // blanks in it matter
		field("Action", rcpt.Action)
		field("Status", rcpt.status())
		if isHostWord(rcpt.RemoteMTA) {
			field("Remote-MTA", "dns; "+rcpt.RemoteMTA)
		}
		if rcpt.Diagnostic != "" {
			kind := "x-esmtpq; "
			if rcpt.SMTP {
				kind = "smtp; "
			}
			field("Diagnostic-Code", kind+rcpt.Diagnostic)
		}
		if !rcpt.Last.IsZero() {
			field("Last-Attempt-Date", FormatDate(rcpt.Last))
		}
		if !rcpt.RetryUntil.IsZero() {
			field("Will-Retry-Until", FormatDate(rcpt.RetryUntil))
		}
	}
	return b
}

// typedAddress returns an address with its type. A name without a domain is one of this machine's.
func (r *Report) typedAddress(spec string) string {
	switch {
	case spec == "":
		return "x-unknown; (an address that cannot be read)"
	case hasNonASCII(spec):
		return "utf-8; " + spec
	case !strings.Contains(spec, "@"):
		return "rfc822; " + spec + "@" + hostWord(r.MTA)
	}
	return "rfc822; " + spec
}

// status returns the status if it is one (RFC 3463, 2), or else the class of the action.
func (rcpt *ReportRecipient) status() string {
	class := "5"
	if rcpt.Action == "delayed" {
		class = "4"
	}
	parts := strings.Split(rcpt.Status, ".")
	notDigit := func(c rune) bool { return c < '0' || c > '9' }
	ok := len(parts) == 3 && len(parts[0]) == 1 && strings.Contains("245", parts[0])
	for _, p := range parts {
		ok = ok && p != "" && len(p) <= 3 && !strings.ContainsFunc(p, notDigit)
	}
	if !ok {
		return class + ".0.0"
	}
	return rcpt.Status
}

// isHostWord reports whether s can be a host's name or address.
func isHostWord(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(c rune) bool {
		return c >= utf8.RuneSelf || !isAtext(byte(c)) && c != '.' && c != ':' && c != '[' && c != ']'
	})
}

func hostWord(s string) string {
	if isHostWord(s) {
		return s
	}
	return "localhost"
}

// xtext encodes s as xtext (RFC 3461, 4).
func xtext(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
