package relay

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// parseReply reads one reply from text.
func parseReply(t testing.TB, text string) *reply {
	t.Helper()
	r, err := newReplyReader(strings.NewReader(text), nil).next()
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return r
}

func TestReply(t *testing.T) {
	for _, c := range []struct {
		said   string
		code   int
		status string
		text   string
	}{
		{"250 ok\r\n", 250, "2.0.0", "ok"},
		{"250 ok\n", 250, "2.0.0", "ok"},
		{"250\r\n", 250, "2.0.0", ""},
		{"250 \r\n", 250, "2.0.0", ""},
		{"250 2.1.5 ok\r\n", 250, "2.1.5", "ok"},
		{"250 2.1.5\r\n", 250, "2.1.5", ""},
		{"550-5.1.1 no\r\n550 5.1.1 really\r\n", 550, "5.1.1", "no really"},
		{"550-5.1.1 no\r\n550 5.1.2 really\r\n", 550, "5.1.1", "no 5.1.2 really"},
		{"550-no\r\n550 5.1.2 really\r\n", 550, "5.0.0", "no 5.1.2 really"},
		{"550 2.1.5 liar\r\n", 550, "5.0.0", "2.1.5 liar"},
		{"550 5.1.1000 no\r\n", 550, "5.0.0", "5.1.1000 no"},
		{"550 5.1.1.1 refused\r\n", 550, "5.0.0", "5.1.1.1 refused"},
		{"550 5.1. refused\r\n", 550, "5.0.0", "5.1. refused"},
		{"450 4.7.1 \x1b]0;\xff\r\n", 450, "4.7.1", "\x1b]0;\xff"},
		{"354 " + strings.Repeat("x", 3000) + "\r\n", 354, "3.0.0", strings.Repeat("x", 1024)},
	} {
		r := parseReply(t, c.said)
		if r.code != c.code || r.enhanced() != c.status || r.text() != c.text {
			t.Errorf("%.40q: %d %s %q, want %d %s %q", c.said, r.code, r.enhanced(), r.text(), c.code, c.status, c.text)
		}
	}
}

func TestReplyRefused(t *testing.T) {
	for _, c := range []struct {
		said string
		want error
	}{
		{"", io.EOF},
		{"250", io.ErrUnexpectedEOF},
		{"250-ok\r\n", io.ErrUnexpectedEOF},
		{"\r\n", errNoCode},
		{"25 ok\r\n", errNoCode},
		{"2500 ok\r\n", errNoCode},
		{"150 ok\r\n", errNoCode},
		{"600 ok\r\n", errNoCode},
		{"2x0 ok\r\n", errNoCode},
		{"+OK dovecot ready\r\n", errNoCode},
		{"250_ok\r\n", errNoCode},
		{"250 o\x00k\r\n", errNUL},
		{"250-ok\r\n550 no\r\n", errMixedCodes},
		{"250-" + strings.Repeat("x", 5000) + "\r\n", errLineTooLong},
		{strings.Repeat("250-x\r\n", 300) + "250 x\r\n", errReplyTooLong},
		{strings.Repeat("250-"+strings.Repeat("x", 3000)+"\r\n", 25) + "250 x\r\n", errReplyTooLong},
	} {
		if r, err := newReplyReader(strings.NewReader(c.said), nil).next(); !errors.Is(err, c.want) {
			t.Errorf("%.40q: %+v, %v, want %v", c.said, r, err, c.want)
		}
	}
}

// FuzzReply: whatever is said, a reply is within the limits, has a code, and is the same
// however it arrives.
func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 ok\r\n", "250-a\r\n250 b\r\n", "550 5.1.1 x\r\n", "250-a\n550 b\n", "\x00", "250", strings.Repeat("250-x\n", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, said string) {
		r, err := newReplyReader(strings.NewReader(said), nil).next()
		slow, slowErr := newReplyReader(iotest.OneByteReader(strings.NewReader(said)), nil).next()
		if (err == nil) != (slowErr == nil) {
			t.Fatalf("%v, but octet by octet %v", err, slowErr)
		}
		if err != nil {
			return
		}
		if r.code < 200 || r.code > 599 || len(r.lines) == 0 || len(r.lines) > maxReplyLines || len(r.text()) > maxText {
			t.Fatalf("%+v", r)
		}
		if int(r.enhanced()[0]-'0') != r.class() {
			t.Fatalf("status %s with code %d", r.enhanced(), r.code)
		}
		if r.text() != slow.text() || r.code != slow.code {
			t.Fatalf("%+v, but octet by octet %+v", r, slow)
		}
		parseExtensions(r)
	})
}

func TestExtensions(t *testing.T) {
	ext := parseExtensions(parseReply(t, "250-mx pipelining\r\n250-Size 1000\r\n250-8bitmime\r\n250-AUTH plain\r\n250-AUTH=LOGIN CRAM-MD5\r\n250 chunking \r\n"))
	if ext.has("PIPELINING") || !ext.has("8BITMIME") || !ext.has("CHUNKING") || ext.sizeLimit() != 1000 {
		t.Errorf("%v", ext)
	}
	if !ext.auth("PLAIN") || !ext.auth("LOGIN") || ext.auth("LOG") {
		t.Errorf("AUTH: %q", ext["AUTH"])
	}
	for _, bad := range []string{"", "SIZE", "SIZE x", "SIZE -1", "SIZE 99999999999999999999"} {
		if n := parseExtensions(parseReply(t, "250-mx\r\n250 "+bad+"\r\n")).sizeLimit(); n != 0 {
			t.Errorf("%q: limit %d", bad, n)
		}
	}
}
