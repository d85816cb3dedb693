package message

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
	"time"
	"unicode/utf8"
)

// FormatDate returns t in the form of the Date: field (RFC 5322, 3.3), in the
// time zone that t is in.
func FormatDate(t time.Time) string {
	return t.Format("Mon, 2 Jan 2006 15:04:05 -0700")
}

// NewMessageID returns a new value for Message-ID: (RFC 5322, 3.6.4), angle
// brackets included: the time in UTC and 100 random bits before the "@",
// domain behind it. A domain that cannot stand there (empty, not ASCII, no
// dot-atom) is replaced by "localhost"; the random bits alone make it unique.
func NewMessageID(t time.Time, domain string) string {
	if !isDotAtom(domain) || len(domain) > MaxAddress || hasNonASCII(domain) {
		domain = "localhost"
	}
	var random [13]byte
	rand.Read(random[:]) // never fails
	id := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random[:])[:20]
	return "<" + t.UTC().Format("20060102150405") + "." + id + "@" + domain + ">"
}

func hasNonASCII(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
