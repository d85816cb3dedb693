package message

import (
	"crypto/rand"
	"strings"
	"time"
	"unicode/utf8"
)

// FormatDate returns t in the form of the Date: field (RFC 5322, 3.3), in the
// time zone that t is in.
func FormatDate(t time.Time) string {
	return t.Format("Mon, 2 Jan 2006 15:04:05 -0700")
}

// NewMessageID returns a new value for Message-ID: (RFC 5322, 3.6.4), including the angle
// brackets: the time in UTC and 100 random bits before the "@", and domain in A-labels after it. A
// domain that cannot be there (empty, no dot-atom) is replaced by "localhost"; the random bits alone
// make the value unique.
func NewMessageID(t time.Time, domain string) string {
	if domain = IDDomain(domain); domain == "" {
		domain = "localhost"
	}
	random := rand.Text()[:20] // five bits each
	return "<" + t.UTC().Format("20060102150405") + "." + random + "@" + domain + ">"
}

// IDDomain returns the first of some domains that can stand in a Message-ID:, in A-labels; "" if none
// can, as an empty one or an address literal.
func IDDomain(domains ...string) string {
	for _, domain := range domains {
		if ascii, ok := ALabels(domain); ok && isDotAtom(ascii) && len(ascii) <= MaxAddress {
			return ascii
		}
	}
	return ""
}

func hasNonASCII(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
