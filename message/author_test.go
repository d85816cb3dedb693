package message

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestAuthor(t *testing.T) {
	tests := []struct {
		in, want string // header; field and address
		remark   string // a piece of the remark; "" for none
	}{
		{"From: a@b\n", "From a@b", ""},
		{"From : a@b\n", "From a@b", ""},
		{"from: root (Cron Daemon)\n", "From root", ""},
		{"From: \"Joe,\n Public\" <a@b>\n", "From a@b", ""},
		{"From: Me@Example.ORG\n", "From Me@Example.ORG", ""},
		{"From: a@bücher.example\n", "From a@bücher.example", ""},
		{"From: a@b\nSender: s@t\n", "From a@b", ""},
		{"Subject: x\n", " ", ""},

		// Several mailboxes, or none.
		{"From: a@b, c@d\nSender: s@t\n", "Sender s@t", ""},
		{"From: a@b, c@d\n", "From a@b", "2 mailboxes"},
		{"From: a@b\nFrom: c@d\n", "From a@b", "2 mailboxes"},
		{"From: Team: a@b, c@d;\nSender: s@t\n", "Sender s@t", ""},
		{"From: Team: a@b;\n", "From a@b", ""},
		{"From: Doe, John <a@b>\n", "From a@b", "must be in quotes"},
		{"From: Doe; John <a@b>\n", "From a@b", "must be in quotes"},
		{"From: root, admin\n", "From root", "2 mailboxes"},
		{"From:\n", " ", "names nobody"},
		{"From: undisclosed:;\n", " ", "names nobody"},
		{"From: (nobody)\nSender: s@t\n", "Sender s@t", "names nobody"},
		{"Sender: s@t\n", "Sender s@t", ""},
		{"Sender: s@t, u@v\n", "Sender s@t", ""},
		{"Sender: Joe Public\n", " ", ""},

		// What cannot be read.
		{"From: Joe Public\n", " ", "cannot be read (address \"Joe Public\""},
		{"From: Joe Public\nSender: s@t\n", "Sender s@t", "cannot be read"},
		{"From: Joe <a@b\n", " ", "cannot be read"},
		{"From: \"Joe <a@b>\n", " ", "cannot be read"},
		{"From: M\xfcller, Ann <a@b>\n", "From a@b", "cannot be read"},
		{"From: =?utf-8?q?a=40b?=\n", " ", "an encoded word is not an address"},
		{"From: a@b..c\n", " ", "no valid domain"},

		// Resent messages.
		{"Resent-From: r@s\nFrom: a@b\n", "Resent-From r@s", ""},
		{"Resent-From: r@s\nResent-To: x\nReceived: by y\nResent-From: o@p\nFrom: a@b\n", "Resent-From r@s", ""},
		{"Resent-To: x\nResent-From: r@s\nResent-To: y\nResent-From: o@p\n", "Resent-From r@s", ""},
		{"From: a@b\nResent-From: r@s\n", "Resent-From r@s", ""},
		{"Resent-Sender: q@s\nResent-From: r@s, o@p\nFrom: a@b\n", "Resent-Sender q@s", ""},
		{"Resent-Sender: q@s\nFrom: a@b\n", "Resent-Sender q@s", ""},
		{"Resent-From: r s\nFrom: a@b\n", " ", "Resent-From: cannot be read"},
		{"Resent-To: x\nFrom: a@b\n", "From a@b", "without a Resent-From:"},
		{"Resent-To: x\nReceived: by y\nResent-From: o@p\nFrom: a@b\n", "From a@b", "without a Resent-From:"},
	}
	for _, tt := range tests {
		h := headerOf(t, tt.in)
		a := h.Author()
		if got := a.Field + " " + a.Address; got != tt.want || (tt.remark == "") != (a.Remark == "") || !strings.Contains(a.Remark, tt.remark) {
			t.Errorf("%q: %q, remark %q; want %q and %q", tt.in, got, a.Remark, tt.want, tt.remark)
		}
		checkAuthor(t, h)
	}
}

// checkAuthor checks what holds for every header: the address is one, whoever did not choose the
// author with certainty is told so, and the remark can be kept and shown.
func checkAuthor(t *testing.T, h *Header) {
	t.Helper()
	a := h.Author()
	if (a.Address == "") != (a.Field == "") || a.Address != "" && CheckAddress(a.Address) != nil {
		t.Fatalf("author %+v", a)
	}
	if a.Address == "" && a.Remark == "" && (h.Has("From") || h.Resent()) {
		t.Fatalf("nobody, without a remark: %q", h.raw)
	}
	if len(a.Remark) > 1200 || !utf8.ValidString(a.Remark) || strings.ContainsFunc(a.Remark, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Fatalf("remark %q", a.Remark)
	}
}
