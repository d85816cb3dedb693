package localmda

import (
	"errors"
	"strings"
)

// senderVariable is the environment variable that %F expands to.
const senderVariable = "ESMTPQ_SENDER"

// A shellLine is the person's command with its %T and %F turned into quoted expansions.
type shellLine struct {
	text         string
	perRecipient bool // %T occurs
}

// parseLine replaces every %T and %F in command, a line for /bin/sh, so that each is its value
// and nothing more, whatever quotes it is in:
//
//	mda %T          mda "$@"
//	mda "to %T"     mda "to $@"
//	mda 'to %T'     mda 'to '"$@"''
//	mda \%T         mda "$@"
//
// Inside $( ), backquotes, ( ) and ${ } the same holds. "$@" is one word, since the line is
// called with one recipient. Nothing else is replaced; comments stay as they are. The value never
// becomes part of the line. So where this function reads the line differently from the shell (a
// case pattern inside $( ) is such a place), a value can be split at blanks at worst, but never
// be run.
//
// The error says which quote or bracket is never closed, or that there is a here-document, in
// which other rules of quoting apply.
func parseLine(command string) (shellLine, error) {
	if strings.IndexByte(command, 0) >= 0 {
		return shellLine{}, errors.New("a NUL character in the command")
	}
	s := scanner{in: command}
	if err := s.plain(0); err != nil {
		return shellLine{}, err
	}
	if s.hereDocument && (s.recipient || s.sender) {
		return shellLine{}, errors.New("%T and %F cannot be used in a line with a here-document; put it into a script")
	}
	return shellLine{text: s.out.String(), perRecipient: s.recipient}, nil
}

// maxDepth bounds how deep quotes and brackets may nest.
const maxDepth = 50

// A scanner copies a shell line from in to out, and knows at each point which quotes it is in.
type scanner struct {
	in    string
	pos   int
	out   strings.Builder
	depth int

	recipient, sender bool // %T, %F occurred
	hereDocument      bool // << occurred
}

// rest returns the text that is still to be read.
func (s *scanner) rest() string { return s.in[s.pos:] }

// copy copies n octets, or as many as are left.
func (s *scanner) copy(n int) {
	n = min(n, len(s.in)-s.pos)
	s.out.WriteString(s.in[s.pos : s.pos+n])
	s.pos += n
}

// expand replaces %T or %F, if one comes next, by its expansion between the given quotes. A
// backslash before it, which would escape the percent sign, is removed as well.
func (s *scanner) expand(open, closing string, backslash bool) bool {
	n := 2
	rest := s.rest()
	if backslash && strings.HasPrefix(rest, `\`) {
		rest, n = rest[1:], 3
	}
	var value string
	switch {
	case strings.HasPrefix(rest, "%T"):
		value, s.recipient = "$@", true
	case strings.HasPrefix(rest, "%F"):
		value, s.sender = "${"+senderVariable+"}", true
	default:
		return false
	}
	s.out.WriteString(open + value + closing)
	s.pos += n
	return true
}

// nested bounds the depth while f reads what is inside quotes or brackets.
func (s *scanner) nested(f func(end byte) error, end byte) error {
	if s.depth++; s.depth > maxDepth {
		return errors.New("quotes and brackets nest too deep")
	}
	defer func() { s.depth-- }()
	return f(end)
}

// plain copies text that is not quoted, up to and including end; with end 0, to the end of the
// line.
func (s *scanner) plain(end byte) error {
	for s.pos < len(s.in) {
		var err error
		switch c := s.in[s.pos]; {
		case s.expand(`"`, `"`, true):
		case c == end && end != 0:
			s.copy(1)
			return nil
		case c == '\\':
			s.copy(2)
		case c == '\'':
			err = s.single()
		case c == '"':
			s.copy(1)
			err = s.nested(s.double, '"')
		case c == '#' && end != '}' && s.atWordStart():
			s.comment()
		case c == '(':
			s.copy(1)
			err = s.nested(s.plain, ')')
		case strings.HasPrefix(s.rest(), "<<"):
			s.hereDocument = true
			s.copy(2)
		default:
			err = s.substitution(false)
		}
		if err != nil {
			return err
		}
	}
	return unclosed(end)
}

// double copies text inside double quotes, up to and including end, which is a brace in
// "${name:-word}" and the like.
func (s *scanner) double(end byte) error {
	for s.pos < len(s.in) {
		var err error
		switch c := s.in[s.pos]; {
		case s.expand("", "", true):
		case c == end:
			s.copy(1)
			return nil
		case c == '\\':
			s.copy(2)
		case c == '"': // inside the braces of "${name:-"word"}"
			s.copy(1)
			err = s.nested(s.double, '"')
		default:
			err = s.substitution(true)
		}
		if err != nil {
			return err
		}
	}
	return unclosed(end)
}

// substitution copies one of the substitutions that work with and without double quotes around
// them, or one character if none comes next.
func (s *scanner) substitution(quoted bool) error {
	rest := s.rest()
	switch {
	case rest[0] == '`':
		return s.backquoted(quoted)
	case strings.HasPrefix(rest, "$("):
		s.copy(2)
		return s.nested(s.plain, ')')
	case strings.HasPrefix(rest, "${"):
		s.copy(2)
		if quoted {
			return s.nested(s.double, '}')
		}
		return s.nested(s.plain, '}')
	}
	s.copy(1)
	return nil
}

// backquoted copies a command in backquotes. The shell takes the command out, removes one layer
// of backslashes, and only then looks at its quotes. This function does the same, and puts the
// layer back if something was replaced.
func (s *scanner) backquoted(quoted bool) error {
	escapable := "`$\\"
	if quoted {
		escapable += `"`
	}
	var body strings.Builder
	for i := s.pos + 1; i < len(s.in); i++ {
		switch c := s.in[i]; {
		case c == '`':
			return s.replaceBackquoted(body.String(), escapable, i+1)
		case c == '\\' && i+1 < len(s.in) && strings.IndexByte(escapable, s.in[i+1]) >= 0:
			i++
			body.WriteByte(s.in[i])
		default:
			body.WriteByte(c)
		}
	}
	return unclosed('`')
}

// replaceBackquoted copies the command in backquotes that ends before end and has the text body.
func (s *scanner) replaceBackquoted(body, escapable string, end int) error {
	inner := scanner{in: body, depth: s.depth}
	if err := inner.nested(inner.plain, 0); err != nil {
		return err
	}
	s.hereDocument = s.hereDocument || inner.hereDocument
	if !inner.recipient && !inner.sender {
		s.copy(end - s.pos)
		return nil
	}
	s.recipient, s.sender = s.recipient || inner.recipient, s.sender || inner.sender
	s.out.WriteByte('`')
	for _, c := range []byte(inner.out.String()) {
		if strings.IndexByte(escapable, c) >= 0 {
			s.out.WriteByte('\\')
		}
		s.out.WriteByte(c)
	}
	s.out.WriteByte('`')
	s.pos = end
	return nil
}

// single copies a string in single quotes. Nothing is expanded inside, so %T closes the quotes
// and reopens them.
func (s *scanner) single() error {
	s.copy(1)
	for s.pos < len(s.in) {
		switch {
		case s.expand(`'"`, `"'`, false):
		case s.in[s.pos] == '\'':
			s.copy(1)
			return nil
		default:
			s.copy(1)
		}
	}
	return unclosed('\'')
}

// comment copies a comment, up to the end of the line.
func (s *scanner) comment() {
	n := strings.IndexByte(s.rest(), '\n')
	if n < 0 {
		n = len(s.rest())
	}
	s.copy(n)
}

// atWordStart reports whether a word could start here, so that # would begin a comment.
func (s *scanner) atWordStart() bool {
	return s.pos == 0 || strings.IndexByte(" \t\n;&|()", s.in[s.pos-1]) >= 0
}

func unclosed(end byte) error {
	if end == 0 {
		return nil
	}
	return errors.New("a " + string(opening(end)) + " that is never closed")
}

// opening is the character that end closes.
func opening(end byte) byte {
	switch end {
	case ')':
		return '('
	case '}':
		return '{'
	}
	return end
}
