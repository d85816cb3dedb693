package message

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	lineWidth      = 76                          // octets in a line that has an encoded word (RFC 2047, 2)
	maxEncodedWord = lineWidth - len("Sender: ") // octets in one, so that the first one fits too
)

// FormatMailbox returns a mailbox for a field such as From:. name is the display name in UTF-8,
// perhaps empty. The name is quoted if necessary, or made into encoded words (RFC 2047) if it is
// not ASCII; octets that are not UTF-8 keep their value as "unknown-8bit" (RFC 1428). The value
// is folded to fit after "From: " or "Sender: ". Control characters in the name, and a spec that
// CheckAddress refuses, are errors.
func FormatMailbox(name, spec string) (string, error) {
	if err := CheckAddress(spec); err != nil {
		return "", err
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return "", fmt.Errorf("name %s: it has a control character in it", shown(name))
	}
	name = strings.Trim(name, " ")
	if name == "" {
		return spec, nil
	}
	phrase := formatPhrase(name)
	lastLine := len("Sender: ") + len(phrase)
	if i := strings.LastIndexByte(phrase, '\n'); i >= 0 {
		lastLine = len(phrase) - i
	}
	if lastLine+len(" <>")+len(spec) > lineWidth {
		return phrase + "\n <" + spec + ">", nil
	}
	return phrase + " <" + spec + ">", nil
}

// formatPhrase returns name as a phrase (RFC 5322, 3.2.5): as it is, quoted or
// encoded.
func formatPhrase(name string) string {
	switch {
	case hasNonASCII(name) || len(name) > maxFieldName/2:
		return encodeWords(name)
	case strings.ContainsFunc(name, func(r rune) bool { return r != ' ' && !isAtext(byte(r)) }),
		strings.Contains(name, "=?"): // would be decoded
		return quote(name)
	}
	return name
}

// encodeWords returns s as encoded words, one on each line, none of which splits a character: in
// Q if enough of it stays readable, in B otherwise.
func encodeWords(s string) string {
	open, encode := "=?utf-8?q?", encodeQ
	if len(encodeQ(s)) > 2*len(s) {
		open, encode = "=?utf-8?b?", encodeB
	}
	if !utf8.ValidString(s) {
		open = strings.Replace(open, "utf-8", "unknown-8bit", 1)
	}
	var words []string
	for s != "" {
		n := 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if len(open)+len(encode(s[:n+size]))+len("?=") > maxEncodedWord {
				break
			}
			n += size
		}
		words = append(words, open+encode(s[:n])+"?=")
		s = s[n:]
	}
	return strings.Join(words, "\n ")
}

func encodeB(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// encodeQ encodes s in the form of Q that is allowed in a phrase (RFC 2047, 5(3)).
func encodeQ(s string) string {
	const hex = "0123456789ABCDEF"
	var q strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c == ' ':
			q.WriteByte('_')
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9',
			strings.IndexByte("!*+-/", c) >= 0:
			q.WriteByte(c)
		default:
			q.Write([]byte{'=', hex[c>>4], hex[c&15]})
		}
	}
	return q.String()
}
