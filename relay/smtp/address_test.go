package smtp

import (
	"bytes"
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		addr string
		ok   bool
	}{
		{"a@example.org", true},
		{"a", true}, // postmaster and the like; whether it is known is for the host to say
		{"-a@example.org", true},
		{"a+b=c!d%e'f/g$h@example.org", true},
		{"a@[192.0.2.1]", true},
		{"a@[IPv6:2001:db8::1]", true},
		{`"a b"@example.org`, true},
		{`"a@b> \" <c"@example.org`, true},
		{"", false},
		{"@example.org", false},
		{"a@", false},
		{"a b@example.org", false},
		{"a@exam ple.org", false},
		{"<a@example.org>", false},
		{"a@example.org> SIZE=1", false},
		{"a@b@example.org", false},
		{`"a@example.org`, false},
		{`"a"b@example.org`, false},
		{`a"b"@example.org`, false},
		{`"a\"@example.org`, false},
		{"a@example.org\r\nDATA", false},
		{"a\x00@example.org", false},
		{"a\t@example.org", false},
		{"a\x7f@example.org", false},
		{"a\xff@example.org", false},
		{strings.Repeat("a", 600) + "@example.org", false},
	} {
		if err := checkAddress(c.addr); (err == nil) != c.ok {
			t.Errorf("%.60q: %v", c.addr, err)
		}
	}
}

// FuzzAddress: what is accepted makes one argument of one command, and is not changed
// but for the form of its domain.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"a@example.org", `"a b"@c`, "ü@example.org", "a@bücher.example", "a@b> X", "a\r\nb@c", `"\"@"@x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		got, needs, err := WireAddress(addr, true)
		if err != nil {
			return
		}
		var out bytes.Buffer
		w := newWire(&out, nil)
		if err := w.command("RCPT TO:<" + got + ">"); err != nil {
			t.Fatalf("%q becomes %q: %v", addr, got, err)
		}
		unquoted := got
		if got[0] == '"' {
			unquoted = got[quotedEnd(got):]
		}
		if strings.ContainsAny(unquoted, "<> \t") {
			t.Fatalf("%q becomes %q", addr, got)
		}
		if needs == isASCII(got) || isASCII(addr) && got != addr {
			t.Fatalf("%q becomes %q, SMTPUTF8 %v", addr, got, needs)
		}
	})
}
