package message

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxAddress is the greatest length of an addr-spec, in octets: RFC 5321 (4.5.3.1.3) gives a path
// 256 octets, two of which are angle brackets. The limit of 64 octets for a local part
// (4.5.3.1.1) is not enforced: mailing lists and forwarders make longer ones (VERP, SRS), and a
// host that does not take them says so.
const MaxAddress = 254

// An Address is one mailbox.
type Address struct {
	Name   string // display name or else comment, unchanged: perhaps RFC 2047, any octets; "" if none
	Local  string // local part, without the quotes and backslashes it may need
	Domain string // "" for a local name; a domain-literal has its brackets
}

// Spec returns the addr-spec, the address as it goes into an envelope: the
// local part is quoted if, and only if, it needs to be (RFC 5322, 3.4.1).
func (a Address) Spec() string {
	local := a.Local
	if !isDotAtom(local) {
		local = quote(local)
	}
	if a.Domain == "" {
		return local
	}
	return local + "@" + a.Domain
}

// String is Spec.
func (a Address) String() string { return a.Spec() }

// CheckAddress returns an error unless spec is an addr-spec that can stand in an SMTP command, in
// a header and in the arguments of a local delivery agent without meaning anything else there. It
// may consist only of a local part of atoms and dots, or a quoted-string of printable characters;
// and, if it has a domain, "@" and atoms between dots, or a domain-literal. It must be valid
// UTF-8 without control characters, must not be longer than MaxAddress octets, and without a
// domain must not begin with "-", which would make it an option.
func CheckAddress(spec string) error {
	if err := checkSpec(spec); err != nil {
		return fmt.Errorf("address %s: %w", shown(spec), err)
	}
	return nil
}

func checkSpec(spec string) error {
	switch {
	case spec == "":
		return errors.New("it is empty")
	case len(spec) > MaxAddress:
		return fmt.Errorf("longer than %d octets", MaxAddress)
	case !utf8.ValidString(spec):
		return errors.New("not valid UTF-8")
	case strings.ContainsFunc(spec, unicode.IsControl):
		return errors.New("it has a control character in it")
	}
	local, rest, quoted := cutLocal(spec)
	domain, hasDomain := strings.CutPrefix(rest, "@")
	switch {
	case local == "":
		return errors.New("nothing before the @")
	case !quoted && strings.ContainsFunc(local, notAtextOrDot):
		return errors.New("a character in the local part has to be in quotes")
	case !hasDomain && rest != "":
		return errors.New("something stands between the quoted local part and the @")
	case !hasDomain && strings.HasPrefix(local, "-"):
		return errors.New("a local name cannot begin with a dash")
	case hasDomain && !isDomain(domain):
		return errors.New("no valid domain after the @")
	}
	return nil
}

// cutLocal splits spec into the local part, without its quotes if it has them, and the rest. An
// unclosed quote is left where it is.
func cutLocal(spec string) (local, rest string, quoted bool) {
	if strings.HasPrefix(spec, `"`) {
		if text, n := scanQuoted(spec); n > 0 {
			return text, spec[n:], true
		}
	}
	if at := strings.IndexByte(spec, '@'); at >= 0 {
		return spec[:at], spec[at:], false
	}
	return spec, "", false
}

// isDomain reports whether s is a dot-atom or a domain-literal. Whether there can be such a host
// is for the smart host to decide.
func isDomain(s string) bool {
	if strings.HasPrefix(s, "[") {
		_, n := scanLiteral(s)
		return n == len(s)
	}
	return isDotAtom(s)
}

// isDotAtom reports whether s is a dot-atom-text (RFC 5322, 3.2.3).
func isDotAtom(s string) bool {
	return s != "" && s[0] != '.' && s[len(s)-1] != '.' &&
		!strings.Contains(s, "..") && !strings.ContainsFunc(s, notAtextOrDot)
}

func notAtextOrDot(r rune) bool { return r < utf8.RuneSelf && r != '.' && !isAtext(byte(r)) }

// quote returns s as a quoted-string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// shown returns s in quotes for an error, printable and not too long.
func shown(s string) string {
	const most = 60
	if len(s) <= most {
		return strconv.Quote(s)
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}
