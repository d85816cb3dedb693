package stage

import (
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
)

// SameAs checks that the mail arrived as it was meant, octet for octet, except for the fields
// that every mail must have and that are added if they are missing: Date, Message-ID and From.
// Each must occur once.
func (tr Transaction) SameAs(t testing.TB, meant string) {
	t.Helper()
	meantHeader, meantBody := SplitMail(t, meant)
	header, body := SplitMail(t, Lines(t, tr.Content))
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
	Same(t, body, meantBody)
	tr.WellFormed(t)
}

// WellFormed checks what must hold for every mail: the fields that RFC 5322 requires occur once,
// and no blind copy is named.
func (tr Transaction) WellFormed(t testing.TB) {
	t.Helper()
	header, _ := SplitMail(t, Lines(t, tr.Content))
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

// Text returns the body, decoded if the client encoded it.
func (tr Transaction) Text(t testing.TB) string {
	t.Helper()
	m := tr.Parse(t)
	_, raw := SplitMail(t, Lines(t, tr.Content))
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

// Parse returns the mail as a mail reader sees it.
func (tr Transaction) Parse(t testing.TB) *mail.Message {
	t.Helper()
	return ParseMail(t, tr.Content)
}

// Is checks the envelope.
func (tr Transaction) Is(t testing.TB, from string, to ...string) {
	t.Helper()
	if tr.From != from || !slices.Equal(tr.To, to) {
		t.Errorf("envelope: from <%s> to %q, want <%s> to %q", tr.From, tr.To, from, to)
	}
}

// Says checks the decoded body, and that the header is well-formed.
func (tr Transaction) Says(t testing.TB, want string) {
	t.Helper()
	tr.WellFormed(t)
	Same(t, tr.Text(t), want)
}

// Blind checks a mail to three recipients of which one is hidden.
func (tr Transaction) Blind(t testing.TB) {
	t.Helper()
	slices.Sort(tr.To) // each client has an order of its own
	tr.Is(t, "me@example.org", "first@example.net", "hidden@example.net", "second@example.net")
	if strings.Contains(tr.Content, "hidden@") {
		t.Errorf("the blind copy is named in the content:\n%s", tr.Content)
	}
}
