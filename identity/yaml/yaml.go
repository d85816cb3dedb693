// Package yaml reads and writes YAML with the yaml.v3 package. No other package knows yaml.v3.
//
// The strict decoding of yaml.v3 quotes values and names Go types in its errors, and loses line
// numbers. So it only parses nodes here, and package identity decides what they mean.
package yaml

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"esmtpq/identity/tree"
)

func init() { tree.Parser = Parse }

// Parse reads a file with one document; nil means that there is none. Its error is a *tree.Error
// and quotes nothing of the file.
func Parse(data []byte) (*tree.Node, error) {
	if !utf8.Valid(data) {
		return nil, &tree.Error{Line: lineOf(data, invalidUTF8(data)), Text: "is not UTF-8"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, parseError(data, err)
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, &tree.Error{Line: second.Line, Text: "a second document begins here; there can be only one"}
	} else if err != io.EOF {
		return nil, parseError(data, err)
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return convert(document.Content[0], 0), nil
}

// convert makes a node from a parsed one.
func convert(y *yaml.Node, depth int) *tree.Node {
	n := &tree.Node{Line: y.Line, Kind: tree.Other}
	if y.Kind == yaml.AliasNode && y.Alias.Kind == yaml.ScalarNode {
		y = y.Alias // an alias of another kind could be endless
	}
	if depth > 8 {
		return n // no schema is so deep
	}
	switch y.Kind {
	case yaml.ScalarNode:
		convertScalar(n, y)
	case yaml.SequenceNode:
		n.Kind = tree.List
		for _, item := range y.Content {
			n.Items = append(n.Items, convert(item, depth+1))
		}
	case yaml.MappingNode:
		n.Kind = tree.Map
		for i := 0; i+1 < len(y.Content); i += 2 {
			key := y.Content[i]
			n.Fields = append(n.Fields, tree.Field{Key: key.Value, Line: key.Line, Value: convert(y.Content[i+1], depth+1)})
		}
	}
	return n
}

// convertScalar takes the text of a scalar as it was written, whatever type it
// looks like: a password may be 0777 or no.
func convertScalar(n *tree.Node, y *yaml.Node) {
	switch y.ShortTag() {
	case "!!null":
		n.Kind = tree.Null
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
		n.Kind, n.Text = tree.Text, y.Value
	case "!!binary": // how text that is not UTF-8 is written
		if b, err := base64.StdEncoding.DecodeString(y.Value); err == nil {
			n.Kind, n.Text = tree.Text, string(b)
		}
	}
	n.Plain = y.Style == 0
	n.Comment = strings.TrimRight(y.LineComment, " ")
}

// phrases are those words of the parser that help, and what we say instead. Its other words may
// quote a value.
var phrases = []struct{ theirs, ours, hint string }{
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

// parseError translates an error of the parser.
func parseError(data []byte, err error) error {
	e := &tree.Error{
		Line: errorLine(data),
		Text: "is not valid YAML",
		Hint: "put values with special characters in quotes",
	}
	for _, p := range phrases {
		if strings.Contains(err.Error(), p.theirs) {
			e.Text, e.Hint = "is not valid YAML: "+p.ours, p.hint
			break
		}
	}
	return e
}

// errorLine returns the line that makes a file invalid: the one after the longest part that is
// valid. The parser names the line before, the line where the mapping began, or none. It returns
// 0 for a file so large that searching would take long.
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

// Write writes a mapping with a comment before it, which begins with "#".
func Write(w io.Writer, n *tree.Node, head string) error {
	y := render(n)
	y.HeadComment = head
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	return errors.Join(encoder.Encode(y), encoder.Close())
}

// render makes a node that can be written.
func render(n *tree.Node) *yaml.Node {
	y := &yaml.Node{LineComment: n.Comment}
	switch n.Kind {
	case tree.List:
		y.Kind, y.Tag = yaml.SequenceNode, "!!seq"
		if len(n.Items) == 0 {
			y.Style = yaml.FlowStyle
		}
		for _, item := range n.Items {
			y.Content = append(y.Content, render(item))
		}
	case tree.Map:
		y.Kind, y.Tag = yaml.MappingNode, "!!map"
		for _, f := range n.Fields {
			y.Content = append(y.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: f.Key}, render(f.Value))
		}
	default:
		y.Kind, y.Value = yaml.ScalarNode, n.Text
		if !n.Plain {
			y.Tag = "!!str"
			if !utf8.ValidString(n.Text) {
				y.Tag, y.Value = "!!binary", base64.StdEncoding.EncodeToString([]byte(n.Text))
			}
			y.Style = yaml.DoubleQuotedStyle
		}
	}
	return y
}
