package identity

import (
	"bytes"
	"slices"
)

// A tokenKind is a kind of token in an esmtprc.
type tokenKind int

const (
	tokenEnd     tokenKind = iota
	tokenKeyword           // text is the keyword
	tokenWord              // text is the value, escapes done
	tokenNumber            // digits without quotes: never a value
	tokenEquals
)

type token struct {
	kind   tokenKind
	text   string
	line   int
	quoted bool // a word in quotes
}

// nameKeywords are those after which a word may contain colons and be spelled like a keyword.
var nameKeywords = []string{"identity", "host", "hostname", "user", "username", "pass", "password"}

var otherKeywords = []string{
	"tls", "starttls", "passphrase", "certificate_passphrase", "preconnect", "postconnect",
	"qualifydomain", "helo", "force", "reverse_path", "sender", "message_id", "mda", "force_mda",
	"default", "disabled", "enabled", "required",
}

// A lexer splits an esmtprc into tokens, by the rules of esmtp 1.2: newlines are blanks, the
// longer of the quoted and the bare word is taken, and backslashes are special everywhere.
type lexer struct {
	data  []byte
	line  int  // of what comes next
	names bool // the last keyword was one of nameKeywords, its word is still to come
	warn  func(line int, text string)
}

// next returns the next token.
func (l *lexer) next() token {
	l.skip()
	if len(l.data) == 0 {
		return token{kind: tokenEnd, line: l.line}
	}
	if l.data[0] == '=' {
		l.take(1)
		return token{kind: tokenEquals, line: l.line}
	}
	line, names := l.line, l.names
	bare := l.bareLength()
	if quoted := l.quotedLength(); quoted >= bare {
		raw := l.take(quoted)
		l.names = false
		return token{kind: tokenWord, text: l.unescape(raw[1:len(raw)-1], line), line: line, quoted: true}
	}
	raw := l.take(bare)
	l.names = false
	switch {
	case isNumber(raw):
		return token{kind: tokenNumber, line: line}
	case names:
	case slices.Contains(nameKeywords, string(raw)):
		l.names = true
		return token{kind: tokenKeyword, text: string(raw), line: line}
	case slices.Contains(otherKeywords, string(raw)):
		return token{kind: tokenKeyword, text: string(raw), line: line}
	}
	return token{kind: tokenWord, text: l.unescape(raw, line), line: line}
}

// take removes n octets from the rest of the text, and counts their newlines.
func (l *lexer) take(n int) []byte {
	raw := l.data[:n]
	l.line += bytes.Count(raw, []byte("\n"))
	l.data = l.data[n:]
	return raw
}

// skip removes what is between tokens.
func (l *lexer) skip() {
	for len(l.data) > 0 {
		c := l.data[0]
		switch {
		case isBlank(c):
			l.take(1)
		case bytes.HasPrefix(l.data, []byte("\\\n")):
			l.take(2)
		case c == '#':
			// esmtp did not know a comment on a last line without newline; there is no harm in
			// one.
			end := bytes.IndexByte(l.data, '\n')
			if end < 0 {
				end = len(l.data)
			}
			l.take(end)
		case c == ',' || c == ';' || c == ':' && !l.names:
			l.warn(l.line, "a stray \""+string(c)+"\" is left out; a value that holds one must be in quotes")
			l.take(1)
		default:
			return
		}
	}
}

// quotedLength returns the length of the quoted word that comes next, with its
// quotes, 0 if there is none. No backslash protects the closing quote.
func (l *lexer) quotedLength() int {
	q := l.data[0]
	if q != '"' && q != '\'' {
		return 0
	}
	end := bytes.IndexByte(l.data[1:], q)
	if end < 0 {
		return 0
	}
	return end + 2
}

// bareLength returns the length of the bare word that comes next.
func (l *lexer) bareLength() int {
	for i, c := range l.data {
		if isBlank(c) || c == '=' || c == ',' || c == ';' || c == ':' && !l.names {
			return i
		}
	}
	return len(l.data)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func isNumber(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("-"))
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// unescape resolves the escapes of a word: \n \t \b \r, \xHH, \0oo in octal, \ddd in decimal. Any
// other character stands for itself. Where esmtp read past the end of the value, a final
// backslash stands for itself, and a number ends with the value.
func (l *lexer) unescape(raw []byte, line int) string {
	if !bytes.Contains(raw, []byte(`\`)) {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		if i++; i == len(raw) {
			l.warn(line, `a value ends with a backslash, which is kept; write it twice`)
			return string(append(out, '\\'))
		}
		c, n, short := escape(raw[i:])
		if short && i+n == len(raw) {
			l.warn(line, `a value ends with a numeric escape that lacks digits; write all of them`)
		}
		out = append(out, c)
		i += n - 1
	}
	return string(out)
}

// escape reads what follows a backslash: the octet it means, the number of
// octets read, and whether a number could have had more digits.
func escape(s []byte) (c byte, n int, short bool) {
	switch s[0] {
	case 'n':
		return '\n', 1, false
	case 't':
		return '\t', 1, false
	case 'b':
		return '\b', 1, false
	case 'r':
		return '\r', 1, false
	case 'x':
		c, n = digits(s[1:], 16, 2) // without any, a NUL: no value may hold one
		return c, n + 1, n < 2
	case '0':
		c, n = digits(s, 8, 3)
		return c, n, n < 3
	}
	if c, n = digits(s, 10, 3); n > 0 {
		return c, n, n < 3
	}
	return s[0], 1, false
}

// digits reads at most limit digits of a base. As in esmtp, the value is cut to an octet.
func digits(s []byte, base, limit int) (c byte, n int) {
	value := 0
	for n < len(s) && n < limit {
		d := 99
		switch ch := s[n]; {
		case ch >= '0' && ch <= '9':
			d = int(ch - '0')
		case ch >= 'a' && ch <= 'f':
			d = int(ch-'a') + 10
		case ch >= 'A' && ch <= 'F':
			d = int(ch-'A') + 10
		}
		if d >= base {
			break
		}
		value = value*base + d
		n++
	}
	return byte(value), n
}
