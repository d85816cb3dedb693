package tree

import "strings"

// A parser for all of YAML adds more to the start of each program that links it than reading a
// configuration takes, and a submission is over in a few milliseconds. Scan reads the form that
// almost all configurations have. It reads that form as the parser does, and leaves everything
// else in YAML alone.

// Bounds of what is read here.
const (
	maxDepth = 6   // levels of mappings and lists
	maxLine  = 512 // octets; YAML limits the key of a mapping, too
)

// Scan reads a file of the plainest YAML: ASCII without tabs; mappings and lists in block style,
// each key and its value in one line; lists in brackets within a line; scalars without quotes or
// in quotes without escapes; comments. It returns nil if it meets anything else, YAML or an
// error, and if there is nothing.
func Scan(data []byte) *Node {
	s := &scanner{}
	if !s.split(string(data)) || len(s.lines) == 0 || s.lines[0].indent != 0 {
		return nil
	}
	n := s.block(0, 0)
	if n == nil || len(s.lines) > 0 {
		return nil
	}
	return n
}

// A line is one that is neither blank nor only a comment.
type line struct {
	number int
	indent int    // blanks before text
	text   string // without blanks at both ends
}

// A scanner has the lines that are still to be read.
type scanner struct{ lines []line }

// split splits a text into lines, and reports whether all of them can be read here.
func (s *scanner) split(text string) bool {
	for number := 1; text != ""; number++ {
		l, rest, _ := strings.Cut(text, "\n")
		text = rest
		if len(l) > maxLine || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r > '~' }) {
			return false
		}
		bare := strings.TrimLeft(l, " ")
		if bare != "" && bare[0] != '#' {
			s.lines = append(s.lines, line{number, len(l) - len(bare), strings.TrimRight(bare, " ")})
		}
	}
	return true
}

// block reads a mapping or a list whose first line comes next, with this indentation.
func (s *scanner) block(indent, depth int) *Node {
	switch {
	case depth > maxDepth:
		return nil
	case isItem(s.lines[0].text):
		return s.list(indent, depth)
	}
	return s.mapping(indent, depth)
}

// isItem reports whether a line begins an item of a list.
func isItem(text string) bool { return strings.HasPrefix(text, "- ") }

// list reads a list, up to the end of its indentation.
func (s *scanner) list(indent, depth int) *Node {
	n := &Node{Line: s.lines[0].number, Kind: List}
	for len(s.lines) > 0 && s.lines[0].indent == indent && isItem(s.lines[0].text) {
		l := &s.lines[0]
		bare := strings.TrimLeft(l.text[1:], " ")
		var item *Node
		if key, _ := cutKey(bare); key != "" {
			// It is a mapping whose first key stands in the column behind the dash.
			l.indent += len(l.text) - len(bare)
			l.text = bare
			item = s.mapping(l.indent, depth+1)
		} else {
			item = s.value(bare, l.number)
			s.lines = s.lines[1:]
		}
		if item == nil || !s.endsAt(indent) {
			return nil
		}
		n.Items = append(n.Items, item)
	}
	return n
}

// endsAt reports whether the next line no longer belongs to the item or field that was read last.
func (s *scanner) endsAt(indent int) bool { return len(s.lines) == 0 || s.lines[0].indent <= indent }

// mapping reads a mapping, up to the end of its indentation.
func (s *scanner) mapping(indent, depth int) *Node {
	if depth > maxDepth {
		return nil
	}
	n := &Node{Line: s.lines[0].number, Kind: Map}
	for len(s.lines) > 0 && s.lines[0].indent == indent && !isItem(s.lines[0].text) {
		l := s.lines[0]
		key, text := cutKey(l.text)
		if key == "" {
			return nil
		}
		s.lines = s.lines[1:]
		var value *Node
		switch {
		case text != "":
			value = s.value(text, l.number)
		case len(s.lines) == 0:
			return nil
		case s.lines[0].indent > indent:
			value = s.block(s.lines[0].indent, depth+1)
		case s.lines[0].indent == indent && isItem(s.lines[0].text):
			value = s.list(indent, depth+1) // a list may stand right below its key
		}
		if value == nil || !s.endsAt(indent) {
			return nil
		}
		n.Fields = append(n.Fields, Field{Key: key, Line: l.number, Value: value})
	}
	return n
}

// cutKey returns the key that a line begins with, "" if there is none, and what follows it.
func cutKey(text string) (key, rest string) {
	i := 0
	for i < len(text) && (text[i] >= 'a' && text[i] <= 'z' || text[i] == '_') {
		i++
	}
	if i == 0 || i == len(text) || text[i] != ':' || i+1 < len(text) && text[i+1] != ' ' {
		return "", ""
	}
	return text[:i], strings.TrimLeft(text[i+1:], " ")
}

// value reads a value that stands in one line.
func (s *scanner) value(text string, number int) *Node {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		return flow(inner, number)
	}
	n, rest := scalar(text, number, false)
	if n == nil {
		return nil
	}
	if rest != "" {
		// Only a comment can follow; scalar has checked for the blank before it.
		n.Comment = rest
	}
	return n
}

// flow reads a list in brackets, behind the first of them.
func flow(text string, number int) *Node {
	n := &Node{Line: number, Kind: List}
	for text = strings.TrimLeft(text, " "); text != "]"; {
		item, rest := scalar(text, number, true)
		if item == nil || rest == "" {
			return nil
		}
		n.Items = append(n.Items, item)
		if rest[0] == ',' {
			text = strings.TrimLeft(rest[1:], " ")
			if text == "]" {
				return nil // one comma too many, which YAML allows
			}
			continue
		}
		text = rest
		if text != "]" {
			return nil
		}
	}
	return n
}

// scalar reads a scalar and returns what follows it: nothing or a comment or, in a list in
// brackets, the comma or the bracket.
func scalar(text string, number int, inList bool) (n *Node, rest string) {
	if text == "" {
		return nil, ""
	}
	n = &Node{Line: number, Kind: Text}
	if quote := text[0]; quote == '"' || quote == '\'' {
		end := strings.IndexByte(text[1:], quote)
		if end < 0 {
			return nil, ""
		}
		n.Text, rest = text[1:1+end], text[end+2:]
		if strings.IndexByte(n.Text, '\\') >= 0 && quote == '"' {
			return nil, ""
		}
	} else {
		n.Plain = true
		n.Text, rest = cutPlain(text, inList)
		if !goodPlain(n.Text) {
			return nil, ""
		}
	}
	blanks := len(rest) - len(strings.TrimLeft(rest, " "))
	rest = rest[blanks:]
	switch {
	case inList && rest != "" && (rest[0] == ',' || rest[0] == ']'):
	case !inList && (rest == "" || blanks > 0 && rest[0] == '#'):
	default:
		return nil, ""
	}
	return n, rest
}

// cutPlain returns a scalar without quotes, and what follows it.
func cutPlain(text string, inList bool) (plain, rest string) {
	end := strings.Index(text, " #")
	if end < 0 {
		end = len(text)
	}
	if inList {
		if i := strings.IndexAny(text[:end], ",?[]{}"); i >= 0 {
			end = i
		}
	}
	plain = strings.TrimRight(text[:end], " ")
	return plain, text[len(plain):]
}

// goodPlain reports whether a scalar without quotes is nothing but a text.
func goodPlain(s string) bool {
	if s == "" || strings.EqualFold(s, "null") {
		return false
	}
	c := s[0]
	if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '/' || c == '.') {
		return false // an indicator, perhaps
	}
	return !strings.Contains(s, ": ") && !strings.HasSuffix(s, ":")
}
