package message

import (
	"bufio"
	"bytes"
	"net/mail"
	"strings"
	"testing"
)

func TestQualify(t *testing.T) {
	tests := []struct{ in, want string }{ // "" for unchanged
		{"From: root (Cron Daemon)", "From: root@example.org (Cron Daemon)"},
		{"From: mdadm monitoring <root>", "From: mdadm monitoring <root@example.org>"},
		{"from :root", "from :root@example.org"},
		{"FROM:\n\troot\n (x)", "FROM:\n\troot@example.org\n (x)"},
		{"From: <root>", "From: <root@example.org>"},
		{"From: (x) root (y) (z)", "From: (x) root@example.org (y) (z)"},
		{"From: < root (x) >", "From: < root@example.org (x) >"},
		{"From: \"a b\"", "From: \"a b\"@example.org"},
		{"From: \"a b\" <c>", "From: \"a b\" <c@example.org>"},
		{"From: a . b", "From: a . b@example.org"},
		{"Sender: root", "Sender: root@example.org"},
		{"Reply-To: a, b", "Reply-To: a@example.org, b@example.org"},
		{"To: root, admin@example.net;joe,, \n ann", "To: root@example.org, admin@example.net;joe@example.org,, \n ann@example.org"},
		{"To: Team: root, Joe <joe>;, x@y", "To: Team: root@example.org, Joe <joe@example.org>;, x@y"},
		{"Resent-From: root\nResent-To: joe\nResent-Cc: ann\nResent-Sender: x\nResent-Reply-To: y",
			"Resent-From: root@example.org\nResent-To: joe@example.org\nResent-Cc: ann@example.org\nResent-Sender: x@example.org\nResent-Reply-To: y@example.org"},
		{"To: J\xf6rg <joe>, j\xc3\xb6rg", "To: J\xf6rg <joe@example.org>, j\xc3\xb6rg@example.org"},

		{"From: me@example.net", ""},
		{"From: Doe, John <john@example.net>", ""},
		{"Reply-To: Doe; John <john@example.net>", ""},
		{"From: Joe Public", ""},
		{"From:", ""},
		{"From: =?utf-8?q?x?=", ""},
		{"From: (nobody)", ""},
		{"To: undisclosed-recipients:;", ""},
		{"Cc: root # not an address", ""},
		{"To: two words, \"open, a.", ""},
		{"To: .a, a..b", ""},
		{"Subject: root\nErrors-To: root\nX-To: root\nResent: root\nMail-Followup-To: root", ""},
		{"To: " + strings.Repeat("x", MaxAddress-len("@example.org")+1), ""},
		{"To: " + strings.Repeat("x", MaxAddress-len("@example.org")), "To: " + strings.Repeat("x", MaxAddress-len("@example.org")) + "@example.org"},

		// Signed.
		{"DKIM-Signature: v=1; h=from:\n to; b=x\nFrom: root\nTo: root\nCc: root", "DKIM-Signature: v=1; h=from:\n to; b=x\nFrom: root\nTo: root\nCc: root@example.org"},
		{"To: root\nCc: root\ndkim-signature : h = From : F\n rom; b=x\nDKIM-Signature: b=h;h=Cc", "To: root@example.org\nCc: root\ndkim-signature : h = From : F\n rom; b=x\nDKIM-Signature: b=h;h=Cc"},
		{"ARC-Message-Signature: i=1; h=to; b=x\nTo: root", ""},
		{"DomainKey-Signature: a=x; b=y\nTo: root", ""},
		{"DKIM-Signature: nonsense\nTo: root", ""},
	}
	for _, tt := range tests {
		if tt.want == "" {
			tt.want = tt.in
		}
		h := headerOf(t, tt.in+"\n\n")
		h.Qualify("example.org")
		if got := written(h); got != tt.want+"\n\n" {
			t.Errorf("%q became %q, want %q", tt.in, got, tt.want)
		}
	}
	for domain, want := range map[string]string{
		"bücher.example": "root@xn--bcher-kva.example", "[192.0.2.1]": "root@[192.0.2.1]",
		"": "root", "a b": "root", "x>\nBcc: y": "root", "b\xfc.example": "root",
	} {
		h := headerOf(t, "From: root\n\n")
		if h.Qualify(domain); written(h) != "From: "+want+"\n\n" {
			t.Errorf("with domain %q: %q", domain, written(h))
		}
	}
}

// A line that was short enough for SMTP stays so.
func TestQualifyLongLine(t *testing.T) {
	for _, sep := range []string{",", ", ", ",\t  "} {
		in := "To: " + strings.TrimRight(strings.Repeat("somebody"+sep, 90), sep) + "\n\n"
		h := headerOf(t, in)
		before, _ := h.Recipients()
		h.Qualify("a.long.domain.of.a.university.example.org")
		for line := range strings.Lines(written(h)) {
			if len(line) > MaxLine+1 {
				t.Errorf("a line has %d octets", len(line))
			}
		}
		if after, bad := h.Recipients(); len(after) != len(before) || len(bad) > 0 {
			t.Errorf("%d recipients became %d", len(before), len(after))
		}
	}
}

const qualifier = "zz--unlikely.example"

// FuzzQualify compares with what can be seen without this package's parser: with the added domains
// and folds taken away the header is what it was; and a list that net/mail reads afterwards has the
// addresses that it had before, each with a domain.
func FuzzQualify(f *testing.F) {
	for _, s := range []string{
		"From: root (Cron Daemon)\nTo: a, b@c, \"x y\"\n\n", "To: Team: root, Joe <joe>;\nDKIM-Signature: h=from:cc; b=\nCc: x\n\n",
		"Reply-To: =?utf-8?q?x?= <root>, ((, <a>\n\n", "Resent-To: <@a,@b:c@d>, e . f # g\n\n", "From:\n root,\n\t<b>\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := ReadHeader(bufio.NewReader(bytes.NewReader(in)))
		if err == ErrUTF16 || bytes.Contains(in, []byte(qualifier)) {
			return
		}
		before := written(h)
		old := headerOf(t, before)
		h.Qualify(qualifier)
		after := written(h)
		if plain(after) != plain(before) {
			t.Fatalf("%q became %q", before, after)
		}
		signed := old.Signed()
		now := headerOf(t, after)
		var was []string
		for f := range old.fields() {
			was = append(was, string(f.name))
		}
		i := 0
		for f := range now.fields() {
			if i == len(was) || was[i] != string(f.name) {
				t.Fatalf("%q became %q", before, after)
			}
			i++
			if !holdsAddresses(f) || signed.Covers(string(f.name)) {
				if strings.Contains(string(now.raw[f.start:f.end]), qualifier) {
					t.Fatalf("%q became %q", before, after)
				}
				continue
			}
			checkCompleted(t, now.text(f))
		}
		if i != len(was) {
			t.Fatalf("%q became %q", before, after)
		}
		h.Qualify(qualifier)
		if written(h) != after {
			t.Fatalf("%q, again: %q", after, written(h))
		}
	})
}

// plain returns a header without what Qualify may have added.
func plain(header string) string {
	return strings.NewReplacer("@"+qualifier, "", "\n ", "", " ", "", "\t", "", "\n\t", "").Replace(header)
}

// checkCompleted checks a list that net/mail can read, which knows no addresses without a domain.
func checkCompleted(t *testing.T, list string) {
	t.Helper()
	read, err := mail.ParseAddressList(list)
	if err != nil {
		return
	}
	before, err := mail.ParseAddressList(strings.ReplaceAll(list, "@"+qualifier, "@gone.example"))
	if err != nil || len(before) != len(read) {
		t.Fatalf("%q: %v, %d and %d addresses", list, err, len(read), len(before))
	}
	for i, a := range read {
		was := strings.ReplaceAll(before[i].Address, "@gone.example", "@"+qualifier)
		if a.Address != was || strings.Count(a.Address, qualifier) > 1 {
			t.Fatalf("%q: %q, and before %q", list, a.Address, was)
		}
	}
}
