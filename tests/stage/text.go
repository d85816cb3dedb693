package stage

import (
	"net/mail"
	"os"
	"slices"
	"strings"
	"testing"
)

// Awkward is a text that mail systems tend to spoil.
var Awkward = strings.Join([]string{
	"From the first line on.",
	".",
	"..",
	"..two dots",
	".one",
	"\ttab, and blanks at the end   ",
	"Grüße, naïve café, €",
	"From here on",
	">From there on",
	strings.Repeat("0123456789", 90),
	"",
	"",
	"-- ",
	"the end",
	"",
}, "\n")

// Lines turns the CRLF line ends of SMTP into LF, and fails if there are others.
func Lines(t testing.TB, content string) string {
	t.Helper()
	text := strings.ReplaceAll(content, "\r\n", "\n")
	if strings.Count(text, "\n") != strings.Count(content, "\r\n") || strings.Contains(text, "\r") {
		t.Errorf("line ends other than CRLF arrived")
	}
	return text
}

// SplitMail separates header and body at the first blank line.
func SplitMail(t testing.TB, text string) (header, body string) {
	t.Helper()
	header, body, ok := strings.Cut(text, "\n\n")
	if !ok {
		t.Fatalf("no blank line after the header: %q", text)
	}
	return header + "\n", body
}

// fields returns the fields of a header, each with its continuation lines.
func fields(header string) []string {
	var list []string
	for line := range strings.Lines(header) {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			list[len(list)-1] += line
		} else {
			list = append(list, line)
		}
	}
	return list
}

func fieldName(field string) string {
	name, _, _ := strings.Cut(field, ":")
	return strings.ToLower(name)
}

func hasField(list []string, name string) bool {
	return slices.ContainsFunc(list, func(f string) bool { return fieldName(f) == name })
}

// ParseMail parses a mail as a mail reader does.
func ParseMail(t testing.TB, content string) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(content))
	if err != nil {
		t.Fatalf("%v in %q", err, content)
	}
	return m
}

// Same compares two texts byte for byte and shows where they differ.
func Same(t testing.TB, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	around := func(s string) string { return s[max(0, at-40):min(len(s), at+40)] }
	t.Errorf("%d octets arrived, want %d; they differ from octet %d on:\n got … %q …\nwant … %q …",
		len(got), len(want), at, around(got), around(want))
}

// OneLine reports whether a text is one line.
func OneLine(text string) bool {
	return strings.Count(text, "\n") == 1 && strings.HasSuffix(text, "\n")
}

// Read returns what is in a file.
func Read(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// Exists reports whether there is something at a path, even a dangling link.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
