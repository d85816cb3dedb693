package message

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Qualify adds domain to every mailbox without one in the fields that hold addresses, as a
// submission should (RFC 6409, 8.1): hosts refuse such a From: for good. Fields that a signature
// covers, and members that cannot be read, are left as they are; so are the fields of the author in
// which another mailbox has a domain: there, "Doe" in "Doe, John <john@example.org>" is no address.
// Nothing is changed if domain is none.
func (h *Header) Qualify(domain string) {
	domain, ok := ALabels(domain)
	if !ok || !isDomain(domain) {
		return
	}
	signed := h.Signed()
	var to []byte // the new header, as soon as it is another
	done := 0     // octets of the old one that are in it
	for f := range h.fields() {
		if !holdsAddresses(f) || signed.Covers(string(f.name)) || plainlyComplete(h.raw[f.value:f.end]) {
			continue
		}
		list := string(h.raw[f.value : f.end-1])
		if !isRecipients(baseName(f)) && hasComplete(list) {
			continue
		}
		for m := range members(list) {
			if m.err != nil || m.addr == nil || !completable(m.addr, domain) {
				continue
			}
			at, end := f.value+m.at, f.value+m.spec
			to = append(to, h.raw[done:at]...)
			line := len(to) - 1 - bytes.LastIndexByte(to, '\n')
			if list := bytes.TrimRight(to, " \t"); line+len(m.text)+len("@")+len(domain) > MaxLine && bytes.HasSuffix(list, []byte{','}) {
				to = append(list, "\n "...)
			}
			to = append(to, h.raw[at:end]...)
			to = append(append(to, '@'), domain...)
			done = end
		}
	}
	if done > 0 {
		h.raw = append(to, h.raw[done:]...)
	}
}

// completable reports whether an address lacks a domain and is one, if it is written as it was, with
// this domain.
func completable(a *Address, domain string) bool {
	if a.Domain != "" || a.Local == "" || withoutQuotes(a.Spec()) != a.Spec() || a.Local[0] == '.' || strings.HasSuffix(a.Local, ".") || strings.Contains(a.Local, "..") {
		return false
	}
	whole := Address{Local: a.Local, Domain: domain}
	return checkSpec(whole.Spec()) == nil
}

// ALabels returns a domain in ASCII (RFC 5891, 4.4), and whether it has such a form.
func ALabels(domain string) (string, bool) {
	if !hasNonASCII(domain) {
		return domain, true
	}
	if !utf8.ValidString(domain) {
		return "", false
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	return ascii, err == nil
}

// plainlyComplete reports whether a simple list, as most are, can be seen to have nothing that lacks
// a domain, without being parsed.
func plainlyComplete(list []byte) bool {
	if bytes.ContainsAny(list, "\"(:;\\") {
		return false
	}
	for member := range bytes.SplitSeq(list, []byte{','}) {
		member = member[bytes.LastIndexByte(member, '<')+1:]
		if bytes.IndexByte(member, '@') < 0 && len(bytes.Trim(member, " \t\n")) > 0 {
			return false
		}
	}
	return true
}

// hasComplete reports whether a list has an address with a domain.
func hasComplete(list string) bool {
	for m := range members(list) {
		if m.addr != nil && m.addr.Domain != "" {
			return true
		}
	}
	return false
}

// holdsAddresses reports whether a field holds addresses that everybody may see.
func holdsAddresses(f field) bool {
	return slices.ContainsFunc(addressFields[:], func(s string) bool { return strings.EqualFold(s, baseName(f)) })
}

var addressFields = [...]string{"From", "Sender", "Reply-To", "To", "Cc"}

// baseName returns the name of a field without Resent-.
func baseName(f field) string {
	name := string(f.name)
	if isResent(name) {
		name = name[len("resent-"):]
	}
	return name
}

// Signed are the fields of a header that a signature covers, those among them that are absent too: a
// signature may say that there is none.
type Signed struct {
	all   bool
	names []string
}

// Signed returns the fields that the signatures in the header cover: DKIM (RFC 6376, 3.5), ARC (RFC
// 8617, 4.1.2) and their predecessor. PGP/MIME and S/MIME cover parts of the body alone, which is
// never changed.
func (h *Header) Signed() Signed {
	var s Signed
	for f := range h.fields() {
		if !f.is("DKIM-Signature") && !f.is("ARC-Message-Signature") && !f.is("DomainKey-Signature") {
			continue
		}
		names, ok := coverage(h.text(f))
		s.names = append(s.names, names...)
		s.all = s.all || !ok
	}
	return s
}

// Covers reports whether a signature covers the fields called name.
func (s Signed) Covers(name string) bool {
	return s.all || slices.ContainsFunc(s.names, func(n string) bool { return strings.EqualFold(n, name) })
}

// coverage returns the value of the tag h of a signature, and whether it has one.
func coverage(signature string) (names []string, ok bool) {
	signature = strings.NewReplacer(" ", "", "\t", "").Replace(signature)
	for tag := range strings.SplitSeq(signature, ";") {
		if list, found := strings.CutPrefix(tag, "h="); found {
			return strings.Split(list, ":"), true
		}
	}
	return nil, false
}
