package message

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Header is the header of a message, with every octet of every field unchanged, except for line
// ends, which are LF. Its zero value is an empty header. Names of fields are compared without
// regard to case.
type Header struct {
	raw       []byte // the fields, each line with its LF
	separated bool   // a blank line was read after them

	bareCR     bool // a field had a CR in it that is no line end
	fieldsSeen int  // how many fields there were, where there was any CR
}

// A field is one field of a header: its name, and the octets that it takes with its continuation
// lines.
type field struct {
	name       []byte
	value      int // where the body of the field begins, after the colon
	start, end int
}

// fields yields the fields in order.
func (h *Header) fields() iter.Seq[field] {
	return func(yield func(field) bool) {
		for at := 0; at < len(h.raw); {
			f := h.fieldAt(at)
			if !yield(f) {
				return
			}
			at = f.end
		}
	}
}

// fieldAt returns the field that begins at octet start.
func (h *Header) fieldAt(start int) field {
	colon := start + bytes.IndexByte(h.raw[start:], ':')
	end := start
	for {
		end += bytes.IndexByte(h.raw[end:], '\n') + 1
		if end == len(h.raw) || !isBlank(h.raw[end]) && h.raw[end] != '\r' {
			break
		}
	}
	name := bytes.TrimRight(h.raw[start:colon], " \t\r")
	return field{name: name, value: colon + 1, start: start, end: end}
}

// is reports whether name is the name of f.
func (f field) is(name string) bool { return strings.EqualFold(string(f.name), name) }

// text returns the body of f unfolded (RFC 5322, 2.2.3), without the blanks
// around it.
func (h *Header) text(f field) string {
	return strings.Trim(strings.ReplaceAll(string(h.raw[f.value:f.end]), "\n", ""), " \t")
}

// Has reports whether there is a field called name.
func (h *Header) Has(name string) bool {
	_, ok := h.Get(name)
	return ok
}

// Get returns the value of the first field called name, unfolded but otherwise unchanged, and
// whether there is one.
func (h *Header) Get(name string) (string, bool) {
	for f := range h.fields() {
		if f.is(name) {
			return h.text(f), true
		}
	}
	return "", false
}

// Values returns the values of all fields called name, as Get does.
func (h *Header) Values(name string) []string {
	var values []string
	for f := range h.fields() {
		if f.is(name) {
			values = append(values, h.text(f))
		}
	}
	return values
}

// Remove removes every field that has one of names.
func (h *Header) Remove(names ...string) {
	kept := make([]byte, 0, len(h.raw))
	for f := range h.fields() {
		if !slices.ContainsFunc(names, f.is) {
			kept = append(kept, h.raw[f.start:f.end]...)
		}
	}
	h.raw = kept
}

// Add adds a field at the end. The value is written as it is; a line end in it must be LF and
// must be followed by a blank, which makes it a fold. Other control characters are refused, since
// the result would not be one field.
func (h *Header) Add(name, value string) error {
	f, err := formatField(name, value)
	if err != nil {
		return err
	}
	h.raw = append(h.raw, f...)
	return nil
}

// AddResent adds a field before the most recent block of Resent- fields, to which it then belongs;
// without such a block it does nothing. Otherwise it is Add.
func (h *Header) AddResent(name, value string) error {
	f, err := formatField(name, value)
	if block := h.resentBlock(); err == nil && len(block) > 0 {
		h.raw = slices.Insert(h.raw, block[0].start, []byte(f)...)
	}
	return err
}

// LacksResent reports whether the message is being resent, and the most recent block of Resent-
// fields has none called name.
func (h *Header) LacksResent(name string) bool {
	block := h.resentBlock()
	return len(block) > 0 && !slices.ContainsFunc(block, func(f field) bool { return f.is(name) })
}

// SetSender makes addr (an addr-spec, or a mailbox with a display name) the value of the one
// Sender: field. The first such field is replaced in its place, others are removed; if there is
// none, one is added at the end.
func (h *Header) SetSender(addr string) error {
	if addrs, bad := ParseArgument(addr); len(addrs) != 1 || len(bad) > 0 {
		return fmt.Errorf("%s cannot be a Sender: it is not one address", shown(addr))
	}
	sender, err := formatField("Sender", strings.Trim(addr, " \t"))
	if err != nil {
		return err
	}
	kept := make([]byte, 0, len(h.raw)+len(sender))
	set := false
	for f := range h.fields() {
		switch {
		case !f.is("Sender"):
			kept = append(kept, h.raw[f.start:f.end]...)
		case !set:
			kept = append(kept, sender...)
			set = true
		}
	}
	if !set {
		kept = append(kept, sender...)
	}
	h.raw = kept
	return nil
}

// formatField returns a field as it is in a header.
func formatField(name, value string) (string, error) {
	if kindOf([]byte(name+":")) != fieldLine || strings.ContainsAny(name, " \t:") {
		return "", fmt.Errorf("%s cannot be the name of a header field", shown(name))
	}
	for i, line := range strings.Split(value, "\n") {
		if i > 0 && (line == "" || !isBlank(line[0]) || strings.Trim(line, " \t") == "") {
			return "", fmt.Errorf("the value of %s: has a line end in it", name)
		}
		if HasControl(line) {
			return "", fmt.Errorf("the value of %s: has a control character in it", name)
		}
	}
	return name + ": " + value + "\n", nil
}

// EightBit reports whether the header has octets over 127.
func (h *Header) EightBit() bool { return hasEightBit(h.raw) }

// UTF8 reports whether the header has octets over 127 that are UTF-8 (RFC 6532): such a message needs SMTPUTF8 (RFC 6531,
// 3.4). Octets of another character set are plainly wrong, and to call them UTF-8 would have hosts refuse them.
func (h *Header) UTF8() bool { return h.EightBit() && utf8.Valid(h.raw) }

// WriteTo writes the fields and the blank line that separates them from the
// body.
func (h *Header) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(append(slices.Clip(h.raw), '\n'))
	if err == nil && n < len(h.raw)+1 {
		err = io.ErrShortWrite
	}
	return int64(n), err
}

// HasControl reports whether a text contains control characters other than tabs, which no field
// of a header may contain.
func HasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
