package message

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// Whatever the line ends, what only Bcc: names is in nothing that is sent; and unless a CR stands
// alone somewhere, it is a recipient.
func TestBccIsPrivate(t *testing.T) {
	ends := []string{"\n", "\r\n", "\r\r\r\n", "\r"}
	bccs := [][]string{
		{"Bcc: secret@example.com"},
		{"BCC \t:Secret <secret@example.com>,", "\tsecret@example.com"},
		{"bcc:", " secret@example.com"},
		{"Resent-To: open@example.net", "Resent-Bcc: secret@example.com"},
	}
	for _, start := range []string{"", "\ufeff", "\r", "From me Sat Nov 21 20:00:00 2026\n", "\x00"} {
		for _, bcc := range bccs {
			lines := slices.Concat([]string{"To: open@example.net"}, bcc, []string{"Subject: s", "", "body"})
			forEachChoice(len(lines), len(ends), func(choice []int) {
				in := start
				alone := false
				for i, line := range lines {
					in += line + ends[choice[i]]
					alone = alone || ends[choice[i]] == "\r"
				}
				checkPrivate(t, in, alone)
			})
		}
	}
}

func checkPrivate(t *testing.T, in string, alone bool) {
	t.Helper()
	h, br := readSubmitted(t, in)
	addrs, _ := h.Recipients()
	named := strings.Contains(strings.Join(specs(addrs), " "), "secret")
	if !alone && !named {
		t.Fatalf("%q: recipients %q", in, specs(addrs))
	}
	h.Remove(private[:]...)
	var sent strings.Builder
	if err := Copy(&sent, h, br); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sent.String(), "secret") {
		t.Fatalf("%q is sent as %q", in, sent.String())
	}
	open := strings.ReplaceAll(sent.String(), "Resent-To: open@example.net\n", "")
	if !alone && open != "To: open@example.net\nSubject: s\n\nbody\n" {
		t.Fatalf("%q is sent as %q", in, sent.String())
	}
}

// readSubmitted reads a header as a submission does.
func readSubmitted(t *testing.T, in string) (*Header, *bufio.Reader) {
	t.Helper()
	br := bufio.NewReader(WithoutNUL(strings.NewReader(in)))
	h, err := ReadHeader(br)
	if err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	return h, br
}

// forEachChoice calls f with each list of n numbers less than below.
func forEachChoice(n, below int, f func(choice []int)) {
	choice := make([]int, n)
	for {
		f(choice)
		i := 0
		for i < n {
			if choice[i]++; choice[i] < below {
				break
			}
			choice[i] = 0
			i++
		}
		if i == n {
			return
		}
	}
}

func TestReadHeaderUTF16(t *testing.T) {
	for _, in := range []string{"\xff\xfeA\x00:\x00", "\xfe\xff\x00A\x00:", "\xff\xfe"} {
		if _, err := ReadHeader(bufio.NewReader(WithoutNUL(strings.NewReader(in)))); err != ErrUTF16 {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestWithoutNUL(t *testing.T) {
	for _, in := range []string{"", "a", "\x00", "a\x00b\x00\x00", strings.Repeat("\x00", 9000) + "a", "a" + strings.Repeat("\x00b", 9000)} {
		for how, r := range map[string]io.Reader{
			"whole":    strings.NewReader(in),
			"by octet": iotest.OneByteReader(strings.NewReader(in)),
			"data+EOF": iotest.DataErrReader(strings.NewReader(in)),
		} {
			f := WithoutNUL(r)
			got, err := io.ReadAll(f)
			if want := strings.ReplaceAll(in, "\x00", ""); err != nil || string(got) != want || f.Dropped() != int64(strings.Count(in, "\x00")) {
				t.Errorf("%.20q, %s: %.20q, %d dropped, %v", in, how, got, f.Dropped(), err)
			}
		}
	}
	broken := errors.New("broken")
	if got, err := io.ReadAll(WithoutNUL(io.MultiReader(strings.NewReader("\x00a"), iotest.ErrReader(broken)))); string(got) != "a" || err != broken {
		t.Errorf("%q, %v", got, err)
	}
}

// Text of the old Macintosh kind has one line for LF, and so one field; whoever sends it learns that.
func TestCRRemark(t *testing.T) {
	for text, want := range map[string]string{
		"From: a@example.org\rTo: b@example.net\r\rtext\r":   "all of the header is one field",
		"From: a@example.org\rTo: b@example.net\r\n\r\ntext": "all of the header is one field",
		"From: a@example.org\nX-Note: one\rtwo\n\ntext":      "it became a blank",
		"From: a@example.org\r\nX: y\r\r\n\r\ntext\rmore":    "",
		"text\rmore\r": "",
	} {
		h, err := ReadHeader(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		if got := h.CRRemark(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
