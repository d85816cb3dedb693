package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// This file is the only one that knows the YAML package. Its strict decoding
// quotes values in its errors and names Go types, and it loses line numbers; so
// it is used as a parser of nodes only, and the schema is checked by us.

// A nodeKind is a kind of YAML node.
type nodeKind int

const (
	nodeNull nodeKind = iota
	nodeText          // any scalar, as written
	nodeList
	nodeMap
	nodeOther // what the schema has no place for
)

// A node is a part of a YAML file, read or to be written.
type node struct {
	line    int
	kind    nodeKind
	text    string  // of a nodeText
	plain   bool    // written without quotes
	comment string  // on the same line, without "#"
	items   []*node // of a nodeList
	fields  []field // of a nodeMap, in order
}

// A field is one key of a mapping.
type field struct {
	key   string
	line  int
	value *node
}

// readNodes parses a file of one document; nil means that there is none.
func readNodes(path string, data []byte) (*node, error) {
	if !utf8.Valid(data) {
		return nil, &ConfigError{File: path, Line: lineOf(data, invalidUTF8(data)), Text: "is not UTF-8"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, yamlError(path, data, err)
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, &ConfigError{File: path, Line: second.Line, Text: "a second document begins here; there can be only one"}
	} else if err != io.EOF {
		return nil, yamlError(path, data, err)
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return convert(document.Content[0], 0), nil
}

// convert makes a node of a parsed one.
func convert(y *yaml.Node, depth int) *node {
	n := &node{line: y.Line, kind: nodeOther}
	if y.Kind == yaml.AliasNode && y.Alias.Kind == yaml.ScalarNode {
		y = y.Alias // of other kinds it could be endless
	}
	if depth > 8 {
		return n // no schema is so deep
	}
	switch y.Kind {
	case yaml.ScalarNode:
		convertScalar(n, y)
	case yaml.SequenceNode:
		n.kind = nodeList
		for _, item := range y.Content {
			n.items = append(n.items, convert(item, depth+1))
		}
	case yaml.MappingNode:
		n.kind = nodeMap
		for i := 0; i+1 < len(y.Content); i += 2 {
			key := y.Content[i]
			n.fields = append(n.fields, field{key: key.Value, line: key.Line, value: convert(y.Content[i+1], depth+1)})
		}
	}
	return n
}

// convertScalar takes the text of a scalar as it was written, whatever type it
// looks like: a password may be 0777 or no.
func convertScalar(n *node, y *yaml.Node) {
	switch y.ShortTag() {
	case "!!null":
		n.kind = nodeNull
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
		n.kind, n.text = nodeText, y.Value
	case "!!binary": // how text that is not UTF-8 is written
		if b, err := base64.StdEncoding.DecodeString(y.Value); err == nil {
			n.kind, n.text = nodeText, string(b)
		}
	}
	n.plain = y.Style == 0
	n.comment = y.LineComment
}

// yamlPhrases are the words of the parser that help, and what we make of them.
// Its other words may quote a value.
var yamlPhrases = []struct{ theirs, ours, hint string }{
	{"unknown anchor", "an unquoted value begins with \"*\"", "write patterns in quotes: \"*@example.com\""},
	{"did not find expected alphabetic or numeric character", "an unquoted value begins with \"*\" or \"&\"", "write patterns in quotes: \"*@example.com\""},
	{"mapping values are not allowed", "a colon where none can be, or the wrong indentation", "a value that holds a colon and a blank must be in quotes"},
	{"cannot start any token", "an unquoted value begins with a special character, or the line with a tab", "put the value in quotes; indent with blanks"},
	{"found a tab character", "a tab in the indentation", "indent with blanks"},
	{"unknown escape character", "an unknown escape in double quotes", "in single quotes a backslash is nothing special"},
	{"unexpected end of stream", "a quotation mark is missing", ""},
	{"did not find expected key", "wrong indentation, or a quotation mark where none should be", ""},
	{"did not find expected '-' indicator", "wrong indentation in a list", ""},
	{"could not find expected ':'", "a key without a colon, or the wrong indentation", ""},
	{"control characters are not allowed", "a control character", ""},
}

// yamlError translates an error of the parser.
func yamlError(path string, data []byte, err error) error {
	e := &ConfigError{
		File: path,
		Line: errorLine(data),
		Text: "is not valid YAML",
		Hint: "put values with special characters in quotes",
	}
	for _, p := range yamlPhrases {
		if strings.Contains(err.Error(), p.theirs) {
			e.Text, e.Hint = "is not valid YAML: "+p.ours, p.hint
			break
		}
	}
	return e
}

// errorLine returns the line that makes a file invalid: the one after the
// longest part that is valid. The parser names the line before, the line where
// the mapping began, or none. It returns 0 for a file so large that this
// would take long.
func errorLine(data []byte) int {
	if len(data) > 16<<10 {
		return 0
	}
	for end := len(data); ; {
		end = bytes.LastIndexByte(data[:end], '\n')
		if end < 0 {
			return 1
		}
		var n yaml.Node
		if yaml.Unmarshal(data[:end+1], &n) == nil {
			return lineOf(data, end+1)
		}
	}
}

// lineOf returns the line of an offset.
func lineOf(data []byte, offset int) int {
	return 1 + bytes.Count(data[:offset], []byte("\n"))
}

// invalidUTF8 returns the offset of the first octet that is not UTF-8.
func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(data)
}

// writeNodes writes a mapping with a comment before it.
func writeNodes(w io.Writer, n *node, head string) error {
	y := render(n)
	y.HeadComment = head
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	return errors.Join(encoder.Encode(y), encoder.Close())
}

// render makes of a node one that can be written.
func render(n *node) *yaml.Node {
	y := &yaml.Node{LineComment: n.comment}
	switch n.kind {
	case nodeList:
		y.Kind, y.Tag = yaml.SequenceNode, "!!seq"
		if len(n.items) == 0 {
			y.Style = yaml.FlowStyle
		}
		for _, item := range n.items {
			y.Content = append(y.Content, render(item))
		}
	case nodeMap:
		y.Kind, y.Tag = yaml.MappingNode, "!!map"
		for _, f := range n.fields {
			y.Content = append(y.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: f.key}, render(f.value))
		}
	default:
		y.Kind, y.Value = yaml.ScalarNode, n.text
		if !n.plain {
			y.Tag = "!!str"
			if !utf8.ValidString(n.text) {
				y.Tag, y.Value = "!!binary", base64.StdEncoding.EncodeToString([]byte(n.text))
			}
			y.Style = yaml.DoubleQuotedStyle
		}
	}
	return y
}
