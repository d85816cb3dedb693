package smtp

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// saslPrep returns a password in the form of SASLprep (RFC 4013), and whether that is another one
// and can be used. Only some hosts store passwords in this form, so what was typed goes first.
//
// The tables are those of Go's Unicode and not of Unicode 3.2, which matters for characters that
// nobody has on a keyboard. The rule on mixed directions is left out: it forbids, and a form that
// the host does not have is refused anyway.
func saslPrep(password string) (string, bool) {
	ascii := true
	for i := range len(password) {
		ascii = ascii && password[i] < 0x80
	}
	if ascii {
		return password, false
	}
	prepared := norm.NFKC.String(strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Zs, r): // RFC 3454, table C.1.2
			return ' '
		case mappedToNothing(r):
			return -1
		}
		return r
	}, password))
	forbidden := strings.ContainsFunc(prepared, func(r rune) bool {
		return r != ' ' && !unicode.IsGraphic(r) || r == unicode.ReplacementChar
	})
	return prepared, prepared != password && prepared != "" && !forbidden
}

// mappedToNothing reports whether a character is dropped (RFC 3454, table B.1).
func mappedToNothing(r rune) bool {
	switch r {
	case 0xad, 0x34f, 0x1806, 0x180b, 0x180c, 0x180d, 0x200b, 0x200c, 0x200d, 0x2060, 0xfeff:
		return true
	}
	return r >= 0xfe00 && r <= 0xfe0f
}
