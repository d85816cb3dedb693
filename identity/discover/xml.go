package discover

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// The encoding/xml package would make tables at each start of the program, whatever that is started
// for. It also refuses what configurations on the web have: other names of UTF-8, a bare "&", entities
// of HTML. What is needed here is little: elements, their attributes and their text.

// An element is a part of an XML document. Names are in lower case.
type element struct {
	name  string
	attrs map[string]string
	text  string // of its own, without blanks around it
	under []*element
}

const (
	maxElements = 4096
	maxDepth    = 32
)

// child returns the first element of a name; nil if there is none.
func (e *element) child(name string) *element {
	if all := e.all(name); len(all) > 0 {
		return all[0]
	}
	return nil
}

// all returns the elements of a name, in order.
func (e *element) all(name string) []*element {
	var all []*element
	for _, u := range e.under {
		if u.name == name {
			all = append(all, u)
		}
	}
	return all
}

// value returns the text of the first element of a name; "" if there is none.
func (e *element) value(name string) string {
	if u := e.child(name); u != nil {
		return u.text
	}
	return ""
}

// parseXML returns the outermost element of a document; nil if there is none, or if the document is
// cut short, or its tags do not fit together.
func parseXML(doc []byte) *element {
	text := string(doc)
	if !utf8.ValidString(text) {
		runes := make([]rune, len(doc)) // ISO-8859-1, which is what it is then
		for i, b := range doc {
			runes[i] = rune(b)
		}
		text = string(runes)
	}
	top := &element{}
	open := []*element{top}
	for count := 0; count < maxElements; count++ {
		inner := open[len(open)-1]
		before, rest, tag := strings.Cut(text, "<")
		inner.text += entities(before)
		if !tag {
			break
		}
		switch text = rest; {
		case strings.HasPrefix(text, "!--"):
			text = after(text[3:], "-->")
		case strings.HasPrefix(text, "![CDATA["):
			raw, rest, _ := strings.Cut(text[8:], "]]>")
			inner.text, text = inner.text+raw, rest
		case strings.HasPrefix(text, "?"), strings.HasPrefix(text, "!"):
			text = after(text, ">")
		case strings.HasPrefix(text, "/"):
			name, rest, _ := strings.Cut(text[1:], ">")
			if len(open) == 1 || strings.ToLower(strings.TrimSpace(name)) != inner.name {
				return nil
			}
			inner.text = strings.TrimSpace(inner.text)
			open, text = open[:len(open)-1], rest
		default:
			e, rest, closed := startTag(text)
			if e == nil || len(open) > maxDepth {
				return nil
			}
			inner.under = append(inner.under, e)
			if text = rest; !closed {
				open = append(open, e)
			}
		}
	}
	if len(open) != 1 || len(top.under) != 1 {
		return nil
	}
	return top.under[0]
}

// after returns what follows a mark; "" if that is not there.
func after(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	return rest
}

// startTag reads the tag that begins an element, and may end it as well.
func startTag(text string) (e *element, rest string, closed bool) {
	end := strings.IndexAny(text, " \t\r\n/>")
	if end <= 0 {
		return nil, "", false
	}
	e = &element{name: strings.ToLower(text[:end]), attrs: map[string]string{}}
	text = text[end:]
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		switch {
		case strings.HasPrefix(text, "/>"):
			return e, text[2:], true
		case strings.HasPrefix(text, ">"):
			return e, text[1:], false
		}
		name, rest, found := strings.Cut(text, "=")
		rest = strings.TrimLeft(rest, " \t\r\n")
		if !found || rest == "" || rest[0] != '"' && rest[0] != '\'' || strings.ContainsAny(name, "<>") {
			return nil, "", false
		}
		value, rest, found := strings.Cut(rest[1:], rest[:1])
		if !found {
			return nil, "", false
		}
		e.attrs[strings.ToLower(strings.TrimSpace(name))] = entities(value)
		text = rest
	}
}

// entities replaces what stands for a character. What is not known stays.
func entities(s string) string {
	if !strings.Contains(s, "&") {
		return s
	}
	s = strings.NewReplacer("&amp;", "\x00", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&nbsp;", " ").Replace(s)
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "&#")
		b.WriteString(before)
		if !found {
			break
		}
		digits, tail, closed := strings.Cut(rest, ";")
		base := 10
		if hex, is := strings.CutPrefix(strings.ToLower(digits), "x"); is {
			digits, base = hex, 16
		}
		n, err := strconv.ParseInt(digits, base, 32)
		if !closed || err != nil || n < ' ' || !utf8.ValidRune(rune(n)) {
			b.WriteString("&#")
			s = rest
			continue
		}
		b.WriteRune(rune(n))
		s = tail
	}
	return strings.ReplaceAll(b.String(), "\x00", "&")
}
