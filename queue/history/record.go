package history

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"esmtpq/queue/spool"
)

// An Event says what has happened to a message.
type Event string

// The first ones are the outcome of an attempt. The others are what its owner, or the queue itself,
// has done with it.
const (
	Relayed   Event = "relayed"
	Delivered Event = "delivered" // by the local agent
	Delayed   Event = "delayed"
	Unsure    Event = "possibly delivered"
	Failed    Event = "failed"
	Expired   Event = "expired" // given up after it had been delayed for long

	Held     Event = "held"
	Released Event = "released"
	Adopted  Event = "adopted"
	Retried  Event = "retried"
	Removed  Event = "removed"
	Dropped  Event = "dropped" // having failed, and been kept long enough
	Copied   Event = "copied"  // into sent_copy
	NoCopy   Event = "not copied"
)

// Went reports whether the event means that recipients have been served.
func (e Event) Went() bool { return e == Relayed || e == Delivered }

// A Record is one line of the log: what became of some recipients of a message. It says again what
// is known of the message, so that each line can be understood alone.
type Record struct {
	Time  time.Time `json:"time"`
	ID    string    `json:"id"` // queue ID
	Event Event     `json:"event"`
	To    []string  `json:"to,omitempty"`

	Arrival   time.Time `json:"arrival"`
	Sender    string    `json:"sender"` // as submitted; "" for null
	MessageID string    `json:"message_id,omitempty"`
	Subject   string    `json:"subject,omitempty"` // only if it is wanted
	Size      int64     `json:"size,omitempty"`    // octets

	Identity string `json:"identity,omitempty"`
	Rule     string `json:"rule,omitempty"`      // that chose the identity
	MailFrom string `json:"mail_from,omitempty"` // the reverse-path, where it is not the sender
	Host     string `json:"host,omitempty"`
	TLS      string `json:"tls,omitempty"` // version and cipher
	Code     int    `json:"code,omitempty"`
	Status   string `json:"status,omitempty"`
	Text     string `json:"text,omitempty"` // the host's words, or ours
	Remark   string `json:"remark,omitempty"`
}

// About returns a record of an event with what is known of a message.
func About(m *spool.Message, what Event, now time.Time) Record {
	r := Record{Time: now, ID: m.ID, Event: what, Arrival: m.Envelope.Arrival, Sender: m.Envelope.From, Size: m.Envelope.Size}
	if m.Envelope.ReversePath != nil {
		r.Sender = *m.Envelope.ReversePath
	}
	return r
}

// EventOf returns the event that a report is.
func EventOf(r *spool.Report) Event {
	switch {
	case r.Action == spool.Relayed:
		return Relayed
	case r.Action == spool.Delivered:
		return Delivered
	case r.Action == spool.Failed && strings.HasPrefix(r.Status, "4"):
		return Expired
	case r.Action == spool.Failed:
		return Failed
	case r.Unsure:
		return Unsure
	}
	return Delayed
}

// Explain returns what was said, on one printable line.
func (r *Record) Explain() string {
	p := spool.Report{Code: r.Code, Status: r.Status, Text: r.Text, Host: r.Host, Remark: r.Remark}
	return p.Explain()
}

// Bounds of what comes from outside, in octets, and how many recipients one line has.
const (
	maxText = 1000
	maxTo   = 100
)

// tidy makes everything printable that comes from outside, and bounds it.
func (r *Record) tidy() {
	for _, s := range [...]*string{&r.Sender, &r.MessageID, &r.Subject, &r.Identity, &r.Rule, &r.MailFrom, &r.Host, &r.TLS, &r.Status, &r.Text, &r.Remark} {
		*s = short(spool.Printable(*s))
	}
	r.Time, r.Arrival = r.Time.UTC().Truncate(time.Millisecond), r.Arrival.UTC().Truncate(time.Millisecond)
}

// short cuts a text between two characters.
func short(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

// appendLines appends a record, as several lines if it has very many recipients.
func (r *Record) appendLines(b []byte) []byte {
	tidy := *r
	tidy.tidy()
	to := r.To
	for first := true; first || len(to) > 0; first = false {
		n := min(len(to), maxTo)
		b = append(tidy.appendJSON(b, to[:n]), '\n')
		to = to[n:]
	}
	return b
}

// appendJSON appends a record with some of its recipients as encoding/json would, in a tenth of the
// time: a run writes one for each message.
func (r *Record) appendJSON(b []byte, to []string) []byte {
	b = appendTime(append(b, `{"time":`...), r.Time)
	b = appendString(append(b, `,"id":`...), r.ID)
	b = appendString(append(b, `,"event":`...), string(r.Event))
	for i, address := range to {
		if i == 0 {
			b = append(b, `,"to":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendString(b, short(spool.Printable(address)))
	}
	if len(to) > 0 {
		b = append(b, ']')
	}
	b = appendTime(append(b, `,"arrival":`...), r.Arrival)
	b = appendString(append(b, `,"sender":`...), r.Sender)
	b = appendText(b, `,"message_id":`, r.MessageID)
	b = appendText(b, `,"subject":`, r.Subject)
	b = appendNumber(b, `,"size":`, r.Size)
	b = appendText(b, `,"identity":`, r.Identity)
	b = appendText(b, `,"rule":`, r.Rule)
	b = appendText(b, `,"mail_from":`, r.MailFrom)
	b = appendText(b, `,"host":`, r.Host)
	b = appendText(b, `,"tls":`, r.TLS)
	b = appendNumber(b, `,"code":`, int64(r.Code))
	b = appendText(b, `,"status":`, r.Status)
	b = appendText(b, `,"text":`, r.Text)
	b = appendText(b, `,"remark":`, r.Remark)
	return append(b, '}')
}

func appendTime(b []byte, t time.Time) []byte {
	return t.AppendFormat(b, `"2006-01-02T15:04:05.000Z"`)
}

func appendText(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(append(b, key...), s)
}

func appendNumber(b []byte, key string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, key...), n, 10)
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // never an error for a string
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
