package smtp

import (
	"strings"
	"testing"
	"time"
)

// offered reads what a host offers from the lines of its reply to EHLO behind the first.
func offered(t testing.TB, lines ...string) Extensions {
	t.Helper()
	said := "250-mx.example.org\r\n"
	for _, line := range lines {
		said += "250-" + line + "\r\n"
	}
	return parseExtensions(parseReply(t, said+"250 HELP\r\n"))
}

func TestExtensions(t *testing.T) {
	ext := parseExtensions(parseReply(t, "250-mx pipelining\r\n250-Size 1000\r\n250-8bitmime\r\n250-AUTH plain\r\n250-AUTH=LOGIN CRAM-MD5\r\n250 chunking \r\n"))
	if ext.Has("PIPELINING") || !ext.Has("8BITMIME") || !ext.Has("CHUNKING") || ext.SizeLimit() != 1000 {
		t.Errorf("%v", ext)
	}
	if !ext.Auth("PLAIN") || !ext.Auth("LOGIN") || ext.Auth("LOG") {
		t.Errorf("AUTH: %q", ext["AUTH"])
	}
	for _, bad := range []string{"", "SIZE", "SIZE x", "SIZE -1", "SIZE 99999999999999999999"} {
		if n := parseExtensions(parseReply(t, "250-mx\r\n250 "+bad+"\r\n")).SizeLimit(); n != 0 {
			t.Errorf("%q: limit %d", bad, n)
		}
	}
}

// AUTH and AUTH= are one offer, in whatever order and however often they come.
func TestAuthOffers(t *testing.T) {
	for _, c := range []struct {
		lines string
		want  string // of PLAIN, LOGIN and CRAM-MD5
	}{
		{"AUTH PLAIN|AUTH=LOGIN", "PLAIN LOGIN"},
		{"AUTH=LOGIN|AUTH PLAIN", "PLAIN LOGIN"},
		{"AUTH=PLAIN LOGIN", "PLAIN LOGIN"},
		{"AUTH=PLAIN", "PLAIN"},
		{"auth=plain login|auth cram-md5", "PLAIN LOGIN CRAM-MD5"},
		{"AUTH PLAIN LOGIN|AUTH=PLAIN LOGIN", "PLAIN LOGIN"},
		{"AUTH PLAIN|AUTH CRAM-MD5", "PLAIN CRAM-MD5"},
		{"AUTH=", ""},
		{"AUTH", ""},
		{"AUTHPLAIN|X-AUTH PLAIN", ""},
	} {
		ext := offered(t, strings.Split(c.lines, "|")...)
		var got []string
		for _, m := range []string{"PLAIN", "LOGIN", "CRAM-MD5"} {
			if ext.Auth(m) {
				got = append(got, m)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.lines, got, c.want)
		}
		if ext.Has("AUTH") != (c.lines != "AUTHPLAIN|X-AUTH PLAIN") {
			t.Errorf("%s: AUTH is offered: %v", c.lines, ext.Has("AUTH"))
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		line, name string
		want       int
	}{
		{"LIMITS MAILMAX=1000 RCPTMAX=50000", "MAILMAX", 1000},
		{"LIMITS MAILMAX=1000 RCPTMAX=50000", "RCPTMAX", 50000},
		{"LIMITS MAILMAX=1000 RCPTMAX=50000", "RCPTDOMAINMAX", 0},
		{"limits mailmax=7", "MAILMAX", 7},
		{"LIMITS RCPTDOMAINMAX=1  MAILMAX=2", "MAILMAX", 2},
		{"LIMITS XMAILMAX=1 MAILMAX=2", "MAILMAX", 2},
		{"LIMITS", "MAILMAX", 0},
		{"LIMITS MAILMAX", "MAILMAX", 0},
		{"LIMITS MAILMAX=", "MAILMAX", 0},
		{"LIMITS MAILMAX=0", "MAILMAX", 0},
		{"LIMITS MAILMAX=-5", "MAILMAX", 0},
		{"LIMITS MAILMAX=ten", "MAILMAX", 0},
		{"LIMITS MAILMAX=1=2", "MAILMAX", 0},
		{"LIMITS MAILMAX=999999", "MAILMAX", 999999},
		{"LIMITS MAILMAX=1000000", "MAILMAX", 0}, // six digits at most (RFC 9422, 4)
		{"LIMITS MAILMAX=99999999999999999999", "MAILMAX", 0},
		{"XLIMITS MAILMAX=5", "MAILMAX", 0},
	} {
		if got := offered(t, c.line).Limit(c.name); got != c.want {
			t.Errorf("%s: %s %d, want %d", c.line, c.name, got, c.want)
		}
	}
}

// greetings are two greetings of the same host at different times; ehlo likewise, in lines.
var sameHosts = []struct{ name, greeting, again, ehlo, ehloAgain string }{
	{"Exim, with the date",
		"220 mx.example.org ESMTP Exim 4.98 Sun, 29 Nov 2026 17:56:02 +0000\r\n",
		"220 mx.example.org ESMTP Exim 4.98 Mon, 7 Dec 2026 08:01:59 +0100\r\n",
		"SIZE 52428800|LIMITS MAILMAX=1000 RCPTMAX=50000|8BITMIME|PIPELINING|CHUNKING|PRDR", ""},
	{"sendmail, with the date",
		"220 mx.example.org ESMTP Sendmail 8.17.1/8.17.1; Sun, 29 Nov 2026 17:56:02 GMT\r\n",
		"220 mx.example.org ESMTP Sendmail 8.17.1/8.17.1; Thu, 3 Dec 2026 00:00:00 GMT\r\n",
		"ENHANCEDSTATUSCODES|PIPELINING|8BITMIME|SIZE|DSN|ETRN|DELIVERBY", ""},
	{"a provider, with the name of a session",
		"220 mx.example.com ESMTP 5b1f17b1804b1-45f8s12345ae9.7 - gsmtp\r\n",
		"220 mx.example.com ESMTP a640c23a62f3a-a9a1s98765bf1.3 - gsmtp\r\n",
		"SIZE 35882577|8BITMIME|PIPELINING|CHUNKING|SMTPUTF8", ""},
	{"a session in brackets",
		"220 smtp.example.com (mreue106) Nemesis ESMTP Service ready [1MtfNX-1tkZ9D2kVb-00xyzz]\r\n",
		"220 smtp.example.com (mreue012) Nemesis ESMTP Service ready [0LmKl2-1kQw7X3bNm-01abcd]\r\n",
		"8BITMIME|SIZE 141557760|STARTTLS", ""},
	{"qpsmtpd, its words in another order",
		"220 mx.example.org ESMTP qpsmtpd 0.96 ready; send us your mail, but not your spam.\r\n",
		"220 mx.example.org ESMTP qpsmtpd 0.96 ready; send us your mail, but not your spam.\r\n",
		"PIPELINING|8BITMIME|AUTH PLAIN LOGIN CRAM-MD5", "PIPELINING|8BITMIME|AUTH CRAM-MD5 PLAIN LOGIN"},
	{"SIZE by the free space, lines in another order",
		"220 mx.example.org ESMTP\r\n", "220 mx.example.org ESMTP\r\n",
		"SIZE 1000000|PIPELINING|AUTH=PLAIN|AUTH LOGIN", "AUTH LOGIN|AUTH=PLAIN|PIPELINING|SIZE 999000"},
}

// The same host is recognised, whatever differs in its words each time.
func TestFingerprint(t *testing.T) {
	prints := map[string]string{}
	for _, c := range sameHosts {
		again := c.ehloAgain
		if again == "" {
			again = c.ehlo
		}
		one := Fingerprint(parseReply(t, c.greeting).Text(), offered(t, strings.Split(c.ehlo, "|")...))
		two := Fingerprint(parseReply(t, c.again).Text(), offered(t, strings.Split(again, "|")...))
		if one != two {
			t.Errorf("%s: %q and %q", c.name, one, two)
		}
		if other := prints[one]; other != "" || one == "" {
			t.Errorf("%s: %q, as %s", c.name, one, other)
		}
		prints[one] = c.name
	}
}

// A host that was repaired or changed counts as another one.
func TestFingerprintChanges(t *testing.T) {
	const greeting = "mx.example.org ESMTP Exim 4.96 Sun, 29 Nov 2026 17:56:02 +0000"
	ext := []string{"SIZE 1000", "PIPELINING", "AUTH PLAIN LOGIN"}
	before := Fingerprint(greeting, offered(t, ext...))
	for name, now := range map[string]string{
		"version":   Fingerprint(strings.Replace(greeting, "4.96", "4.98", 1), offered(t, ext...)),
		"release":   Fingerprint(strings.Replace(greeting, "4.96", "4.96.1", 1), offered(t, ext...)),
		"software":  Fingerprint("mx.example.org ESMTP Postfix", offered(t, ext...)),
		"name":      Fingerprint(strings.Replace(greeting, "mx.", "mail.", 1), offered(t, ext...)),
		"extension": Fingerprint(greeting, offered(t, append(ext, "CHUNKING")...)),
		"less":      Fingerprint(greeting, offered(t, ext[1:]...)),
		"parameter": Fingerprint(greeting, offered(t, ext[0], ext[1], "AUTH PLAIN")),
		"limits":    Fingerprint(greeting, offered(t, append(ext, "LIMITS MAILMAX=10")...)),
	} {
		if now == before {
			t.Errorf("the host's %s changed, and it is taken for the same", name)
		}
	}
}

func TestSteadyWords(t *testing.T) {
	for _, c := range []struct{ said, want string }{
		{"", ""},
		{"Ok", "Ok"},
		{"2.0.0 Ok", "2.0.0 Ok"},
		{"mx ESMTP Exim 4.98 Sun, 29 Nov 2026 17:56:02 +0000", "mx ESMTP Exim 4.98"},
		{"mx ESMTP Exim 4.98.1 Tue,  1 Dec 2026", "mx ESMTP Exim 4.98.1"},
		{"Resetting 45f8s12345ae9.7 - gsmtp", "Resetting - gsmtp"},
		{"flushed [192.0.2.1]", "flushed"},
		{"flushed 192.0.2.1 (4711)", "flushed"},
		{"<4.96>; ready", "<4.96>; ready"},
		{"Monday is not Mon", "Monday is not"},
		{"  blanks \t between  words ", "blanks between words"},
	} {
		if got := steadyWords(c.said); got != c.want {
			t.Errorf("%q: %q, want %q", c.said, got, c.want)
		}
	}
}

// TestShape: replies to the same command have the same shape, to others another.
func TestShape(t *testing.T) {
	for _, c := range []struct {
		one, two string
		same     bool
	}{
		{"250 2.0.0 Ok", "250 2.0.0 Ok", true},
		{"250 2.0.0 Ok: queued as 4F1A2", "250 2.0.0 Ok: queued as 9B7C3", true},
		{"250 2.0.0 Flushed 123abc.4 - gsmtp", "250 2.0.0 Flushed 98xyz1.7 - gsmtp", true},
		{"250 2.0.0 Ok", "250 2.1.0 Ok", false},
		{"250 Ok", "252 Ok", false},
		{"250 Reset OK", "250 OK id=1tGkW2-000000001-abcd", false},
		{"250 flushed", "250 message accepted", false},
	} {
		one, two := parseReply(t, c.one+"\r\n").shape(), parseReply(t, c.two+"\r\n").shape()
		if (one == two) != c.same {
			t.Errorf("%q and %q: %q and %q", c.one, c.two, one, two)
		}
	}
}

// The limits of FUTURERELEASE are what the host says, or nothing where that makes no sense, and they do
// not make another host of it.
func TestHoldLimit(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for offer, want := range map[string]time.Duration{
		"3600": time.Hour, "3600 2030-01-02T00:00:00Z": time.Hour, "7200 2030-01-01T01:00:00z": time.Hour,
		"7200 2030-01-01T03:00:00+02:00": time.Hour, "": 0, "0": 0, "-5": 0, "3600 tomorrow": 0, "3600 2029-01-01T00:00:00Z": 0,
		"9999999999": 0, "999999999": 999999999 * time.Second,
	} {
		if got := (Extensions{"FUTURERELEASE": offer}).HoldLimit(now); got != want {
			t.Errorf("%q: %v, want %v", offer, got, want)
		}
	}
	if (Extensions{}).HoldLimit(now) != 0 {
		t.Error("not offered")
	}
	a, b := Extensions{"FUTURERELEASE": "1 2030-01-01T00:00:00Z"}, Extensions{"FUTURERELEASE": "1 2030-01-01T00:00:01Z"}
	if Fingerprint("mx", a) != Fingerprint("mx", b) || Fingerprint("mx", a) == Fingerprint("mx", Extensions{}) {
		t.Error("the fingerprint follows the clock, or does not show the offer")
	}
}
