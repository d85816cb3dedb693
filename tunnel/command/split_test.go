package command

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for _, test := range []struct {
		line string
		want []string
	}{
		{``, nil},
		{" \t\n", nil},
		{`ssh gateway`, []string{"ssh", "gateway"}},
		{"  ssh\t-p 2222 \n-i key user@gw ", []string{"ssh", "-p", "2222", "-i", "key", "user@gw"}},
		{`ssh -i 'my key' gw`, []string{"ssh", "-i", "my key", "gw"}},
		{`ssh -i "my key" gw`, []string{"ssh", "-i", "my key", "gw"}},
		{`ssh -i my\ key gw`, []string{"ssh", "-i", "my key", "gw"}},
		{`a"b c"'d e'f`, []string{"ab cd ef"}},
		{`'' ""`, []string{"", ""}},
		{`'a\b' "a\b" a\b`, []string{`a\b`, `a\b`, `ab`}},
		{`"\" \\ \$ \` + "`" + `"`, []string{`" \ $ ` + "`"}},
		{`'|&;<>()$"' "|&;<>()'"`, []string{`|&;<>()$"`, `|&;<>()'`}},
		{`~/bin/x *.key #1`, []string{"~/bin/x", "*.key", "#1"}},
	} {
		got, err := splitWords(test.line)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("splitWords(%q) = %q, %v, want %q", test.line, got, err, test.want)
		}
	}
}

func TestSplitWordsErrors(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{`ssh 'gw`, `a ' that is never closed`},
		{`ssh "gw`, `a " that is never closed`},
		{`ssh "gw\"`, `a " that is never closed`},
		{`ssh gw\`, `a backslash with nothing after it`},
		{`ssh gw | tee log`, `no shell runs the command`},
		{`ssh gw 2>/dev/null`, `no shell runs the command`},
		{`ssh $GATEWAY`, `no shell runs the command`},
		{"ssh `cat gw`", `no shell runs the command`},
		{"ssh gw\x00", `NUL`},
	} {
		got, err := splitWords(test.line)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("splitWords(%q) = %q, %v, want an error with %q", test.line, got, err, test.want)
		}
	}
}

// FuzzSplitWords checks that what was split and then quoted splits the same again.
func FuzzSplitWords(f *testing.F) {
	for _, line := range []string{
		`ssh gateway`, `ssh -i 'my key' "a\"b" c\ d`, `'`, `"\`, `a\`, `nc -X 5 %h %p`, "a\x00", `''`, "\xff é",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil {
			return
		}
		var quoted []string
		for _, word := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(word, "'", `'\''`)+"'")
		}
		again, err := splitWords(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(again, words) {
			t.Errorf("%q: %q became %q, %v", line, words, again, err)
		}
		if _, err := Parse(line); err == nil && len(words) == 0 {
			t.Errorf("Parse(%q) made a command of nothing", line)
		}
	})
}
