package smtp

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxAddress is the longest address sent, in octets. RFC 5321, 4.5.3.1 has 64 for the local part
// and 255 for the domain, but senders that encode another address in the local part are common.
// The host decides whether an address is too long.
const maxAddress = 500

// ErrUTF8Local is the error for an address that only a host with SMTPUTF8 takes.
var ErrUTF8Local = errors.New("has characters outside ASCII before the @, and the host does not offer SMTPUTF8")

// WireAddress returns an address as it goes between < and >, and whether it needs SMTPUTF8. An
// address is never changed into another one: an address that cannot be represented is an error. A
// domain outside ASCII has an equivalent form in ASCII (RFC 5890), which every host understands;
// a local part has none.
func WireAddress(addr string, smtputf8 bool) (wire string, needsUTF8 bool, err error) {
	if err := checkAddress(addr); err != nil {
		return "", false, err
	}
	if isASCII(addr) {
		return addr, false, nil
	}
	at := strings.LastIndexByte(addr, '@')
	local, domain := addr[:at+1], addr[at+1:]
	if !isASCII(local) || at < 0 {
		if !smtputf8 {
			return "", false, ErrUTF8Local
		}
		return addr, true, nil
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || ascii == "" { // some characters stand for nothing
		return "", false, errors.New("has a domain that is not a valid name")
	}
	return local + ascii, false, nil
}

// checkAddress refuses a text that could be read as anything other than one address: controls,
// angle brackets, blanks and further @ signs outside a quoted local part.
func checkAddress(addr string) error {
	switch {
	case addr == "":
		return errors.New("is empty")
	case len(addr) > maxAddress:
		return fmt.Errorf("is longer than %d octets", maxAddress)
	case !utf8.ValidString(addr):
		return errors.New("is not valid UTF-8")
	}
	for i := range len(addr) {
		if addr[i] < ' ' || addr[i] == 127 {
			return errors.New("has a control character")
		}
	}
	rest := addr
	if addr[0] == '"' {
		end := quotedEnd(addr)
		if end < 0 {
			return errors.New("has a quotation mark without its match")
		}
		if rest = addr[end:]; rest != "" && rest[0] != '@' {
			return errors.New("has text between the quoted part and the @")
		}
		rest = "x" + rest
	}
	local, domain, found := strings.Cut(rest, "@")
	switch {
	case strings.ContainsAny(rest, " <>\""):
		return errors.New("has a blank, an angle bracket or a quotation mark outside of a quoted part")
	case local == "":
		return errors.New("has nothing before the @")
	case found && domain == "":
		return errors.New("has nothing behind the @")
	case strings.Contains(domain, "@"):
		return errors.New("has more than one @")
	}
	return nil
}

// quotedEnd returns the index after the quoted string that s begins with, -1 if it does not end.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// xtext encodes s for a parameter of MAIL or RCPT (RFC 3461, section 4).
func xtext(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 127 && c != '+' && c != '=' {
			b.WriteByte(c)
		} else {
			b.WriteString(string([]byte{'+', hex[c>>4], hex[c&15]}))
		}
	}
	return b.String()
}

// ASCIIHost returns a host name as DNS and TLS know it (RFC 5890).
func ASCIIHost(name string) (string, error) {
	if isASCII(name) {
		return name, nil
	}
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil {
		return "", errors.New("not a host name: " + err.Error())
	}
	return ascii, nil
}

// isASCII reports whether s has no octet over 127.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] > 127 {
			return false
		}
	}
	return true
}
