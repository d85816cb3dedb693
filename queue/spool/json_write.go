package spool

import (
	"encoding/json"
	"strconv"
	"time"
)

// Every message's envelope is written here, octet for octet as encoding/json would write it. That
// package uses reflection to find out how to write a struct, and a process that writes one
// envelope pays for that in full: 4 % of a whole submission on a disk, 6 % in memory. Strings
// with characters to escape are left to it.

// appendString appends s as JSON.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			escaped, _ := json.Marshal(s) // never an error for a string
			return append(b, escaped...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendText appends a member, unless it is empty; key is the text before the value.
func appendText(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(append(b, key...), s)
}

// appendTexts appends a member that is a list, unless it is empty.
func appendTexts(b []byte, key string, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(b, key...)
	for i, s := range list {
		next := byte(',')
		if i == 0 {
			next = '['
		}
		b = appendString(append(b, next), s)
	}
	return append(b, ']')
}

func appendNumber(b []byte, key string, n int64) []byte {
	return strconv.AppendInt(append(b, key...), n, 10)
}

// appendTrue appends a member, unless it is false.
func appendTrue(b []byte, key string, on bool) []byte {
	if !on {
		return b
	}
	return append(append(b, key...), "true"...)
}

// appendEnvelopeJSON appends an envelope. The year of its arrival must have four digits.
func appendEnvelopeJSON(b []byte, e *Envelope) []byte {
	b = appendEnvelopeHead(b, e)
	for i := range e.Recipients {
		b = appendRecipient(b, i, &e.Recipients[i])
	}
	return appendEnvelopeTail(b, e)
}

// appendEnvelopeHead appends what comes before the recipients.
func appendEnvelopeHead(b []byte, e *Envelope) []byte {
	b = appendNumber(b, `{"version":`, int64(e.Version))
	b = e.Arrival.AppendFormat(append(b, `,"arrival":"`...), time.RFC3339Nano)
	b = append(b, '"')
	if e.ReversePath != nil {
		b = appendString(append(b, `,"reverse_path":`...), *e.ReversePath)
	}
	b = appendText(b, `,"from":`, e.From)
	return append(b, `,"recipients":`...)
}

// appendRecipient appends the recipient with index i.
func appendRecipient(b []byte, i int, r *Recipient) []byte {
	next := byte(',')
	if i == 0 {
		next = '['
	}
	b = appendString(append(append(b, next), `{"address":`...), r.Address)
	return append(appendText(b, `,"notify":`, r.Notify), '}')
}

// appendEnvelopeTail appends what comes after them.
func appendEnvelopeTail(b []byte, e *Envelope) []byte {
	b = append(b, ']')
	b = appendText(b, `,"identity":`, e.Identity)
	b = appendText(b, `,"ret":`, e.Return)
	b = appendText(b, `,"envid":`, e.EnvelopeID)
	b = appendText(b, `,"body":`, e.Body)
	b = appendTrue(b, `,"require_tls":`, e.RequireTLS)
	b = appendText(b, `,"config":`, e.Config)
	b = appendTrue(b, `,"notice":`, e.Notice)
	b = appendText(b, `,"legacy":`, e.Legacy)
	b = appendText(b, `,"origin":`, e.Origin)
	b = appendTexts(b, `,"remarks":`, e.Remarks)
	if !e.NotBefore.IsZero() {
		b = e.NotBefore.AppendFormat(append(b, `,"not_before":"`...), time.RFC3339Nano)
		b = append(b, '"')
	}
	if e.Grace != 0 {
		b = appendNumber(b, `,"grace":`, e.Grace)
	}
	b = appendNumber(b, `,"size":`, e.Size)
	b = appendNumber(b, `,"lines":`, e.Lines)
	b = appendTrue(b, `,"eight_bit":`, e.EightBit)
	b = appendTrue(b, `,"utf8_header":`, e.UTF8)
	b = appendNumber(b, `,"max_line":`, e.MaxLine)
	b = appendString(append(b, `,"sha256":`...), e.SHA256)
	return append(b, '}')
}

func (m *messageJSON) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"state":`...), m.State)
	b = appendNumber(b, `,"attempts":`, int64(m.Attempts))
	b = appendNumber(b, `,"last":`, m.Last)
	b = appendNumber(b, `,"next":`, m.Next)
	if m.First != 0 {
		b = appendNumber(b, `,"first":`, m.First)
	}
	if m.Drop != 0 {
		b = appendNumber(b, `,"drop":`, m.Drop)
	}
	b = appendTrue(b, `,"told":`, m.Told)
	if m.Opens != 0 {
		b = appendNumber(b, `,"opens":`, m.Opens)
	}
	b = appendText(b, `,"home":`, m.Home)
	return append(appendTrue(b, `,"copied":`, m.Copied), '}')
}

func (p *progressJSON) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"state":`...), p.State)
	b = appendNumber(b, `,"time":`, p.Time)
	if p.Code != 0 {
		b = appendNumber(b, `,"code":`, int64(p.Code))
	}
	b = appendText(b, `,"status":`, p.Status)
	b = appendText(b, `,"host":`, p.Host)
	b = appendText(b, `,"text":`, p.Text)
	b = appendText(b, `,"remark":`, p.Remark)
	if p.Told != 0 {
		b = appendNumber(b, `,"told":`, p.Told)
	}
	if p.Unsure != 0 {
		b = appendNumber(b, `,"unsure":`, int64(p.Unsure))
	}
	return append(b, '}')
}
