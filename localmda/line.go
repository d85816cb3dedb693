package localmda

import (
	"errors"
	"slices"
	"strings"

	"esmtpq/helper"
)

// senderVariable is the environment variable that %F expands to.
const senderVariable = "ESMTPQ_SENDER"

// A shellLine is the person's command with its %T and %F turned into quoted expansions.
type shellLine struct {
	text         string
	perRecipient bool // %T occurs
	joined       bool // and not only as a word of its own
	sender       bool // %F occurs
	pipeline     bool // | occurs
	remarks      []string
}

// leader is the shell that the line's own shell runs under. A line can end in an exec, and some
// shells exec the last command of any line. If that is a set-id program, such as Debian's procmail,
// its environment cannot be read, and so neither the mark of the call. This shell stays, shows the
// mark, and leads the session in which the rest is found.
const leader = `/bin/sh -c "$0" sh "$@"; exit $?`

// pipefail makes the status of a pipeline that of its last command that failed, in a shell that
// knows how: a filter that is missing must not pass for success. Others (dash before 0.5.13) go on.
const pipefail = "command set -o pipefail 2>/dev/null\n"

// command returns the command that runs the line with positional parameters.
func (l *shellLine) command(params ...string) *helper.Command {
	text := l.text
	if l.pipeline {
		text = pipefail + text
	}
	return &helper.Command{Argv: append([]string{"/bin/sh", "-c", leader, text}, params...)}
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
// The error says which quote or bracket is never closed, that there is a here-document, in which
// other rules of quoting apply, or that something other than the shell would read a name as part
// of a program (see [secondReader]).
func parseLine(command string) (shellLine, error) {
	if strings.IndexByte(command, 0) >= 0 {
		return shellLine{}, errors.New("a NUL character in the command")
	}
	known := &carriers{variables: map[string]bool{}}
	s, err := readLine(command, known)
	for n := -1; err == nil && n != known.count(); { // a loop may use what its end sets
		n = known.count()
		s, err = readLine(command, known)
	}
	if err != nil {
		return shellLine{}, err
	}
	if s.hereDocument && (s.recipient || s.sender) {
		return shellLine{}, errors.New("%T and %F cannot be used in a line with a here-document; put it into a script")
	}
	if s.second != "" {
		return shellLine{}, errors.New(s.second)
	}
	return shellLine{s.out.String(), s.recipient, s.joined, s.sender, s.pipeline, s.remarks}, nil
}

// readLine reads the line once, and adds to what is known to carry a name.
func readLine(command string, known *carriers) (*scanner, error) {
	s := &scanner{in: command, known: known, parameters: true}
	if err := s.plain(0); err != nil {
		return nil, err
	}
	s.endCommand()
	return s, nil
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
	joined            bool // %T occurred as a part of a word
	hereDocument      bool // << occurred
	pipeline          bool // | occurred

	known      *carriers
	parameters bool // the positional parameters are names

	words   words    // of the simple command being read
	named   bool     // a name occurred in an earlier command
	second  string   // what is wrong with how a name is used; "" for nothing
	remarks []string // what may be wrong
}

// rest returns the text that is still to be read.
func (s *scanner) rest() string { return s.in[s.pos:] }

// copy copies n octets, or as many as are left.
func (s *scanner) copy(n int) {
	n = min(n, len(s.in)-s.pos)
	s.out.WriteString(s.in[s.pos : s.pos+n])
	s.pos += n
}

// literal copies n octets, the last of which is a character of a word.
func (s *scanner) literal(n int) {
	s.copy(n)
	if s.pos > 0 {
		s.words.add(s.in[s.pos-1 : s.pos])
	}
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
		s.joined = s.joined || !alone(s.in[:s.pos], s.in[s.pos+n:])
	case strings.HasPrefix(rest, "%F"):
		value, s.sender = "${"+senderVariable+"}", true
	default:
		return false
	}
	s.out.WriteString(open + value + closing)
	s.pos += n
	s.words.name()
	return true
}

// alone reports whether what stands between two texts is a word of its own, perhaps in quotes.
func alone(before, after string) bool {
	for _, quote := range [...]string{`"`, "'"} {
		if b, ok := strings.CutSuffix(before, quote); ok && strings.HasPrefix(after, quote) {
			before, after = b, after[1:]
			break
		}
	}
	return (before == "" || strings.IndexByte(" \t\n", before[len(before)-1]) >= 0) &&
		(after == "" || strings.IndexByte(" \t\n;&|)<>", after[0]) >= 0)
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
			s.literal(2)
		case c == '\'':
			err = s.single()
		case c == '"':
			s.copy(1)
			s.words.add("")
			err = s.nested(s.double, '"')
		case c == '#' && end != '}' && s.atWordStart():
			s.comment()
		case c == '(':
			s.endCommand()
			s.copy(1)
			err = s.nested(s.plain, ')')
			s.endCommand()
		case strings.IndexByte(" \t", c) >= 0:
			s.copy(1)
			s.words.end()
		case strings.IndexByte(";&|\n)", c) >= 0:
			s.separator()
		case strings.HasPrefix(s.rest(), "<<"):
			s.hereDocument = true
			s.copy(2)
		case c == '<' || c == '>':
			s.copy(1)
			if rest := s.rest(); rest != "" && strings.IndexByte("&|>", rest[0]) >= 0 {
				s.copy(1)
			}
			s.words.written = s.words.written || c == '>'
			s.words.redirect()
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
			s.literal(2)
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
	case strings.HasPrefix(rest, "$(("):
		return s.arithmetic()
	case strings.HasPrefix(rest, "$("):
		return s.inner(2, s.plain, ')')
	case strings.HasPrefix(rest, "${"):
		s.words.expansion(s.isNamed(rest[2:]))
		f := s.plain
		if quoted {
			f = s.double
		}
		err := s.inner(2, f, '}')
		if s.words.last().named { // "${name:=%T}"
			s.known.set(variable(rest[2:]))
		}
		return err
	case rest[0] == '$':
		s.copy(1)
		s.words.expansion(s.isNamed(rest[1:]))
		return nil
	}
	s.literal(1)
	return nil
}

// arithmetic copies "$((...))". Some shells, bash for one, run what is in the value of a variable
// there: "a[$(command)]".
func (s *scanner) arithmetic() error {
	start, w := s.pos, s.words.last()
	before := w.named
	w.named = false
	err := s.inner(2, s.plain, ')')
	w = s.words.last()
	text := s.in[start:s.pos]
	named := w.named || slices.ContainsFunc(strings.FieldsFunc(text, func(r rune) bool { return !isNameRune(r) }), s.known.has)
	if named && strings.HasSuffix(text, "))") {
		s.note(refusal("the arithmetic of the shell", "leave it out of $(( ))"))
	}
	w.named = w.named || before
	return err
}

// isNamed reports whether an expansion, whose text begins with the name of a parameter, stands
// for a name: a positional parameter, which a line may write itself, or a variable set from one.
func (s *scanner) isNamed(text string) bool {
	text = strings.TrimLeft(text, "#!")
	if s.parameters && text != "" && strings.IndexByte("123456789@*", text[0]) >= 0 {
		return true
	}
	return s.known.has(variable(text))
}

// inner copies n octets and reads what they open, which has words of its own, and commands but for
// ${ }.
func (s *scanner) inner(n int, f func(byte) error, end byte) error {
	outer := s.words
	s.words = words{}
	s.copy(n)
	err := s.nested(f, end)
	named := s.words.named() || s.words.before
	if end != '}' {
		s.endCommand()
	}
	s.words = outer
	s.words.expansion(named)
	return err
}

// separator copies what is between two commands.
func (s *scanner) separator() {
	n := 1
	pipe := s.in[s.pos] == '|'
	if pipe && strings.HasPrefix(s.rest()[1:], "|") {
		n, pipe = 2, false
	}
	s.copy(n)
	s.endCommand()
	if pipe {
		s.words.piped, s.pipeline = true, true
	}
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
	inner := scanner{in: body, depth: s.depth, named: s.named, known: s.known, parameters: s.parameters}
	if err := inner.nested(inner.plain, 0); err != nil {
		return err
	}
	s.takes(&inner)
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

// takes notes what was found in a command in backquotes.
func (s *scanner) takes(inner *scanner) {
	named := inner.words.named() || inner.words.before
	inner.endCommand()
	s.words.expansion(named)
	s.named, s.pipeline = inner.named, s.pipeline || inner.pipeline
	s.hereDocument, s.joined = s.hereDocument || inner.hereDocument, s.joined || inner.joined
	s.remarks = append(s.remarks, inner.remarks...)
	if s.second == "" {
		s.second = inner.second
	}
}

// single copies a string in single quotes. Nothing is expanded inside, so %T closes the quotes
// and reopens them.
func (s *scanner) single() error {
	s.copy(1)
	s.words.add("")
	for s.pos < len(s.in) {
		switch {
		case s.expand(`'"`, `"'`, false):
		case s.in[s.pos] == '\'':
			s.copy(1)
			return nil
		default:
			s.literal(1)
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
