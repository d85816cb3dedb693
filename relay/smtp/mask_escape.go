package smtp

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A view is the text of a reply with one kind of escapes undone, some of which a host may have used for any
// of the letters of a secret.
type view struct {
	text       string // as lower returns it, without blanks
	begin, end []int  // where each octet stands in the text of the reply
}

// An escape reads the escape that a text begins with. It returns what that stands for and its length, 0 if
// there is none.
type escape func(text string) (octets string, n int)

// views returns a text as it is, and for each kind of escapes in it without them. line is in which line
// each octet stands.
func views(text string, line []int) []view {
	plain := view{text: lower(text), begin: make([]int, len(text)), end: make([]int, len(text))}
	for i := range len(text) {
		plain.begin[i], plain.end[i] = i, i+1
	}
	all := []view{plain}
	for _, kind := range [...]struct {
		mark byte
		read escape
	}{{'%', hexPair}, {'=', hexPair}, {'+', hexPair}, {'\\', backslash}, {'&', entity}} {
		if strings.IndexByte(text, kind.mark) >= 0 {
			all = append(all, unescaped(text, line, kind.mark, kind.read))
		}
	}
	return all
}

// unescaped returns a text without the escapes that begin with mark.
func unescaped(text string, line []int, mark byte, read escape) view {
	var b strings.Builder
	v := view{begin: make([]int, 0, len(text)), end: make([]int, 0, len(text))}
	for i := 0; i < len(text); {
		octets, n := text[i:i+1], 1
		if text[i] == mark {
			if s, k := read(text[i:]); k > 0 {
				octets, n = s, k
			} else if mark == '=' && (i+1 == len(text) || line[i+1] != line[i]) {
				octets = "" // a soft line break (RFC 2045, 6.7)
			}
		}
		for _, c := range []byte(octets) {
			if c != ' ' && c != '\t' {
				b.WriteByte(c)
				v.begin, v.end = append(v.begin, i), append(v.end, i+n)
			}
		}
		i += n
	}
	v.text = lower(b.String())
	return v
}

// hexPair reads what a mark and two hexadecimal digits stand for: =50 (RFC 2045), %50 (RFC 3986), +50 (RFC
// 3461).
func hexPair(text string) (string, int) {
	if len(text) < 3 {
		return "", 0
	}
	c, err := strconv.ParseUint(text[1:3], 16, 8)
	if err != nil {
		return "", 0
	}
	return string([]byte{byte(c)}), 3
}

// backslash reads an escape as programs write it: \x50, \u0050, \120, and \P for P itself.
func backslash(text string) (string, int) {
	for _, form := range [...]struct {
		open         string
		digits, base int
	}{{`\x`, 2, 16}, {`\u`, 4, 16}, {`\`, 3, 8}} {
		n := len(form.open) + form.digits
		if !strings.HasPrefix(text, form.open) || len(text) < n {
			continue
		}
		if c, err := strconv.ParseUint(text[len(form.open):n], form.base, 16); err == nil {
			return octetsOf(rune(c), form.digits < 4), n
		}
	}
	if len(text) < 2 {
		return "", 0
	}
	return text[1:2], 2
}

// entity reads an escape of HTML: &#80;, &#x50;, &amp;.
func entity(text string) (string, int) {
	end := strings.IndexByte(text[:min(len(text), len("&#1114111;"))], ';')
	if end < 0 {
		return "", 0
	}
	switch name := text[1:end]; {
	case strings.HasPrefix(name, "#"):
		base, digits := 10, name[1:]
		if rest := strings.TrimLeft(digits, "xX"); rest != digits {
			base, digits = 16, rest
		}
		if c, err := strconv.ParseUint(digits, base, 21); err == nil {
			return octetsOf(rune(c), false), end + 1
		}
	default:
		for _, known := range [...][2]string{{"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", `"`}, {"apos", "'"}} {
			if strings.EqualFold(name, known[0]) {
				return known[1], end + 1
			}
		}
	}
	return "", 0
}

// octetsOf returns the octets that a number stands for: itself if it is one octet, or a character.
func octetsOf(c rune, octet bool) string {
	if octet && c < 256 {
		return string([]byte{byte(c)})
	}
	return string(utf8.AppendRune(nil, c))
}
