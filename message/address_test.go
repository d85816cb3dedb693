package message

import (
	"strings"
	"testing"
)

func TestCheckAddress(t *testing.T) {
	tests := []struct {
		spec string
		ok   bool
	}{
		{"a@b", true},
		{"root", true},
		{"jörg@bücher.example", true},
		{"a+b=c/d!e%f@example.org", true},
		{`"a b"@d`, true},
		{`"a\"b"@d`, true},
		{`"<a>"@d`, true},
		{"a.@b", true},
		{"a@[192.0.2.1]", true},
		{"a@[IPv6:::1]", true},
		{"-a@b", true},
		{strings.Repeat("x", MaxAddress-2) + "@b", true},
		{strings.Repeat("x", MaxAddress-1) + "@b", false},
		{"", false},
		{"-a", false},
		{`"-a"`, false},
		{"@b", false},
		{`""@b`, false},
		{"a@", false},
		{"a@b@c", false},
		{"a b@c", false},
		{" a@b", false},
		{"a@b ", false},
		{"a@b c", false},
		{"<a@b>", false},
		{"a>b@c", false},
		{"a@b>", false},
		{"a@b> SIZE=1", false},
		{"a,b@c", false},
		{`a"b@c`, false},
		{`"a@c`, false},
		{`"a"b@c`, false},
		{`a\b@c`, false},
		{"a(b)@c", false},
		{"a@b..c", false},
		{"a@b.", false},
		{"a@[b", false},
		{"a@[b]c", false},
		{"a@[b c]", false},
		{"a@b\r\nRCPT TO:<c@d>", false},
		{"a@b\n", false},
		{"a\x00@b", false},
		{"\"a\tb\"@c", false},
		{"a\x7f@b", false},
		{"a\u009b@b", false},
		{"j\xf6rg@b", false},
	}
	for _, tt := range tests {
		if err := CheckAddress(tt.spec); (err == nil) != tt.ok {
			t.Errorf("CheckAddress(%q) = %v", tt.spec, err)
		}
	}
}

// Addresses of any origin end up in errors, and errors on terminals.
func TestErrorsArePrintable(t *testing.T) {
	for _, spec := range []string{
		"\x1b[2J\r\n@b", strings.Repeat("ä", 50000) + " x", strings.Repeat("\x00", 70), "a\u202e@b c",
	} {
		err := CheckAddress(spec)
		if err == nil {
			t.Errorf("%.20q was accepted", spec)
			continue
		}
		text := err.Error()
		if len(text) > 400 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e || r == 0xfffd }) {
			t.Errorf("error %q", text)
		}
	}
}

func TestAddressSpec(t *testing.T) {
	tests := []struct {
		addr Address
		want string
	}{
		{Address{Local: "a", Domain: "b"}, "a@b"},
		{Address{Local: "a b", Domain: "c"}, `"a b"@c`},
		{Address{Local: "a b"}, `"a b"`},
		{Address{Local: `a"\b`, Domain: "c"}, `"a\"\\b"@c`},
		{Address{Local: ".a", Domain: "c"}, `".a"@c`},
		{Address{Local: "jörg", Domain: "c"}, "jörg@c"},
	}
	for _, tt := range tests {
		if got := tt.addr.Spec(); got != tt.want || tt.addr.String() != tt.want {
			t.Errorf("%+v: %q, want %q", tt.addr, got, tt.want)
		}
	}
}
