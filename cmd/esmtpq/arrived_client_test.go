package main_test

import (
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
)

// awkward is a text that mail systems like to spoil.
var awkward = strings.Join([]string{
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

// lines turns the CRLF line ends of SMTP into LF, and fails where the wire had others.
func lines(t *testing.T, content string) string {
	t.Helper()
	text := strings.ReplaceAll(content, "\r\n", "\n")
	if strings.Count(text, "\n") != strings.Count(content, "\r\n") || strings.Contains(text, "\r") {
		t.Errorf("line ends other than CRLF arrived")
	}
	return text
}

// splitMail parts header and body at the first blank line.
func splitMail(t *testing.T, text string) (header, body string) {
	t.Helper()
	header, body, ok := strings.Cut(text, "\n\n")
	if !ok {
		t.Fatalf("no blank line after the header: %q", text)
	}
	return header + "\n", body
}

// fields are the fields of a header, each with its continuation lines.
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

// sameAs checks that what arrived is what was meant, byte for byte, apart from the fields
// that every mail must have and that were added if they were not there: Date, Message-ID
// and From. Each must be there once.
func (tr transaction) sameAs(t *testing.T, meant string) {
	t.Helper()
	meantHeader, meantBody := splitMail(t, meant)
	header, body := splitMail(t, lines(t, tr.content))
	meantFields := fields(meantHeader)
	var kept []string
	for _, field := range fields(header) {
		switch name := fieldName(field); name {
		case "date", "message-id", "from":
			if !hasField(meantFields, name) {
				continue
			}
		}
		kept = append(kept, field)
	}
	if got, want := strings.Join(kept, ""), strings.Join(meantFields, ""); got != want {
		t.Errorf("header arrived as\n%s\nwant\n%s", got, want)
	}
	same(t, body, meantBody)
	tr.wellFormed(t)
}

// wellFormed checks what must hold for every mail: the fields that RFC 5322 asks for are
// there, once, and nobody is told of the blind copies.
func (tr transaction) wellFormed(t *testing.T) {
	t.Helper()
	header, _ := splitMail(t, lines(t, tr.content))
	count := map[string]int{}
	for _, field := range fields(header) {
		count[fieldName(field)]++
	}
	for _, name := range []string{"date", "message-id", "from"} {
		if count[name] != 1 {
			t.Errorf("%d %s fields in\n%s", count[name], name, header)
		}
	}
	for _, name := range []string{"bcc", "resent-bcc", "return-path"} {
		if count[name] != 0 {
			t.Errorf("the header still has %s:\n%s", name, header)
		}
	}
}

// text returns the body, decoded if the client encoded it.
func (tr transaction) text(t *testing.T) string {
	t.Helper()
	m := tr.parse(t)
	_, raw := splitMail(t, lines(t, tr.content))
	var body io.Reader = strings.NewReader(raw)
	switch strings.ToLower(m.Header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	decoded, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(decoded), "\r\n", "\n")
}

func (tr transaction) parse(t *testing.T) *mail.Message {
	t.Helper()
	return parseMail(t, tr.content)
}

func parseMail(t *testing.T, content string) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(content))
	if err != nil {
		t.Fatalf("%v in %q", err, content)
	}
	return m
}

// is checks the envelope.
func (tr transaction) is(t *testing.T, from string, to ...string) {
	t.Helper()
	if tr.from != from || !slices.Equal(tr.to, to) {
		t.Errorf("envelope: from <%s> to %q, want <%s> to %q", tr.from, tr.to, from, to)
	}
}

// says checks the body, decoded, and that the header is a proper one.
func (tr transaction) says(t *testing.T, want string) {
	t.Helper()
	tr.wellFormed(t)
	same(t, tr.text(t), want)
}

// same compares two texts byte for byte and shows where they part.
func same(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	around := func(s string) string { return s[max(0, at-40):min(len(s), at+40)] }
	t.Errorf("%d octets arrived, want %d; they part at octet %d:\n got … %q …\nwant … %q …", len(got), len(want), at, around(got), around(want))
}
