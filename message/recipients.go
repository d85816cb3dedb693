package message

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Resent reports whether the message has been or is being resent, that is, has any Resent- field
// (RFC 5322, 3.6.6).
func (h *Header) Resent() bool {
	for f := range h.fields() {
		if isResent(string(f.name)) {
			return true
		}
	}
	return false
}

// Recipients returns the addresses that the header names as recipients, each once: those of To:,
// Cc: and Bcc: or, if the message is being resent, only those of the most recent Resent-To:,
// Resent-Cc: and Resent-Bcc:. bad has one error for each member of a list that cannot be parsed;
// the others are not affected.
func (h *Header) Recipients() (addrs []Address, bad []error) {
	seen := make(map[string]bool)
	for a, err := range h.EachRecipient() {
		if err != nil {
			bad = append(bad, err)
		} else if key := a.Local + "\x00" + strings.ToLower(a.Domain); !seen[key] {
			seen[key] = true
			addrs = append(addrs, a)
		}
	}
	return addrs, bad
}

// EachRecipient yields what Recipients returns as it is read, and an address as often as it is named.
func (h *Header) EachRecipient() iter.Seq2[Address, error] {
	return func(yield func(Address, error) bool) {
		for _, f := range h.recipientFields() {
			for m := range members(string(h.raw[f.value : f.end-1])) {
				var a Address
				var err error
				switch {
				case m.err != nil:
					err = fmt.Errorf("%s: %w", f.name, m.failure())
				case m.addr != nil:
					a = *m.addr
				default:
					continue
				}
				if !yield(a, err) {
					return
				}
			}
		}
	}
}

// recipientFields returns the fields that name recipients.
func (h *Header) recipientFields() []field {
	var fields []field
	for f := range h.fields() {
		if isRecipients(string(f.name)) {
			fields = append(fields, f)
		}
	}
	if block := h.resentRecipients(); len(block) > 0 {
		return block
	}
	return fields
}

// resentRecipients returns the fields that name recipients in the most recent block of Resent-
// fields that has any. Older blocks say who got the message earlier.
func (h *Header) resentRecipients() []field {
	for block := range h.resentBlocks() {
		rcpts := slices.DeleteFunc(block, func(f field) bool { return !isRecipients(string(f.name[len("resent-"):])) })
		if len(rcpts) > 0 {
			return rcpts
		}
	}
	return nil
}

// resentBlock returns the most recent block of Resent- fields, nil if there is none.
func (h *Header) resentBlock() []field {
	for block := range h.resentBlocks() {
		return block
	}
	return nil
}

// resentBlocks yields the blocks of Resent- fields, the most recent one first: each resending puts
// a block of its own on top of the header. A block ends before the first field of another kind. A
// name that occurs again begins an older block, too, unless it directly repeats the field before
// it: that is one long list in two fields.
func (h *Header) resentBlocks() iter.Seq[[]field] {
	return func(yield func([]field) bool) {
		var block []field
		var names []string // in this block, lower case
		for f := range h.fields() {
			name := strings.ToLower(string(f.name))
			repeated := len(names) > 0 && names[len(names)-1] != name && slices.Contains(names, name)
			if !isResent(name) || repeated {
				if len(block) > 0 && !yield(block) {
					return
				}
				block, names = nil, names[:0]
			}
			if isResent(name) {
				block, names = append(block, f), append(names, name)
			}
		}
		if len(block) > 0 {
			yield(block)
		}
	}
}

func isResent(name string) bool {
	return len(name) > len("resent-") && strings.EqualFold(name[:len("resent-")], "resent-")
}

func isRecipients(name string) bool {
	return strings.EqualFold(name, "To") || strings.EqualFold(name, "Cc") || strings.EqualFold(name, "Bcc")
}
