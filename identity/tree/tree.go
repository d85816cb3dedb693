// Package tree has the nodes of a YAML file, as far as a configuration needs them, and reads the
// files that most people write.
package tree

// A Kind is a kind of node.
type Kind int

const (
	Null  Kind = iota
	Text       // any scalar, as written
	List       // a sequence
	Map        // a mapping
	Other      // something that no configuration has a place for
)

// A Node is a part of a YAML file, read or to be written.
type Node struct {
	Line    int // counted from 1
	Kind    Kind
	Text    string  // of Text
	Plain   bool    // written without quotes
	Comment string  // on the same line as a scalar, with its "#" where it was read
	Items   []*Node // of a List
	Fields  []Field // of a Map, in order
}

// A Field is one key of a mapping.
type Field struct {
	Key   string
	Line  int
	Value *Node
}

// An Error says what is wrong with a file, without quoting it.
type Error struct {
	Line int // counted from 1; 0 where it is not known
	Text string
	Hint string // what to try; may be empty
}

// Error returns the text alone.
func (e *Error) Error() string { return e.Text }

// Parser parses what Scan leaves alone; its error is an *Error if that is no YAML. Package yaml
// sets it and must be imported for that. It is nil in packages that are initialised before yaml.
var Parser func([]byte) (*Node, error)
