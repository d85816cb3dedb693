package yaml

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"esmtpq/identity/tree"
)

// show renders a node and all below it.
func show(n *tree.Node) string {
	var b strings.Builder
	var walk func(n *tree.Node, indent string)
	walk = func(n *tree.Node, indent string) {
		fmt.Fprintf(&b, "line %d kind %d %q plain=%t comment %q\n", n.Line, n.Kind, n.Text, n.Plain, n.Comment)
		for _, item := range n.Items {
			b.WriteString(indent + "- ")
			walk(item, indent+"  ")
		}
		for _, f := range n.Fields {
			fmt.Fprintf(&b, "%s%s (line %d): ", indent, f.Key, f.Line)
			walk(f.Value, indent+"  ")
		}
	}
	walk(n, "")
	return b.String()
}

// checkSame checks that a file is either left alone or read as the parser reads it.
func checkSame(t *testing.T, text string) (scanned bool) {
	t.Helper()
	plain := tree.Scan([]byte(text))
	if plain == nil {
		return false
	}
	parsed, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("read, and the parser says: %v\nin:\n%s\nas:\n%s", err, text, show(plain))
	}
	if !reflect.DeepEqual(plain, parsed) {
		t.Fatalf("%q is read as\n%s\nand by the parser as\n%s", text, show(plain), show(parsed))
	}
	return true
}

// What people write is read without the parser.
func TestScan(t *testing.T) {
	for _, text := range []string{
		"mda: /usr/bin/procmail -d %T\n",
		"identities:\n  - name: ann@example.org\n    host: smtp.example.org\n    port: 587\n",
		"# mine\n\nbatch_delay: 5s # for series\nidentities:\n- name: a\n  match: [a@example.org, \"*@example.org\", '?@b']\n  host: \"[::1]:465\"\n\n  # more\n  default: yes\n- name: b\n  match:\n  - b@example.org\n  host: h\n",
		"identities:\n  - name: a\n    match:\n      - a@example.org # one\n      - \"*@x\"   # two\n    password_command: pass show mail/a | head -n 1\n    host: h  \nnotify: it's 100% {of} [it], and \"more\"\n",
		"identities:\n  -   name: a\n      match: []\n      host: h\nmda: 'x # y'\n",
		"a: b#c\n",
		"a: b",
		"a:\n  b:\n    c: d\n",
		"a:   'x'   # y\nb: [ x , y ]\n",
	} {
		if !checkSame(t, text) {
			t.Errorf("not read:\n%s", text)
		}
	}
}

// What is more than plain is left to the parser.
func TestScanLeavesAlone(t *testing.T) {
	for _, text := range []string{
		"", "\n", "# nothing\n", "---\na: b\n", "a: b\n---\nc: d\n", "a: b\n...\n", "%YAML 1.1\n---\na: b\n", "\ufeffa: b\n",
		"a: |\n  b\n", "a: >-\n  b\n", "a: b\n  c\n", "a: 'b\n  c'\n", "a: \"b\\n\"\n", "a: 'it''s'\n", "a: &x b\n", "a: *x\n", "a: !!str b\n",
		"a: {b: c}\n", "? a\n: b\n", "<<: {}\n", "a:\n", "a: ~\n", "a: null\n", "a: NULL\n", "a: [b,]\n", "a: [b?]\n", "a: [b ?c]\n", "a: [ann?@b, c]\n", "a: [~]\n", "a: [b\n", "a: [[b]]\n",
		"a: b\n c: d\n", "  a: b\nc: d\n", "a:\tb\n", "a: b\tc\n", "a: b\r\n", "a: b: c\n", "a: b:\n", "a:b\n", "A: b\n", "\"a\": b\n", "a : b\n",
		"- a\n- b\n\tc: d\n", "a: 'b' c\n", "a: [b] c\n", "a: [b]# c\n", "a: 'b'# c\n", "a: ü\n", "# ü\na: b\n", "a: # b\n  c: d\n", "-\n  a: b\n", "- - a\n",
		"a: " + strings.Repeat("x", 600) + "\n", strings.Repeat("a:\n ", 3) + strings.Repeat("- ", 10) + "a: b\n",
	} {
		if n := tree.Scan([]byte(text)); n != nil {
			t.Errorf("%q is read as\n%s", text, show(n))
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add("identities:\n  - name: a\n    match: [a, \"b\"] # c\n    host: h\n")
	f.Add("# x\na: b # c\n\nd:\n- e: 'f'\n  g:\n  - h\n")
	f.Add("a:\n  # b\n  c: d\n  # e\n# f\ng: h\n")
	f.Fuzz(func(t *testing.T, text string) { checkSame(t, text) })
}

// Thousands of files that are nearly right.
func TestScanAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	total, scanned := 20_000, 0
	for range total {
		var b strings.Builder
		indent := 0
		for range 1 + r.IntN(7) {
			indent = max(0, indent+[]int{-4, -2, -2, 0, 0, 0, 0, 2, 2, 4, 1}[r.IntN(11)])
			b.WriteString(strings.Repeat(" ", indent))
			if r.IntN(3) == 0 {
				b.WriteString(pick("- ", "- ", "-  "))
			}
			if r.IntN(4) > 0 {
				b.WriteString(pick("a: ", "b: ", "c:", "d:"))
			}
			if r.IntN(3) > 0 {
				b.WriteString(pick("x", "y z", "'q'", `"q"`, "[a, b]", "[]", "0", "a@b", "null", "[ 'x' ]", "[x?]", "x?y"))
			}
			b.WriteString(pick("\n", "\n", "\n", " # c\n", "\n\n", "\n# d\n", "\n  # e\n", " \n"))
		}
		if checkSame(t, b.String()) {
			scanned++
		}
	}
	if scanned < total/40 {
		t.Errorf("only %d of %d were read at all", scanned, total)
	}
}

// pieces are what lines are made of, good ones and traps.
var pieces = []string{
	"", "  ", " ", "    ", "- ", "-   ", "a: ", "b:", "c:  ", "x", "y z", "0777", "1e3", ".5", "true", "2001-01-01", "null", "~", "<<", "=",
	"'q'", "\"q\"", "''", "'q' ", "'it''s'", "\"\\n\"", "[a, b]", "[ 'a' ,\"b\" ]", "[]", "[a,]", "{a: b}", "# c", " # c", " #", "#", "x#y", "x: y", "x:", ":x",
	"- - ", "-", "?", "? ", "x?", "[x?]", "[a ?b]", "---", "...", "&a ", "*a", "!!str ", "|", ">-", "%", "@", "`", "a:b", "http://h:1/", "\n", "\n", "\n", "\n\n", "\t", "\r", "[", "]", ", ",
}

// FuzzScanPieces puts files together from pieces, each chosen by an octet. Random octets seldom
// make a file that is read.
func FuzzScanPieces(f *testing.F) {
	f.Add([]byte("\x06\x09\x38\x07\x38\x01\x04\x06\x09"))
	f.Fuzz(func(t *testing.T, choices []byte) {
		var b strings.Builder
		for _, c := range choices[:min(len(choices), 60)] {
			b.WriteString(pieces[int(c)%len(pieces)])
		}
		checkSame(t, b.String())
	})
}
