package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readString reads the header of s; br then holds the body.
func readString(t testing.TB, s string) (*Header, *bufio.Reader) {
	t.Helper()
	br := bufio.NewReader(strings.NewReader(s))
	h, err := ReadHeader(br)
	if err != nil {
		t.Fatalf("ReadHeader(%.60q): %v", s, err)
	}
	return h, br
}

// headerOf returns a header of the fields in s.
func headerOf(t testing.TB, s string) *Header {
	h, _ := readString(t, s)
	return h
}

func written(h *Header) string {
	var b strings.Builder
	h.WriteTo(&b)
	return b.String()
}

func TestReadHeader(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	cr := strings.Repeat("\r", 5000)
	blanks := strings.Repeat(" ", 1000)
	tests := []struct {
		name, in, header, body string
	}{
		{"plain", "A: 1\nB: 2\n\nbody\n", "A: 1\nB: 2\n", "body\n"},
		{"nothing", "", "", ""},
		{"no header", "hi\n", "", "hi\n"},
		{"no header, no line end", "hi", "", "hi"},
		{"blank line first", "\nA: 1\n", "", "A: 1\n"},
		{"blank first", " A: 1\n\nbody\n", "", " A: 1\n\nbody\n"},
		{"blank line ends the input", "A: 1\n\n", "A: 1\n", ""},
		{"no blank line", "A: 1\n", "A: 1\n", ""},
		{"no line end", "A: 1", "A: 1\n", ""},
		{"early body", "A: 1\nhello world: 2\n\nB: 3\n", "A: 1\n", "hello world: 2\n\nB: 3\n"},
		{"early body with a colon first", "A: 1\n: 2\n", "A: 1\n", ": 2\n"},
		{"8-bit name", "A: 1\nB\xe4r: 2\n", "A: 1\n", "B\xe4r: 2\n"},
		{"name cut short", "A: 1\nB", "A: 1\n", "B"},
		{"name too long", "A: 1\n" + long[:2000] + ": 2\n", "A: 1\n", long[:2000] + ": 2\n"},
		{"body of one line without end", long, "", long},
		{"two blank lines", "A: 1\n\n\nbody", "A: 1\n", "\nbody"},
		{"folded", "A: 1\n 2\n\t3\n \n 4\nB: 5\n\nbody", "A: 1\n 2\n\t3\n \n 4\nB: 5\n", "body"},
		{"blank before the colon", "A \t: 1\n\n", "A \t: 1\n", ""},
		{"odd names", "!#$%&'*+-./9^_`{|}~: 1\n\n", "!#$%&'*+-./9^_`{|}~: 1\n", ""},
		{"8-bit, NUL", "A: J\xf6rg\x00\x01\n\n\x00", "A: J\xf6rg\x00\x01\n", "\x00"},
		{"CRLF", "A: 1\r\nB: 2\r\n 3\r\n\r\nbody\r\n", "A: 1\nB: 2\n 3\n", "body\r\n"},
		{"CRCRLF", "A: 1\r\r\nB: 2\r\r\n 3\r\r\n\r\r\nbody\r\r\n", "A: 1\nB: 2\n 3\n", "body\r\r\n"},
		{"many CRs before LF", "A: 1" + cr + "\nB: 2" + cr + "\n" + cr + "\nbody" + cr, "A: 1\nB: 2\n", "body" + cr},
		{"CR at the end", "A: 1\r", "A: 1\n", ""},
		{"CRs and no line after them", "A: 1\n\r\r", "A: 1\n", ""},
		{"CR within a field", "A: 1\rB: 2\r\rC: 3\nD: 4\n\nbody\n", "A: 1 B: 2  C: 3\nD: 4\n", "body\n"},
		{"CR in a fold", "A: 1\n\rB: 2\n\r 3\n\nbody", "A: 1\n B: 2\n  3\n", "body"},
		{"CR before the colon", "A\r : 1\n\n", "A  : 1\n", ""},
		{"CR hides no Bcc", "Subject: x\rBcc: a@b,\n c@d\ry\rbCC :e@f\n\n", "Subject: x y\n", ""},
		{"CR hides no folded Bcc", "Subject: x\rresent-bcc\t: a@b,\r c@d\r\ry\n\n", "Subject: x  y\n", ""},
		{"LF, CR hides no Bcc", "Subject: x\n\rBcc: a@b\n\rX: y\n\rResent-Bcc: z\n\n", "Subject: x\n X: y\n", ""},
		{"CR and what is no Bcc", "Subject: x\r Bcc: y\rXBcc: z\n\n", "Subject: x  Bcc: y XBcc: z\n", ""},
		{"a mixture", "A: 1\r\n\tx\nB: 2\r\r\n\r\nbody\n", "A: 1\n\tx\nB: 2\n", "body\n"},
		{"CRs before the first field", "\r\rA: 1\n\n", "A: 1\n", ""},
		{"CRs before a blank line", "\r\r\nA: 1\n\n", "", "A: 1\n\n"},
		{"byte order mark", "\ufeffA: 1\n\nbody\n", "A: 1\n", "body\n"},
		{"byte order mark, CR, From_ line", "\ufeff\rFrom a@b\nA: 1\n\nbody\n", "A: 1\n", "body\n"},
		{"byte order mark alone", "\ufeff", "", ""},
		{"blanks before the colon", "A: 1\nB" + blanks + ": 2\n\n", "A: 1\nB" + blanks + ": 2\n", ""},
		{"long field", "A: " + long + "\n\nbody", "A: " + long + "\n", "body"},
		{"many fields", strings.Repeat("A: 1\n", 20000) + "\nbody", strings.Repeat("A: 1\n", 20000), "body"},

		{"From_ line", "From a@b Sat Nov 21 20:00:00 2026\nA: 1\n\nbody\n", "A: 1\n", "body\n"},
		{"From_ line, CRLF", "From a@b Sat Nov 21 20:00:00 2026\r\nA: 1\r\n\r\n", "A: 1\n", ""},
		{"From_ line without a date", "From a@b\nA: 1\n\n", "A: 1\n", ""},
		{"From_ line, no header", "From a@b Sat Nov 21 20:00:00 2026\n\nbody\n", "", "body\n"},
		{">From_ line", ">From a@b\nA: 1\n\n", "A: 1\n", ""},
		{"From_ and >From_ line", "From a Sat Nov 21 20:00:00 2026\n>From b\nA: 1\n\n", "A: 1\n", ""},
		{"two From_ lines", "From a Sat Nov 21 20:00:00 2026\nFrom b\nA: 1\n\n", "", "From b\nA: 1\n\n"},
		{"text that begins with From", "From now on: silence\nas agreed\n", "", "From now on: silence\nas agreed\n"},
		{"text of one line that begins with From", "From now on", "", "From now on"},
		{"a From_ line later", "A: 1\nFrom a@b Sat Nov 21 20:00:00 2026\n\n", "A: 1\n", "From a@b Sat Nov 21 20:00:00 2026\n\n"},
		{"obsolete From", "From : a@b\nA: 1\n\n", "From : a@b\nA: 1\n", ""},
		{"a beginning of From", "Fro", "", "Fro"},
		{"very long From_ line", "From " + long + "\nA: 1\n", "", "From " + long + "\nA: 1\n"},
	}
	readers := map[string]func(io.Reader) io.Reader{
		"whole":    func(r io.Reader) io.Reader { return r },
		"by octet": iotest.OneByteReader,
		"by half":  iotest.HalfReader,
		"data+EOF": iotest.DataErrReader,
	}
	for _, tt := range tests {
		for how, reader := range readers {
			br := bufio.NewReaderSize(reader(strings.NewReader(tt.in)), 1<<10)
			h, err := ReadHeader(br)
			if err != nil {
				t.Errorf("%s, %s: %v", tt.name, how, err)
				continue
			}
			if got := written(h); got != tt.header+"\n" {
				t.Errorf("%s, %s: header %.80q, want %.80q", tt.name, how, got, tt.header+"\n")
			}
			body, err := io.ReadAll(br)
			if err != nil || string(body) != tt.body {
				t.Errorf("%s, %s: body %.80q, %v; want %.80q", tt.name, how, body, err, tt.body)
			}
		}
	}
}

// An input that fails must never be taken for an input that ends.
func TestReadHeaderError(t *testing.T) {
	broken := errors.New("input/output error")
	for _, in := range []string{"", "F", "From x", "From x\n", "A", "A: 1", "A: 1\r", "A: 1\n", "A: 1\n B"} {
		br := bufio.NewReader(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)))
		if h, err := ReadHeader(br); err != broken {
			t.Errorf("%q: %+v, %v", in, h, err)
		}
	}
}

func TestReadHeaderTooLarge(t *testing.T) {
	endless := func(s string) io.Reader {
		return io.MultiReader(strings.NewReader("A: 1\n"), &repeater{text: s})
	}
	for _, s := range []string{"x: y\n", " continued\n", "Subject: x"} {
		if _, err := ReadHeader(bufio.NewReader(endless(s))); err != ErrHeaderTooLarge {
			t.Errorf("endless %q: %v", s, err)
		}
	}
	small := bufio.NewReaderSize(strings.NewReader("A: 1\n\n"), 16)
	if _, err := ReadHeader(small); err == nil {
		t.Error("a buffer too small to recognise fields was taken")
	}
}

// A repeater reads as an endless repetition of text.
type repeater struct {
	text string
	at   int
}

func (r *repeater) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.text[r.at]
		r.at = (r.at + 1) % len(r.text)
	}
	return len(p), nil
}

func TestHeaderGet(t *testing.T) {
	h := headerOf(t, "Subject:  folded\n  twice \t\nX-Empty:\nx-list : 1\nX-List: J\xf6rg\x00\n\n")
	tests := []struct {
		name, want string
		ok         bool
	}{
		{"subject", "folded  twice", true},
		{"X-EMPTY", "", true},
		{"X-List", "1", true},
		{"List", "", false},
		{"", "", false},
	}
	for _, tt := range tests {
		if got, ok := h.Get(tt.name); got != tt.want || ok != tt.ok || h.Has(tt.name) != tt.ok {
			t.Errorf("Get(%q) = %q, %v", tt.name, got, ok)
		}
	}
	if got := h.Values("X-List"); !slices.Equal(got, []string{"1", "J\xf6rg\x00"}) {
		t.Errorf("Values = %q", got)
	}
	if !h.EightBit() || headerOf(t, "A: 1\n\n\xff").EightBit() {
		t.Error("EightBit does not tell whether the header has octets over 127")
	}
	for text, want := range map[string]bool{"A: \xc3\xb6\n\n": true, "A: \xf6\n\n": false, "A: \xc3\xb6\nB: \xf6\n\n": false, "A: o\n\n\xc3\xb6\n": false} {
		if headerOf(t, text).UTF8() != want {
			t.Errorf("%q: UTF8 is %v", text, !want)
		}
	}
}

func TestHeaderRemove(t *testing.T) {
	tests := []struct{ in, want string }{
		{"Bcc: a@b\n\n", ""},
		{"A: 1\nBcc: a@b,\n c@d,\n\te@f\nB: 2\n\n", "A: 1\nB: 2\n"},
		{"bCC: a\nA: 1\nBcc : b\nBCC\t :c\n \n d\n\n", "A: 1\n"},
		{"Resent-Bcc: a\nA: 1\nX-Bcc: b\nBccc: c\nBc: c\n\n", "A: 1\nX-Bcc: b\nBccc: c\nBc: c\n"},
		{"Bcc:\n\n", ""},
		{"A: 1\r\nBcc\r: a\r\r\n\r\n", "A: 1\n"},
	}
	for _, tt := range tests {
		h := headerOf(t, tt.in)
		h.Remove("Bcc", "resent-bcc")
		if got := written(h); got != tt.want+"\n" {
			t.Errorf("%q without Bcc: %q, want %q", tt.in, got, tt.want+"\n")
		}
	}
}

func TestHeaderAdd(t *testing.T) {
	tests := []struct {
		name, value string
		ok          bool
	}{
		{"Date", "Sat, 21 Nov 2026 20:00:00 +0000", true},
		{"From", "J\xc3\xb6rg <a@b>", true},
		{"X-Folded", "a\n b\n\tc", true},
		{"X-Tab", "a\tb", true},
		{"X-Injected", "a\nBcc: b", false},
		{"X-Injected", "a\n\n body", false},
		{"X-Injected", "a\n \n body", false},
		{"X-Injected", "a\n", false},
		{"X-CR", "a\r b", false},
		{"X-NUL", "a\x00", false},
		{"X-ESC", "a\x1b[2J", false},
		{"X-DEL", "a\x7f", false},
		{"", "a", false},
		{"X Y", "a", false},
		{"X:Y", "a", false},
		{"X\nY", "a", false},
		{"Xä", "a", false},
		{" X", "a", false},
	}
	for _, tt := range tests {
		h := headerOf(t, "A: 1\n\n")
		err := h.Add(tt.name, tt.value)
		want := "A: 1\n\n"
		if tt.ok {
			want = "A: 1\n" + tt.name + ": " + tt.value + "\n\n"
		}
		if got := written(h); (err == nil) != tt.ok || got != want {
			t.Errorf("Add(%q, %q): %v, header %q", tt.name, tt.value, err, got)
		}
	}
}

func TestHeaderAddResent(t *testing.T) {
	for in, want := range map[string]string{
		"A: 1\nResent-From: a\nResent-To: b\nReceived: x\nResent-From: c\n": "A: 1\nResent-Date: d\nResent-From: a\nResent-To: b\nReceived: x\nResent-From: c\n",
		"Resent-Date: x\nResent-From: a\n":                                  "",
		"Resent-From: a\nReceived: x\nResent-Date: y\n":                     "Resent-Date: d\nResent-From: a\nReceived: x\nResent-Date: y\n",
		"A: 1\n": "",
	} {
		h := headerOf(t, in+"\n")
		if h.LacksResent("resent-date") != (want != "") {
			t.Errorf("%q: LacksResent is %v", in, want == "")
		} else if want == "" {
			continue
		}
		if err := h.AddResent("Resent-Date", "d"); err != nil || written(h) != want+"\n" {
			t.Errorf("%q became %q, %v", in, written(h), err)
		}
	}
}

func TestHeaderSetSender(t *testing.T) {
	tests := []struct{ in, sender, want string }{
		{"A: 1\n\n", "a@b", "A: 1\nSender: a@b\n\n"},
		{"", "Joe <a@b>", "Sender: Joe <a@b>\n\n"},
		{"SENDER : x,\n y\nA: 1\nSender: z\n\n", "a@b", "Sender: a@b\nA: 1\n\n"},
		{"A: 1\n\n", "a@b\nBcc: c@d", ""},
		{"A: 1\n\n", "a@b, c@d", ""},
		{"A: 1\n\n", "", ""},
		{"A: 1\n\n", "two words", ""},
		{"A: 1\n\n", "\"\x1b\" <a@b>", ""},
	}
	for _, tt := range tests {
		h := headerOf(t, tt.in)
		err := h.SetSender(tt.sender)
		if got := written(h); tt.want != "" && (err != nil || got != tt.want) {
			t.Errorf("SetSender(%q) in %q: %q, %v", tt.sender, tt.in, got, err)
		} else if tt.want == "" && (err == nil || got != tt.in) {
			t.Errorf("SetSender(%q) was accepted: %q", tt.sender, got)
		}
	}
}

func TestHeaderRecipients(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		bad      int
	}{
		{"all three", "To: a@b\nCc: c@d\nBcc: e@f\nReply-To: x@y\n", []string{"a@b", "c@d", "e@f"}, 0},
		{"several of each", "To: a@b\nTo: c@d\nTO : e@f\n", []string{"a@b", "c@d", "e@f"}, 0},
		{"folded", "To: a@b,\n c@d,\n\te@f\n", []string{"a@b", "c@d", "e@f"}, 0},
		{"duplicates", "To: a@b, A@b\nCc: Joe <a@B>, \"a\"@b\n", []string{"a@b", "A@b"}, 0},
		{"a bad member", "To: a@b, two words, c@d\nCc: <\n", []string{"a@b", "c@d"}, 2},
		{"none", "From: a@b\nTo: undisclosed-recipients:;\n", nil, 0},
		{"resent", "Resent-To: r@s\nResent-Bcc: t@u\nTo: a@b\nBcc: c@d\n", []string{"r@s", "t@u"}, 0},
		{"resent, no recipients", "Resent-From: r@s\nTo: a@b\n", []string{"a@b"}, 0},
		{"resent twice, apart", "Resent-To: new@b\nReceived: x\nResent-To: old@b\nTo: a@b\n", []string{"new@b"}, 0},
		{"resent twice, together",
			"Resent-From: n\nResent-Date: x\nResent-To: new@b\nResent-Cc: new2@b\nResent-From: o\nResent-To: old@b\n",
			[]string{"new@b", "new2@b"}, 0},
		{"resent, the newest without recipients",
			"Resent-From: n\nReceived: x\nResent-From: o\nResent-To: old@b\nTo: a@b\n", []string{"old@b"}, 0},
		{"one list in two fields", "Resent-To: r@s\nResent-To: t@u\nResent-From: x\n", []string{"r@s", "t@u"}, 0},
	}
	for _, tt := range tests {
		h := headerOf(t, tt.in)
		addrs, bad := h.Recipients()
		if got := specs(addrs); !slices.Equal(got, tt.want) || len(bad) != tt.bad {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, bad, tt.want)
		}
	}
	_, bad := headerOf(t, "Cc: a@b, two words\n").Recipients()
	if len(bad) != 1 || !strings.HasPrefix(bad[0].Error(), `Cc: address "two words": `) {
		t.Errorf("errors %q do not name field and member", bad)
	}
}

func TestHeaderResent(t *testing.T) {
	if !headerOf(t, "A: 1\nRESENT-date: x\n").Resent() {
		t.Error("a Resent- field is overlooked")
	}
	if headerOf(t, "Resent: x\nTo: Resent-To: a@b\nX-Resent-To: a\n").Resent() {
		t.Error("resent without a Resent- field")
	}
}

func FuzzReadHeader(f *testing.F) {
	for _, s := range []string{
		"A: 1\nBcc: a@b,\n c@d\n\nbody\n", "Bcc : a\rBCC\t:b\r\n\r\nx", "From a Sat Nov 21 20:00:00 2026\n>From x\nA: 1\n\n",
		"hi\nBcc: x\n", " \nA: 1\n", "A: 1\n\r\n\r", "A: \x00\xff\nB", "Resent-To: a\nResent-Bcc: b\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		br := bufio.NewReader(bytes.NewReader(in))
		h, err := ReadHeader(br)
		if err == ErrUTF16 {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(br)
		if !bytes.HasSuffix(in, body) {
			t.Fatalf("%q: body %q is not what was left", in, body)
		}
		once := written(h)
		again, rest := readString(t, once+string(body))
		if written(again) != once {
			t.Fatalf("%q: written as %q, which is read as %q", in, once, written(again))
		}
		if b, _ := io.ReadAll(rest); !bytes.Equal(b, body) {
			t.Fatalf("%q: body %q became %q", in, body, b)
		}
		h.Recipients()
		checkAuthor(t, h)
		h.Remove("Bcc", "Resent-Bcc")
		if err := h.Add("Date", FormatDate(noon)); err != nil {
			t.Fatal(err)
		}
		if err := h.SetSender("a@example.org"); err != nil {
			t.Fatal(err)
		}
		mended, _ := readString(t, written(h))
		if mended.Has("Bcc") || mended.Has("Resent-Bcc") || len(mended.Values("Sender")) != 1 {
			t.Fatalf("%q: mended to %q", in, written(mended))
		}
		for line := range strings.Lines(written(h)) {
			name, _, _ := strings.Cut(line, ":")
			if strings.EqualFold(strings.TrimRight(name, " \t"), "Bcc") {
				t.Fatalf("%q: Bcc is left in %q", in, written(h))
			}
		}
	})
}

func BenchmarkHeader(b *testing.B) {
	in := "From: Joe <a@example.org>\nTo: b@example.org, Team <c@example.org>\n" +
		strings.Repeat("Received: from a.example.org (b.example.org [192.0.2.1])\n\tby c.example.org; Sat, 21 Nov 2026 20:00:00 +0000\n", 10) +
		"Subject: hello\nBcc: d@example.org\n\nbody\n"
	br := bufio.NewReader(nil)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		br.Reset(strings.NewReader(in))
		h, err := ReadHeader(br)
		if err != nil {
			b.Fatal(err)
		}
		h.Recipients()
		h.Remove("Bcc", "Resent-Bcc", "Return-Path")
		h.Author()
		h.Has("Date")
		h.Has("Message-ID")
	}
}
