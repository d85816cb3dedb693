// Package docs tests that the documents say what the program says.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// reasons are where the reasons are made that mailq shows.
var reasons = []string{
	"relay", "relay/smtp", "localmda", "tunnel", "tunnel/command", "helper", "identity/secret",
	"identity/oauth/source.go", "identity/oauth/store.go", "identity/oauth/answer.go",
	"queue/unsendable.go", "queue/spool/content.go", "queue/spool/copies.go", "queue/spool/envelope.go",
	"queue/spool/file.go", "queue/spool/legacy.go", "queue/spool/otherwise.go", "queue/spool/read.go",
	"queue/spool/verify.go",
}

// Each reason that mailq can print is in docs/troubleshooting.md, at least by its longest part that
// is always the same.
func TestReasonsAreExplained(t *testing.T) {
	text, err := os.ReadFile(stage.Source(t, "docs/troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	document := plain(string(text))
	n := 0
	for _, name := range reasons {
		files := goFiles(t, stage.Source(t, name))
		for _, file := range files {
			for _, said := range sayings(t, file) {
				n++
				if part := longestPart(said); !strings.Contains(document, part) {
					t.Errorf("%s: %q is not in docs/troubleshooting.md", filepath.Base(file), part)
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d reasons were found in the source", n)
	}
}

func goFiles(t *testing.T, name string) []string {
	t.Helper()
	if strings.HasSuffix(name, ".go") {
		if !stage.Exists(name) {
			return nil
		}
		return []string{name}
	}
	all, err := filepath.Glob(filepath.Join(name, "*.go"))
	if err != nil || len(all) == 0 {
		t.Fatalf("%s: %v", name, err)
	}
	var files []string
	for _, file := range all {
		if !strings.HasSuffix(file, "_test.go") {
			files = append(files, file)
		}
	}
	return files
}

// sayings returns the texts of a file that are sentences to a person: of three words or more, and
// none that is a remark in a transcript, a panic, or a text of a program.
func sayings(t *testing.T, file string) []string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.Field:
			return false
		case *ast.CallExpr:
			if called := name(n.Fun); called == "Note" || called == "panic" || called == "Contains" {
				return false
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && sentence.MatchString(text) {
				all = append(all, text)
			}
		}
		return true
	})
	return all
}

func name(function ast.Expr) string {
	switch f := function.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

var (
	sentence = regexp.MustCompile(`^[^\n{}\\$]*[a-z]+ [a-z]+ [a-z]+[^\n{}\\$]*$`)
	verb     = regexp.MustCompile(`%[a-z]|%\[[0-9]\][a-z]`)
	blanks   = regexp.MustCompile(`\s+`)
)

// longestPart returns the longest part of a format that is the same whatever is put into it.
func longestPart(format string) string {
	longest := ""
	for _, part := range verb.Split(format, -1) {
		if part = plain(part); len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}

// plain returns a text without the marks of Markdown, and with single blanks.
func plain(text string) string {
	text = strings.NewReplacer("`", "", "*", "", "|", " ", "\\", "").Replace(text)
	return strings.Trim(blanks.ReplaceAllString(text, " "), " ,;:().")
}
