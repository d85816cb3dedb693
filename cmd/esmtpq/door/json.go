package door

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// EscapeJSON returns JSON with \u escapes for the characters that are not printable, such as C1
// controls, and marks that change the direction of text or have no width.
func EscapeJSON(b []byte) []byte {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if bytes.IndexFunc(b, odd) < 0 {
		return b
	}
	var out []byte
	for _, r := range string(b) {
		switch {
		case !odd(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
