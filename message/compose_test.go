package message

import (
	"io"
	"mime"
	"net/mail"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.FixedZone("", -3*3600-1800))

func TestFormatDate(t *testing.T) {
	if got, want := FormatDate(noon), "Sun, 1 Nov 2026 12:00:00 -0330"; got != want {
		t.Errorf("FormatDate = %q, want %q", got, want)
	}
	if parsed, err := mail.ParseDate(FormatDate(noon)); err != nil || !parsed.Equal(noon) {
		t.Errorf("read back: %v, %v", parsed, err)
	}
}

func TestNewMessageID(t *testing.T) {
	tests := []struct{ domain, want string }{
		{"host.example.org", "@host.example.org>"},
		{"", "@localhost>"},
		{"a b", "@localhost>"},
		{"a>\r\nBcc: x", "@localhost>"},
		{"bücher.example", "@xn--bcher-kva.example>"},
		{"Bücher.Example", "@xn--bcher-kva.example>"},
		{"b\xfccher.example", "@localhost>"},
		{"-ü.example", "@localhost>"},
		{"a..b", "@localhost>"},
		{strings.Repeat("a", 300), "@localhost>"},
	}
	for _, tt := range tests {
		id := NewMessageID(noon, tt.domain)
		if !strings.HasPrefix(id, "<20261101153000.") || !strings.HasSuffix(id, tt.want) {
			t.Errorf("NewMessageID(%q) = %q", tt.domain, id)
		}
		if err := CheckAddress(strings.Trim(id, "<>")); err != nil {
			t.Errorf("NewMessageID(%q) = %q: %v", tt.domain, id, err)
		}
		if again := NewMessageID(noon, tt.domain); again == id {
			t.Errorf("NewMessageID returned %q twice", id)
		}
	}
}

func TestFormatMailbox(t *testing.T) {
	tests := []struct{ name, spec, want string }{
		{"", "a@b", "a@b"},
		{"  ", "root", "root"},
		{"Joe Public", "a@b", "Joe Public <a@b>"},
		{"CronDaemon", "root", "CronDaemon <root>"},
		{"Joe Q. Public", "a@b", `"Joe Q. Public" <a@b>`},
		{`Joe "x" \ <y@z>, Public`, `"a b"@c`, `"Joe \"x\" \\ <y@z>, Public" <"a b"@c>`},
		{"=?utf-8?q?x?=", "a@b", `"=?utf-8?q?x?=" <a@b>`},
		{"Jörg", "a@b", "=?utf-8?q?J=C3=B6rg?= <a@b>"},
		{"Жанна", "a@b", "=?utf-8?b?0JbQsNC90L3QsA==?= <a@b>"},
		{"J\xf6rg", "a@b", "=?unknown-8bit?q?J=F6rg?= <a@b>"},
		{"Joe", strings.Repeat("x", 80) + "@b", "Joe\n <" + strings.Repeat("x", 80) + "@b>"},
	}
	for _, tt := range tests {
		if got, err := FormatMailbox(tt.name, tt.spec); err != nil || got != tt.want {
			t.Errorf("FormatMailbox(%q, %q) = %q, %v; want %q", tt.name, tt.spec, got, err, tt.want)
		}
	}
	for _, tt := range [][2]string{
		{"Joe\nBcc: x@y", "a@b"}, {"Joe\r", "a@b"}, {"Joe\x00", "a@b"}, {"Joe\u0085", "a@b"},
		{"Joe", ""}, {"Joe", "a@b>"}, {"Joe", "a@b\nBcc: x@y"}, {"Joe", "two words"},
	} {
		if got, err := FormatMailbox(tt[0], tt[1]); err == nil {
			t.Errorf("FormatMailbox(%q, %q) = %q", tt[0], tt[1], got)
		}
	}
}

func FuzzFormatMailbox(f *testing.F) {
	f.Add("Jörg (x) \"y\"", "a@b")
	f.Add(strings.Repeat("Жанна ", 30), `"a b"@c`)
	f.Add("=?utf-8?q?x?= J\xf6rg", "root")
	f.Add("a  b", "jörg@b")
	f.Fuzz(func(t *testing.T, name, spec string) {
		value, err := FormatMailbox(name, spec)
		if err != nil {
			return
		}
		h := new(Header)
		if err := h.Add("From", value); err != nil {
			t.Fatalf("%q, %q: %q: %v", name, spec, value, err)
		}
		for line := range strings.Lines(written(h)) {
			if hasNonASCII(name) && len(line) > lineWidth+1 && !strings.HasPrefix(line, " <") {
				t.Errorf("%q: line %q is too long", name, line)
			}
		}
		read, ok := h.Get("From")
		addrs, bad := ParseAddressList(read)
		if !ok || len(addrs) != 1 || len(bad) > 0 {
			t.Fatalf("%q, %q: %q is read as %+v, %v", name, spec, value, addrs, bad)
		}
		if again, _ := ParseReversePath(spec); again != addrs[0].Spec() {
			t.Errorf("%q became %q", spec, addrs[0].Spec())
		}
		want := strings.Trim(name, " ")
		got := addrs[0].Name
		if hasNonASCII(name) {
			decoder := mime.WordDecoder{CharsetReader: sameOctets}
			if got, err = decoder.DecodeHeader(got); err != nil {
				t.Fatal(err)
			}
		} else if !strings.HasPrefix(value, `"`) {
			want = strings.Join(strings.Fields(want), " ")
		}
		if got != want && len(name) <= maxFieldName/2 {
			t.Errorf("name %q became %q in %q", want, got, value)
		}
	})
}

// sameOctets reads a text of an unknown charset as it is.
func sameOctets(charset string, r io.Reader) (io.Reader, error) { return r, nil }
