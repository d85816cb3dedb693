package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWord is the length at which an overlong word is cut, well under MaxLine.
const maxWord = 900

// appendStatusField appends a field of the status part, printable and folded.
func appendStatusField(b []byte, name, value string, ascii bool) []byte {
	value = clean(value, ascii)
	b = append(b, name+":"...)
	width := len(name) + 1
	begun := false
	for _, word := range strings.Fields(value) {
		for word != "" {
			piece := word[:cutAt(word, maxWord)]
			word = word[len(piece):]
			if begun && width+1+len(piece) > lineWidth {
				b = append(b, '\n')
				width = 0
			}
			b = append(append(b, ' '), piece...)
			width += 1 + len(piece)
			begun = true
		}
	}
	return append(b, '\n')
}

// appendText appends printable text for a person, with long lines broken at blanks.
func appendText(b []byte, text string) []byte {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		b = appendWrapped(b, clean(line, false))
	}
	return b
}

func appendWrapped(b []byte, line string) []byte {
	indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
	indent = indent[:min(len(indent), lineWidth/2)]
	for len(line) > lineWidth {
		at := strings.LastIndexByte(line[:lineWidth+1], ' ')
		if at <= len(indent) {
			// It is one long word: up to the next blank, or as far as a line may go.
			at = len(line)
			if i := strings.IndexByte(line[lineWidth:], ' '); i >= 0 {
				at = lineWidth + i
			}
			at = min(at, cutAt(line, maxWord))
		}
		b = append(append(b, line[:at]...), '\n')
		if line = strings.TrimLeft(line[at:], " "); line == "" {
			return b
		}
		line = indent + line
	}
	return append(append(b, line...), '\n')
}

// cutAt returns where to cut s to at most n octets, between two characters.
func cutAt(s string, n int) int {
	if len(s) <= n {
		return len(s)
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

// clean returns s on one line, with a question mark for each character that is not printable:
// terminals obey escapes, and mail is read on terminals.
func clean(s string, ascii bool) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\t' || c == '\r' || c == '\n':
			return ' '
		case c == utf8.RuneError || !unicode.IsPrint(c) || ascii && c >= utf8.RuneSelf:
			return '?'
		}
		return c
	}, s)
}
