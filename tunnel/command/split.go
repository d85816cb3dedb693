package command

import (
	"errors"
	"fmt"
	"strings"
)

// unquotedSpecial are the characters with a meaning to a shell. As plain text they must be
// quoted, lest someone believe that a shell runs the line.
const unquotedSpecial = "|&;<>()$`"

// splitWords splits a command line into words at blanks and line ends, as a shell would: single
// quotes keep everything; double quotes keep everything but a backslash before one of $ ` " \ ; a
// backslash outside quotes keeps the next character. Nothing is expanded.
func splitWords(line string) ([]string, error) {
	if strings.ContainsRune(line, 0) {
		return nil, errors.New("a NUL character in the command")
	}
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
			continue
		case c == '\'' || c == '"':
			n, err := unquote(&word, line[i:])
			if err != nil {
				return nil, err
			}
			i += n - 1
		case c == '\\':
			if i++; i == len(line) {
				return nil, errors.New("a backslash with nothing after it")
			}
			word.WriteByte(line[i])
		case strings.IndexByte(unquotedSpecial, c) >= 0:
			return nil, fmt.Errorf("%q has no meaning here, for no shell runs the command; quote it, or put the line into a script", c)
		default:
			word.WriteByte(c)
		}
		inWord = true
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// unquote writes the text of the quoted string that s begins with, and returns how
// many octets of s it takes.
func unquote(word *strings.Builder, s string) (int, error) {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote:
			return i + 1, nil
		case c == '\\' && quote == '"' && i+1 < len(s) && strings.IndexByte("$`\"\\", s[i+1]) >= 0:
			i++
			word.WriteByte(s[i])
		default:
			word.WriteByte(c)
		}
	}
	return 0, fmt.Errorf("a %c that is never closed", quote)
}
