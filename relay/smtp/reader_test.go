package smtp

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// parseReply reads one reply from text.
func parseReply(t testing.TB, text string) *Reply {
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
		if r.Code != c.code || r.Enhanced() != c.status || r.Text() != c.text {
			t.Errorf("%.40q: %d %s %q, want %d %s %q", c.said, r.Code, r.Enhanced(), r.Text(), c.code, c.status, c.text)
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
		{"250-ok\r\n\r\n", io.ErrUnexpectedEOF},
		{strings.Repeat("\r\n", 17) + "250 ok\r\n", errNoise},
		{"250-ok\r\n" + strings.Repeat("hm\r\n", 17) + "250 ok\r\n", errNoise},
		{"250 o\x00k\r\n", errNUL},
		{"no reply\x00\r\n250 ok\r\n", errNUL},
		{"250-ok\r\n550 no\r\n", errMixedCodes},
		{"250-ok\r\n\r\n550 no\r\n", errMixedCodes},
		{"250-" + strings.Repeat("x", 5000) + "\r\n", errLineTooLong},
		{strings.Repeat("x", 5000) + "\r\n250 ok\r\n", errLineTooLong},
		{strings.Repeat("250-x\r\n", 300) + "250 x\r\n", errReplyTooLong},
		{strings.Repeat("250-"+strings.Repeat("x", 3000)+"\r\n", 25) + "250 x\r\n", errReplyTooLong},
	} {
		if r, err := newReplyReader(strings.NewReader(c.said), nil).next(); !errors.Is(err, c.want) {
			t.Errorf("%.40q: %+v, %v, want %v", c.said, r, err, c.want)
		}
	}
}

// noReplies are lines that no reply has.
var noReplies = []string{"", " ", "25 ok", "2500 ok", "150 ok", "600 ok", "2x0 ok", "+OK dovecot ready", "250_ok", "250\tok", "ok"}

// TestNoise: a line that is no reply is passed over, before a reply and within one, and the last
// with a word in it is kept to be quoted.
func TestNoise(t *testing.T) {
	for _, line := range noReplies {
		for _, said := range []string{
			line + "\r\n250-ok\r\n250 yes\r\n", "250-ok\r\n" + line + "\r\n250 yes\r\n",
			strings.Repeat(line+"\r\n", 16) + "250-ok\r\n250 yes\r\n",
		} {
			rr := newReplyReader(strings.NewReader(said+"550 next\r\n"), nil)
			r, err := rr.next()
			if err != nil || r.Code != 250 || r.Text() != "ok yes" {
				t.Errorf("%.60q: %+v, %v", said, r, err)
				continue
			}
			if rr.noise != strings.TrimSpace(line) {
				t.Errorf("%.60q: %q is kept", said, rr.noise)
			}
			if r, err := rr.next(); err != nil || r.Code != 550 {
				t.Errorf("behind %.60q: %+v, %v", said, r, err)
			}
		}
	}
	// Each reply may have as many before it.
	rr := newReplyReader(strings.NewReader(strings.Repeat(strings.Repeat("hm\r\n", 16)+"250 ok\r\n", 3)), nil)
	for range 3 {
		if _, err := rr.next(); err != nil {
			t.Error(err)
		}
	}
}

// TestStrict: at the greeting such a line is an error that quotes it.
func TestStrict(t *testing.T) {
	for _, line := range noReplies {
		rr := newReplyReader(strings.NewReader(line+"\r\n220 mx\r\n"), nil)
		rr.strict = true
		r, err := rr.next()
		if strings.TrimSpace(line) == "" && err == nil && r.Code == 220 {
			continue // nothing to quote
		}
		var garbage garbageError
		if !errors.As(err, &garbage) || !strings.Contains(err.Error(), "\""+strings.TrimSpace(line)+"\"") {
			t.Errorf("%q: %+v, %v", line, r, err)
		}
	}
	rr := newReplyReader(strings.NewReader(strings.Repeat("x", 300)+"\r\n"), nil)
	rr.strict = true
	if _, err := rr.next(); err == nil || len(err.Error()) > 250 {
		t.Errorf("a long line: %v", err)
	}
	// Text without a line end is quoted in the reason of the loss.
	rr = newReplyReader(strings.NewReader("ssh: no such host"), nil)
	if _, err := rr.next(); err != io.ErrUnexpectedEOF || rr.noise != "ssh: no such host" {
		t.Errorf("%v, %q is kept", err, rr.noise)
	}
}

// TestSkipEmpty: empty lines that have come are taken, and nothing else.
func TestSkipEmpty(t *testing.T) {
	for said, left := range map[string]string{"": "", "\r\n": "", "\n\r\n\r": "", "\r\n250 ok\r\n": "250 ok\r\n", " \r\n": " \r\n"} {
		rr := newReplyReader(strings.NewReader(said), nil)
		rr.br.Peek(1)
		rr.skipEmpty()
		if got, _ := io.ReadAll(rr.br); string(got) != left {
			t.Errorf("of %q is left %q, want %q", said, got, left)
		}
	}
}

// TestHiddenReply: a password that the host repeats is neither shown nor kept.
func TestHiddenReply(t *testing.T) {
	var shown []string
	rr := newReplyReader(strings.NewReader("550-hunter2 is wrong\r\n550 so is "+b64("hunter2")+"\r\nhunter2!\r\n250 ok\r\nhunter2"),
		func(_ byte, line string) { shown = append(shown, line) })
	rr.hide = (&Conn{cfg: &Config{}}).forms(Credentials{User: "me", Secret: "hunter2"})
	r, err := rr.next()
	if err != nil || r.Text() != "*** is wrong so is ***" {
		t.Errorf("%+v, %v", r, err)
	}
	rr.next()
	if all := strings.Join(shown[:2], "\n"); strings.Contains(all, "hunter2") || strings.Contains(all, b64("hunter2")) {
		t.Errorf("shown: %s", all)
	}
	// A line that is no reply has no code that could stand in front of it: a terminal on the way
	// echoes what we send.
	for _, secret := range (&Conn{cfg: &Config{}}).forms(Credentials{User: "me", Secret: "hunter2"}) {
		shown = nil
		rr = newReplyReader(strings.NewReader(secret+"\r\n235 ok\r\n"), func(_ byte, line string) { shown = append(shown, line) })
		rr.hide = (&Conn{cfg: &Config{}}).forms(Credentials{User: "me", Secret: "hunter2"})
		if _, err := rr.next(); err != nil {
			t.Error(err)
		}
		if strings.Contains(rr.noise, secret) || strings.Contains(strings.Join(shown, "\n"), secret) {
			t.Errorf("of %q is shown %q, and kept %q", secret, shown, rr.noise)
		}
	}
	if (&Conn{cfg: &Config{}}).forms(Credentials{User: "me", Secret: "abc"}) != nil {
		t.Error("a password that stands in every other word is looked for")
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
		if r.Code < 200 || r.Code > 599 || len(r.Lines) == 0 || len(r.Lines) > maxReplyLines || len(r.Text()) > maxText {
			t.Fatalf("%+v", r)
		}
		if int(r.Enhanced()[0]-'0') != r.Class() {
			t.Fatalf("status %s with code %d", r.Enhanced(), r.Code)
		}
		if r.Text() != slow.Text() || r.Code != slow.Code {
			t.Fatalf("%+v, but octet by octet %+v", r, slow)
		}
		parseExtensions(r)
	})
}
