package message

import "strings"

// A tokenKind is a kind of token in a structured field (RFC 5322, 3.2); the specials that have a
// meaning in a list of addresses stand for themselves.
type tokenKind byte

const (
	tokenEnd     tokenKind = 0
	tokenAtom    tokenKind = 'a' // a run of atext, dots and octets over 127
	tokenQuoted  tokenKind = 'q' // a quoted-string, text without quotes and backslashes
	tokenComment tokenKind = 'c' // text without the outer parentheses
	tokenLiteral tokenKind = 'l' // a domain-literal, with its brackets
	tokenStray   tokenKind = '!' // a control character, or a quote or bracket without its pair
)

type token struct {
	kind   tokenKind
	text   string
	spaced bool // there is white space before it
	pos    int
	end    int
}

// maxUnpaired bounds how often the rest of the input is searched in vain for the other end of a
// quote or comment, since each search takes time.
const maxUnpaired = 32

// A lexer splits a structured field into tokens. It takes every input: a quote or a parenthesis
// that is never closed is a stray token, and the text after it is read as if it were not there,
// so that one slip does not swallow a list.
type lexer struct {
	s        string
	pos      int
	unpaired int
}

func (l *lexer) next() token {
	start := l.pos
	l.skipSpace()
	t := token{kind: tokenEnd, pos: l.pos, end: l.pos, spaced: l.pos > start}
	if l.pos == len(l.s) {
		return t
	}
	end := l.pos + 1
	switch c := l.s[l.pos]; {
	case c == '"':
		t.kind, t.text, end = l.pair(tokenQuoted, scanQuoted)
	case c == '(':
		t.kind, t.text, end = l.pair(tokenComment, scanComment)
	case c == '[':
		t.kind, t.text, end = l.pair(tokenLiteral, scanLiteral)
	case strings.IndexByte("<>@,;:", c) >= 0:
		t.kind, t.text = tokenKind(c), l.s[l.pos:end]
	case !isAtext(c) && c != '.':
		t.kind, t.text = tokenStray, l.s[l.pos:end]
	default:
		for end < len(l.s) && (isAtext(l.s[end]) || l.s[end] == '.') {
			end++
		}
		t.kind, t.text = tokenAtom, l.s[l.pos:end]
	}
	t.end = end
	l.pos = end
	return t
}

// pair reads a token that has two ends, using scan. If the other end is missing, it reads only
// the first octet, as a stray.
func (l *lexer) pair(kind tokenKind, scan func(string) (string, int)) (tokenKind, string, int) {
	if l.unpaired < maxUnpaired {
		if text, n := scan(l.s[l.pos:]); n > 0 {
			return kind, text, l.pos + n
		}
		l.unpaired++
	}
	return tokenStray, l.s[l.pos : l.pos+1], l.pos + 1
}

// skipSpace skips blanks and the line ends of folds.
func (l *lexer) skipSpace() {
	for l.pos < len(l.s) {
		if isBlank(l.s[l.pos]) {
			l.pos++
		} else if n := foldAt(l.s[l.pos:]); n > 0 {
			l.pos += n
		} else {
			return
		}
	}
}

// foldAt returns the length of the line end that s begins with, if a blank
// follows it: the fold of a long line. It is 0 otherwise.
func foldAt(s string) int {
	n := 0
	if n < len(s) && s[n] == '\r' {
		n++
	}
	if n < len(s) && s[n] == '\n' {
		n++
	}
	if n > 0 && n < len(s) && isBlank(s[n]) {
		return n
	}
	return 0
}

// scanQuoted reads the quoted-string that s begins with. It returns what it stands for, and its
// length or 0. A line end inside must be part of a fold.
func scanQuoted(s string) (string, int) {
	var text strings.Builder
	for i := 1; i < len(s); {
		switch c := s[i]; {
		case c == '"':
			return text.String(), i + 1
		case c == '\\' && i+1 < len(s) && !isLineEnd(s[i+1]):
			text.WriteByte(s[i+1])
			i += 2
		case isLineEnd(c):
			n := foldAt(s[i:])
			if n == 0 {
				return "", 0
			}
			i += n
		default:
			text.WriteByte(c)
			i++
		}
	}
	return "", 0
}

// scanComment reads the comment, with those nested in it, that s begins with. It returns its text
// and its length, or 0. A comment may contain any octet: no address depends on it.
func scanComment(s string) (string, int) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return unfold(s[1:i]), i + 1
			}
		}
	}
	return "", 0
}

// scanLiteral reads the domain-literal that s begins with. It returns the literal, and its length
// or 0. White space in it, which RFC 5322 allows, cannot go into an SMTP command (RFC 5321,
// 4.1.3) and is not in use.
func scanLiteral(s string) (string, int) {
	for i := 1; i < len(s); i++ {
		if s[i] == ']' {
			return s[:i+1], i + 1
		}
		if !isDtext(s[i]) {
			break
		}
	}
	return "", 0
}

// unfold removes line ends and quoting backslashes from a comment.
func unfold(s string) string {
	if !strings.ContainsAny(s, "\\\r\n") {
		return s
	}
	var text strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		if !isLineEnd(s[i]) {
			text.WriteByte(s[i])
		}
	}
	return text.String()
}

func isLineEnd(c byte) bool { return c == '\r' || c == '\n' }

// isAtext reports whether c can be in an atom (RFC 5322, 3.2.3). Octets over 127 can, by RFC 6532
// and because old mail has them in display names.
func isAtext(c byte) bool {
	return c > ' ' && c != 0x7f && strings.IndexByte(`()<>[]:;@\,."`, c) < 0
}

// isDtext reports whether c can be in a domain-literal (RFC 5322, 3.4.1).
func isDtext(c byte) bool {
	return c > ' ' && c < 0x7f && c != '[' && c != ']' && c != '\\'
}
