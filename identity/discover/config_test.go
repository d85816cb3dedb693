package discover

import (
	"fmt"
	"strings"
	"testing"
)

const plainConfig = `<clientConfig version="1.1"><emailProvider id="example.org"><domain>example.org</domain>
<incomingServer type="imap"><hostname>imap.example.org</hostname><port>993</port><socketType>SSL</socketType><username>%EMAILLOCALPART%</username></incomingServer>
%s</emailProvider></clientConfig>`

func outgoing(host, port, socket, more string) string {
	return `<outgoingServer type="smtp"><hostname>` + host + `</hostname><port>` + port + `</port><socketType>` + socket + `</socketType>` + more + `</outgoingServer>`
}

// What configurations on the web look like, and what becomes of them.
func TestClientConfig(t *testing.T) {
	one := outgoing("smtp.example.org", "465", "SSL", "<username>%EMAILADDRESS%</username>")
	const found = "smtp.example.org 465 implicit me@example.org"
	for _, test := range []struct{ name, text, servers, clear string }{
		{"plain", one, found, ""},
		{"several, best first", outgoing("b.example.org", "587", "STARTTLS", "") + one, "b.example.org 587 starttls me@example.org; " + found, ""},
		{"placeholders", outgoing("mail.%EMAILDOMAIN%", "587", "STARTTLS", "<username>%EMAILLOCALPART%.%EMAILDOMAIN%</username>"), "mail.example.org 587 starttls me.example.org", ""},
		{"no user name", outgoing("smtp.example.org", "465", "SSL", "<authentication>password-cleartext</authentication>"), found, ""},
		{"no login", outgoing("smtp.example.org", "465", "SSL", "<authentication>none</authentication>"), "smtp.example.org 465 implicit ", ""},
		{"login by address", outgoing("smtp.example.org", "465", "SSL", "<authentication>client-IP-address</authentication>"), "smtp.example.org 465 implicit ", ""},
		{"unfinished placeholder", outgoing("smtp.example.org", "465", "SSL", "<username>%EMAILADDRESS</username>"), found, ""},
		{"blanks and comments", outgoing("\n <!-- a > b --> smtp.example.org\r\n", " 465 ", "<!-- -->SSL", "<username> %EMAILADDRESS% </username>"), found, ""},
		{"CDATA", outgoing("<![CDATA[smtp.example.org]]>", "465", "SSL", ""), found, ""},
		{"capitals", strings.ReplaceAll(one, "SSL", "ssl"), found, ""},
		{"odd ports", outgoing("smtp.example.org", "586", "SSL", ""), "smtp.example.org 586 implicit me@example.org", ""},
		{"plaintext", outgoing("smtp.example.org", "587", "plain", "<authentication>password-encrypted</authentication>"), "", "smtp.example.org 587 off me@example.org"},
		{"plaintext besides", outgoing("smtp.example.org", "25", "plain", "") + one, found, "smtp.example.org 25 off me@example.org"},
		{"no socket type", outgoing("smtp.example.org", "25", "", ""), "", "smtp.example.org 25 off me@example.org"},
		{"no port", outgoing("smtp.example.org", "", "SSL", ""), "", ""},
		{"port of nonsense", outgoing("smtp.example.org", "99999", "SSL", ""), "", ""},
		{"host of nonsense", outgoing("-oProxyCommand=x y", "465", "SSL", ""), "", ""},
		{"host with a line end", outgoing("smtp.example.org\nx", "465", "SSL", ""), "", ""},
		{"user with a line end", outgoing("smtp.example.org", "465", "SSL", "<username>a&#10;b</username>"), "smtp.example.org 465 implicit a&#10;b", ""},
		{"exchange", `<outgoingServer type="exchange"><hostname>x.example.org</hostname><port>443</port><socketType>SSL</socketType></outgoingServer>`, "", ""},
		{"entities", outgoing("smtp.example.org", "465", "SSL", "<username>a&amp;b&#64;c &eacute; & d&nbsp;&#x41;</username>"), "smtp.example.org 465 implicit a&b@c &eacute; & d A", ""},
		{"empty element", "<x/><y a='b' />" + one, found, ""},
	} {
		s := &search{address: address{"me", "example.org"}}
		for _, head := range []string{"", `<?xml version="1.0"?>`, "\ufeff" + `<?xml version="1.0" encoding="utf8"?><!DOCTYPE x>` + "\r\n", `<?xml version="1.0" encoding="ISO-8859-1"?><!-- ` + "\xe4 -->"} {
			f := s.read(Autoconfig, "", []byte(head+strings.Replace(plainConfig, "%s", test.text, 1)), nil)
			if got := list(f.Servers); got != test.servers {
				t.Errorf("%s, %q: servers %q, want %q", test.name, head, got, test.servers)
			}
			if got := list(f.Clear); got != test.clear {
				t.Errorf("%s: in clear %q, want %q", test.name, got, test.clear)
			}
			if (f.State == Found) != (test.servers != "") || f.State != Found && f.Why == "" {
				t.Errorf("%s: state %d, %q", test.name, f.State, f.Why)
			}
		}
	}
}

func list(servers []Server) string {
	var all []string
	for _, s := range servers {
		all = append(all, fmt.Sprintf("%s %s %s %s", s.Host, s.Port, s.TLS, s.Username))
	}
	return strings.Join(all, "; ")
}

func TestNonsense(t *testing.T) {
	whole := strings.Replace(plainConfig, "%s", outgoing("smtp.example.org", "465", "SSL", ""), 1)
	s := &search{address: address{"me", "example.org"}}
	for _, text := range []string{
		"", "<", "<html><body>welcome</body></html>", "{}", whole[:len(whole)-20], whole[:len(whole)/2], "<clientConfig>", whole + whole,
		strings.Repeat("<a>", 1<<16), strings.Repeat("<a/>", 1<<16), "<clientConfig><a b></clientConfig>", "<clientConfig></a></clientConfig>", "\x00\x01",
	} {
		if f := s.read(Autoconfig, "", []byte(text), nil); f.State != Nothing || f.Why == "" || len(f.Servers) > 0 {
			t.Errorf("%.60q: %+v", text, f)
		}
	}
}

func TestEnable(t *testing.T) {
	s := &search{address: address{"me", "example.org"}}
	f := s.read(Autoconfig, "", []byte(strings.Replace(plainConfig, "%s", outgoing("smtp.example.org", "465", "SSL", "")+
		`<enable visiturl="https://example.org/settings"><instruction lang="en">Switch on
		IMAP</instruction></enable><enable visiturl="javascript:x"/>`, 1)), nil)
	if want := "Switch on IMAP https://example.org/settings"; len(f.Hints) != 1 || !strings.HasSuffix(f.Hints[0], want) {
		t.Errorf("hints %q, want %q", f.Hints, want)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(strings.Replace(plainConfig, "%s", outgoing("smtp.example.org", "465", "SSL", ""), 1)))
	f.Add([]byte("<clientConfig><!-- --><![CDATA[x]]><a b='c'/>&#x41;</clientConfig>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := &search{address: address{"me", "example.org"}}
		for _, one := range s.read(Autoconfig, "", text, nil).Servers {
			if !isHost(one.Host) && !strings.Contains(one.Host, ".") && !strings.Contains(one.Host, ":") {
				t.Errorf("host %q", one.Host)
			}
			if strings.ContainsAny(one.Username, "\n\r\x00") {
				t.Errorf("user name %q", one.Username)
			}
		}
	})
}
