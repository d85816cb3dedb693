package message

import (
	"fmt"
	"strings"
)

// An Author is who sends a message, as far as its header says so.
type Author struct {
	Address string // addr-spec, perhaps without a domain; "" if the header names nobody
	Field   string // name of the field that Address is from, as this package spells it; "" for none
	Remark  string // why this may not be who the sender had in mind, in one line; "" if all is well
}

// Author returns who sends the message (RFC 5322, 3.6.2 and 3.6.6): the mailbox in From:, or that
// in Sender: if From: names several or none that can be read. If the message is being resent, the
// Resent-From: and Resent-Sender: of the most recent block of Resent- fields take their places.
// Of several mailboxes, the first one with a domain counts.
func (h *Header) Author() Author {
	if !h.Resent() {
		return author("From", h.Values("From"), "Sender", h.Values("Sender"))
	}
	var from, sender []string
	for _, f := range h.resentBlock() {
		switch strings.ToLower(string(f.name)) {
		case "resent-from":
			from = append(from, h.text(f))
		case "resent-sender":
			sender = append(sender, h.text(f))
		}
	}
	if len(from)+len(sender) > 0 {
		return author("Resent-From", from, "Resent-Sender", sender)
	}
	a := author("From", h.Values("From"), "Sender", h.Values("Sender"))
	if a.Remark == "" {
		a.Remark = "there are Resent- fields without a Resent-From:, so From: counts"
	}
	return a
}

// author chooses between two fields, each of which may be absent, or there more than once.
func author(fromName string, from []string, senderName string, sender []string) Author {
	addrs, bad := parseLists(from)
	deputies, _ := parseLists(sender)
	a := Author{}
	switch {
	case len(addrs) == 1 && len(bad) == 0, len(addrs) > 0 && len(deputies) == 0:
		a.Address, a.Field = firstComplete(addrs), fromName
	case len(deputies) > 0:
		a.Address, a.Field = firstComplete(deputies), senderName
	}
	counts := "nothing in the header chooses the identity"
	if a.Field != "" {
		counts = shown(a.Address) + " in " + a.Field + ": counts"
	}
	switch {
	case len(from) == 0: // it will be added
	case len(bad) > 0:
		a.Remark = fmt.Sprintf("%s: cannot be read (%v), so %s", fromName, bad[0], counts)
	case len(addrs) == 0:
		a.Remark = fmt.Sprintf("%s: names nobody, so %s", fromName, counts)
	case len(addrs) > 1 && len(deputies) == 0:
		a.Remark = fmt.Sprintf("%s: has %d mailboxes, so %s; a name with a comma or semicolon must be in quotes",
			fromName, len(addrs), counts)
	}
	if meant := withoutQuotes(a.Address); meant != a.Address {
		a.Remark = fmt.Sprintf("%s: has its address in quotes, which are no part of one, so %s counts: write it without", a.Field, shown(meant))
		a.Address = meant
	}
	return a
}

// shellQuotes are what programs and people put around an address.
const shellQuotes = "'`´‘’“”„«»"

// withoutQuotes returns the address that spec has within quotes, as a script makes them that quotes once
// too often; spec if there is none. A quoted-string alone would be a name of this machine, and a domain
// has no quotes.
func withoutQuotes(spec string) string {
	text := spec
	if local, rest, quoted := cutLocal(spec); quoted && rest == "" {
		text = local
	}
	end := strings.TrimRight(text, shellQuotes)
	if begin := strings.TrimLeft(end, shellQuotes); end != text && begin != end {
		text = begin
	} else if text == spec {
		return spec
	}
	if _, domain, ok := strings.Cut(text, "@"); !ok || domain == "" || CheckAddress(text) != nil {
		return spec
	}
	return text
}

// parseLists parses the values of a field that may be there more than once.
func parseLists(values []string) (addrs []Address, bad []error) {
	for _, v := range values {
		as, errs := ParseAddressList(v)
		addrs, bad = append(addrs, as...), append(bad, errs...)
	}
	return addrs, bad
}

// firstComplete returns the first of some addresses that has a domain, else the first. Without
// quotes, the words before a comma in a name look like an address without a domain.
func firstComplete(addrs []Address) string {
	for _, a := range addrs {
		if a.Domain != "" {
			return a.Spec()
		}
	}
	return addrs[0].Spec()
}
