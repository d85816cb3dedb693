package message

import (
	"net/mail"
	"slices"
	"strings"
	"testing"
)

func TestParseAddressList(t *testing.T) {
	tests := []struct {
		in   string
		want []string // addr-specs
		bad  []string // a piece of each error
	}{
		{"", nil, nil},
		{" \t", nil, nil},
		{"a@b", []string{"a@b"}, nil},
		{"a@b, c@d", []string{"a@b", "c@d"}, nil},
		{",, a@b,, ,c@d,", []string{"a@b", "c@d"}, nil},
		{"a@b;c@d", []string{"a@b", "c@d"}, nil},
		{"Joe <a@b>", []string{"a@b"}, nil},
		{"Joe Q. Public <a@b>", []string{"a@b"}, nil},
		{`"Public, Joe" <a@b>, c@d`, []string{"a@b", "c@d"}, nil},
		{`"Joe \"<x@y>\"" <a@b>`, []string{"a@b"}, nil},
		{"joe@home <a@b>", []string{"a@b"}, nil},
		{"[list] Joe <a@b>, [two words] <c@d>", []string{"a@b", "c@d"}, nil},

		// Local names.
		{"root", []string{"root"}, nil},
		{"root (Cron Daemon)", []string{"root"}, nil},
		{"Cron Daemon <root>", []string{"root"}, nil},
		{"alice,bob", []string{"alice", "bob"}, nil},
		{`"a b"`, []string{`"a b"`}, nil},
		{"-oQ/tmp", nil, []string{"begin with a dash"}},
		{`"-oQ/tmp"`, nil, []string{"begin with a dash"}},
		{"Joe <-x>", nil, []string{"begin with a dash"}},
		{"-a@example.org", []string{"-a@example.org"}, nil},

		// Comments.
		{"(c) a@b (c)", []string{"a@b"}, nil},
		{`a(c)@(c (nested \) ))b(c), c@d`, []string{"a@b", "c@d"}, nil},
		{"Joe (c) <a@b> (c)", []string{"a@b"}, nil},
		{"a@b (one, two), c@d", []string{"a@b", "c@d"}, nil},
		{"(nobody)", nil, nil},

		// Groups.
		{"undisclosed-recipients:;", nil, nil},
		{"Team: a@b, Joe <c@d>;", []string{"a@b", "c@d"}, nil},
		{`Team: a@b;, "Other, Team": c@d;, e@f`, []string{"a@b", "c@d", "e@f"}, nil},
		{"Team: a@b, c@d", []string{"a@b", "c@d"}, nil},
		{"Team: a, b;", []string{"a", "b"}, nil},
		{": a@b;c@d", []string{"c@d"}, []string{"colon"}},

		// Source routes.
		{"<@r1,@r2:c@d>", []string{"c@d"}, nil},
		{"Joe <@r1.example,@r2.example : c@d>, e@f", []string{"c@d", "e@f"}, nil},
		{"<@r1,@r2>, e@f", []string{"e@f"}, []string{"<@r1,@r2>"}},
		{"@r1:c@d, e@f", []string{"c@d", "e@f"}, nil},
		{"x@y, @r1 , @[192.0.2.1]:\n c@d (route), e@f", []string{"x@y", "c@d", "e@f"}, nil},
		{"@r1, @r2, e@f", []string{"e@f"}, []string{"@r1", "@r2"}},
		{"@r1:, @:c@d, @r1@r2:c@d, e@f", []string{"e@f"}, []string{"@:", "@r1@r2"}},

		// Whole names of hosts.
		{"a@b.example., <c@d.example.>", []string{"a@b.example", "c@d.example"}, nil},
		{"a@b.., a@., e@f", []string{"e@f"}, []string{"a@b..", "a@."}},

		// Quoted local parts.
		{`"a b"@d`, []string{`"a b"@d`}, nil},
		{`"a"@d`, []string{"a@d"}, nil},
		{`"a\"b\\c"@d`, []string{`"a\"b\\c"@d`}, nil},
		{`"a@b"@d`, []string{`"a@b"@d`}, nil},
		{`"a>b"@d`, []string{`"a>b"@d`}, nil},
		{`<"a, b"@d>, c@d`, []string{`"a, b"@d`, "c@d"}, nil},
		{`"a"."b c".d@e`, []string{`"a.b c.d"@e`}, nil},
		{`""@d`, nil, []string{"nothing before"}},
		{"a.@c", []string{`"a."@c`}, nil},
		{"a..b@c", []string{`"a..b"@c`}, nil},

		// Obsolete white space.
		{"a . b @ c . d", []string{"a.b@c.d"}, nil},
		{"a@ (c) b", []string{"a@b"}, nil},

		// Domains.
		{"a@[192.0.2.1]", []string{"a@[192.0.2.1]"}, nil},
		{"a@[IPv6:::1], b@c", []string{"a@[IPv6:::1]", "b@c"}, nil},
		{"a@b..c, d@e", []string{"d@e"}, []string{"no valid domain"}},
		{"a@.b, a@b.., a@, d@e", []string{"d@e"}, []string{"a@.b", "a@b.", "nothing after"}},
		{"a@[x y], d@e", []string{"d@e"}, []string{"a@[x y]"}},
		{`a@"b", d@e`, []string{"d@e"}, []string{"behind the address"}},

		// Folded lists.
		{"a@b,\n c@d,\r\n\te@f", []string{"a@b", "c@d", "e@f"}, nil},
		{"\"Joe\n Public\" <a@b>", []string{"a@b"}, nil},
		{"a@b,\nc@d, e@f", []string{"a@b", "e@f"}, []string{`\nc@d`}},

		// Names are never decoded.
		{"=?iso-8859-15?Q?J=F6rg?= <a@b>", []string{"a@b"}, nil},
		{"=?x-no-such?B?PGVAZj4=?= <a@b>", []string{"a@b"}, nil},
		{"=?utf-8?Q?Joe, <c@d>", []string{"c@d"}, []string{"encoded word"}},
		{"J\xf6rg <a@b>", []string{"a@b"}, nil},

		// UTF-8 (RFC 6532).
		{"Jörg <jörg@bücher.example>", []string{"jörg@bücher.example"}, nil},
		{"j\xf6rg@example.org, a@b", []string{"a@b"}, []string{"UTF-8"}},
		{"a\u0085b@example.org", nil, []string{"control character"}},

		// Remarks and slips.
		{"stable@vger.kernel.org # v5.10+", []string{"stable@vger.kernel.org"}, nil},
		{"<stable@vger.kernel.org> # v5.10+, a@b", []string{"stable@vger.kernel.org", "a@b"}, nil},
		{"Joe #5 <a@b>, #c@d, e@ #f", []string{"a@b", "#c@d", "e@#f"}, nil},
		{"a@b>, c@d", []string{"a@b", "c@d"}, nil},
		{"a@b> x, c@d", []string{"c@d"}, []string{"behind"}},

		// A refused member does not affect its neighbours.
		{"a@b c@d, e@f", []string{"e@f"}, []string{"a@b c@d"}},
		{"Joe Public, a@b", []string{"a@b"}, []string{"Joe Public"}},
		{"a@b@c, d@e", []string{"d@e"}, []string{"more than one @"}},
		{"@b, d@e", []string{"d@e"}, []string{"nothing before"}},
		{"<>, d@e", []string{"d@e"}, []string{"nothing between"}},
		{"<a@b, c@d", []string{"c@d"}, []string{"<a@b"}},
		{"<a@b", nil, []string{"< without >"}},
		{"<<a@b>>, c@d", []string{"c@d"}, []string{"<<a@b>>"}},
		{"<a@b> <c@d>, e@f", []string{"e@f"}, []string{"behind"}},
		{"root>, c@d", []string{"c@d"}, []string{"> without <"}},
		{`"Joe <a@b>, c@d`, []string{"c@d"}, []string{"quote that is not closed"}},
		{"Joe (oh <a@b>, c@d", []string{"c@d"}, []string{"without its pair"}},
		{"a) <a@b>, c@d", []string{"c@d"}, []string{"without its pair"}},
		{`a\b@c, c@d`, []string{"c@d"}, []string{"where it cannot be"}},
		{"a\x00b@c, c@d", []string{"c@d"}, []string{`a\x00b@c`}},
		{"\"a\x00b\"@c, c@d", []string{"c@d"}, []string{"control character"}},
		{"a\x1b[31m@c", nil, []string{`\x1b`}},
	}
	for _, tt := range tests {
		addrs, bad := ParseAddressList(tt.in)
		if got := specs(addrs); !slices.Equal(got, tt.want) {
			t.Errorf("ParseAddressList(%q) = %q, want %q (errors: %v)", tt.in, got, tt.want, bad)
		}
		if len(bad) != len(tt.bad) {
			t.Errorf("ParseAddressList(%q): errors %v, want %d", tt.in, bad, len(tt.bad))
			continue
		}
		for i, piece := range tt.bad {
			if !strings.Contains(bad[i].Error(), piece) {
				t.Errorf("ParseAddressList(%q): error %q says nothing of %q", tt.in, bad[i], piece)
			}
		}
	}
}

func specs(addrs []Address) []string {
	var specs []string
	for _, a := range addrs {
		specs = append(specs, a.Spec())
	}
	return specs
}

func TestAddressName(t *testing.T) {
	tests := []struct{ in, want string }{
		{"a@b", ""},
		{"root (Cron Daemon)", "Cron Daemon"},
		{"a@b (Joe (of \\) b))", "Joe (of ) b)"},
		{"Cron Daemon <root>", "Cron Daemon"},
		{`"Public, Joe" <a@b> (comment)`, "Public, Joe"},
		{"<a@b> (Joe)", "Joe"},
		{"Joe Q. Public\n <a@b>", "Joe Q. Public"},
		{"=?utf-8?Q?J=C3=B6rg?= <a@b>", "=?utf-8?Q?J=C3=B6rg?="},
		{"J\xf6rg <a@b>", "J\xf6rg"},
		{"joe@home <a@b>", "joe@home"},
	}
	for _, tt := range tests {
		addrs, bad := ParseAddressList(tt.in)
		if len(addrs) != 1 || len(bad) > 0 || addrs[0].Name != tt.want {
			t.Errorf("ParseAddressList(%q) = %+v, %v; want the name %q", tt.in, addrs, bad, tt.want)
		}
	}
}

func TestParseArgument(t *testing.T) {
	for _, in := range []string{"a@b\n", "a@b,\n c@d", "a@b\r", "a@b\x00", "a@b\nRCPT TO:<c@d>"} {
		if addrs, bad := ParseArgument(in); len(addrs) > 0 || len(bad) != 1 {
			t.Errorf("ParseArgument(%q) = %v, %v; want one error", in, addrs, bad)
		}
	}
	addrs, bad := ParseArgument("a@x, Name <b@y>")
	if got := specs(addrs); !slices.Equal(got, []string{"a@x", "b@y"}) || bad != nil {
		t.Errorf("ParseArgument = %q, %v", got, bad)
	}
}

func TestParseReversePath(t *testing.T) {
	tests := []struct {
		in, want string
		ok       bool
	}{
		{"", "", true},
		{"<>", "", true},
		{" <> ", "", true},
		{"a@b", "a@b", true},
		{"<a@b>", "a@b", true},
		{"Name <a@b>", "a@b", true},
		{"fail2ban", "fail2ban", true},
		{`"a b"@c`, `"a b"@c`, true},
		{"a@b,c@d", "", false},
		{"a@b, c d", "", false},
		{"Team:;", "", false},
		{"-x", "", false},
		{"a@b\r\nRCPT TO:<x@y>", "", false},
		{"a@b\x00", "", false},
		{"\n", "", false},
	}
	for _, tt := range tests {
		got, err := ParseReversePath(tt.in)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseReversePath(%q) = %q, %v", tt.in, got, err)
		}
	}
}

// Nothing is closed here, and searching for the end each time would take hours.
func TestParseAddressListUnpaired(t *testing.T) {
	for _, piece := range []string{"(", `(\"`, "([<", "<", "[a", "a@", "a ", ":", "(,"} {
		addrs, bad := ParseAddressList(strings.Repeat(piece, 1<<20) + " <, a@b")
		if len(bad) == 0 || len(addrs) == 0 || addrs[len(addrs)-1].Spec() != "a@b" {
			t.Errorf("many %q: %d addresses, %d errors, a@b is lost", piece, len(addrs), len(bad))
		}
	}
}

func FuzzParseAddressList(f *testing.F) {
	for _, s := range []string{
		"a@b", `"a b"@d, c@d`, "Team: a@b, <@r:c@d>;", "root (Cron Daemon)", "a@[IPv6:::1]",
		"=?iso-8859-15?Q?x?= <a@b>", "a@b # c", "a . b @ c", "\"Joe\n P\" <a@b>", "j\xf6rg <jörg@b>", "(((\"[<a@b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addrs, _ := ParseAddressList(s)
		for _, a := range addrs {
			spec := a.Spec()
			if err := CheckAddress(spec); err != nil {
				t.Errorf("%q: %v", s, err)
			}
			again, bad := ParseArgument(spec)
			if len(again) != 1 || len(bad) > 0 || again[0].Local != a.Local || again[0].Domain != a.Domain {
				t.Errorf("%q: %q is parsed as %+v, %v", s, spec, again, bad)
			}
		}
		oracle, err := mail.ParseAddressList(s)
		if err != nil {
			return
		}
		var want, got []string
		for _, a := range oracle {
			// net/mail returns quoted local parts without their quotes.
			at := strings.LastIndexByte(a.Address, '@')
			parts := Address{Local: a.Address[:at], Domain: a.Address[at+1:]}
			if CheckAddress(parts.Spec()) == nil { // the parser takes a TAB in quotes, and any length
				want = append(want, a.Address)
			}
		}
		for _, a := range addrs {
			got = append(got, a.Local+"@"+a.Domain)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, net/mail: %q", s, got, want)
		}
	})
}
