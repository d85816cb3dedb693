package identity

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// show returns an identity on one line, without the settings that have their default.
func show(id *Identity) string {
	var b strings.Builder
	add := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, " %s=%q", key, value)
		}
	}
	fmt.Fprintf(&b, "%s:%s", id.Host, id.Port)
	if id.TLS != TLSOff {
		fmt.Fprintf(&b, " %s", id.TLS)
	}
	add("user", id.Username)
	if id.Password.IsSet() {
		fmt.Fprintf(&b, " pass=%q", id.Password.Reveal())
	}
	if id.CertificatePassphrase.IsSet() {
		fmt.Fprintf(&b, " passphrase=%q", id.CertificatePassphrase.Reveal())
	}
	add("helo", id.Helo)
	add("qualify", id.QualifyDomain)
	add("rp", id.ReversePath)
	add("sender", id.Sender)
	if id.NoMessageID {
		b.WriteString(" nomsgid")
	}
	add("pre", id.Preconnect)
	add("post", id.Postconnect)
	return b.String()
}

// One block with one or a few statements: lexical rules and keywords.
func TestEsmtprcStatements(t *testing.T) {
	tests := []struct{ text, want string }{
		// Free format.
		{"", `localhost:25`},
		{"hostname=mail.example.com", `mail.example.com:587`},
		{"hostname mail.example.com", `mail.example.com:587`},
		{"hostname\n=\nmail.example.com\n", `mail.example.com:587`},
		{"host=a:25 user=u helo=h", `a:25 user="u" helo="h"`},
		{"hostname = a\r\nhelo = b\r\n", `a:587 helo="b"`},
		{"hostname = \\\n a", `a:587`},
		// Comments.
		{"# all of this\nhost=a # and this\n", `a:587`},
		{"helo=x#y\n", `localhost:25 helo="x#y"`},
		{"host=a\n# no newline", `a:587`},
		{"host=a\n#", `a:587`},
		// Host and service.
		{"host=a:submission", `a:submission`},
		{"host=a:465", `a:465 implicit`},
		{"host=a:smtps", `a:smtps implicit`},
		{"host=a:465 starttls=disabled", `a:465 implicit`},
		{"host=127.0.0.1", `127.0.0.1:587`},
		{"host=3com", `3com:587`},
		{"host=3-com", `3-com:587`},
		{"host=[::1]:25", `::1:25`},
		{"host='[::1]'", `::1:587`},
		// All keywords, and their other spellings. The last of a kind counts.
		{"username=a password=b", `localhost:25 user="a" pass="b"`},
		{"user a pass b", `localhost:25 user="a" pass="b"`},
		{"user=a user=b", `localhost:25 user="b"`},
		{"starttls=disabled", `localhost:25`},
		{"starttls=enabled", `localhost:25 opportunistic`},
		{"starttls required", `localhost:25 starttls`},
		{"tls=required", `localhost:25 starttls`},
		{"starttls=implicit", `localhost:25 implicit`},
		{"helo=implicit", `localhost:25 helo="implicit"`},
		{"certificate_passphrase=x", `localhost:25 passphrase="x"`},
		{"passphrase=x", `localhost:25 passphrase="x"`},
		{"preconnect=\"ssh -f -L 25025:localhost:25 host 'sleep 5'\"", `localhost:25 pre="ssh -f -L 25025:localhost:25 host 'sleep 5'"`},
		{"postconnect=true", `localhost:25 post="true"`},
		{"qualifydomain=example.com", `localhost:25 qualify="example.com"`},
		{"force reverse_path=a@b.example", `localhost:25 rp="a@b.example"`},
		{"force sender a@b.example", `localhost:25 sender="a@b.example"`},
		{"force\nsender\n=\n\"%u@b.example\"", `localhost:25 sender="%u@b.example"`},
		{"message_id=disabled", `localhost:25 nomsgid`},
		{"message_id=enabled", `localhost:25`},
		// Quotes. No backslash protects the closing one; the longer match counts.
		{`user="a b"`, `localhost:25 user="a b"`},
		{`user='a"b'`, `localhost:25 user="a\"b"`},
		{`helo=""`, `localhost:25`},
		{`user=""`, `localhost:25`},
		{`pass=""`, `localhost:25 pass=""`},
		{`pass="x""y"`, `localhost:25 pass="\"x\"\"y\""`},
		{`pass="a\"b"`, `localhost:25 pass="\"a\"b\""`},
		{`pass=it's`, `localhost:25 pass="it's"`},
		{`pass="open`, `localhost:25 pass="\"open"`},
		{"pass=\"a\nb\"", `localhost:25 pass="a\nb"`},
		{`pass="a=b;c,d#e:f"`, `localhost:25 pass="a=b;c,d#e:f"`},
		// Names may hold colons and be spelled like keywords.
		{"pass=a:b", `localhost:25 pass="a:b"`},
		{"pass=tls", `localhost:25 pass="tls"`},
		{"user=default", `localhost:25 user="default"`},
		{"host=host", `host:587`},
		{"helo=tlsx", `localhost:25 helo="tlsx"`},
		{`helo="tls"`, `localhost:25 helo="tls"`},
		{`helo=TLS`, `localhost:25 helo="TLS"`},
		// Numbers are values only in quotes.
		{`pass="12345"`, `localhost:25 pass="12345"`},
		{`pass=12345x`, `localhost:25 pass="12345x"`},
		{`pass=-`, `localhost:25 pass="-"`},
		// Escapes: everywhere, and decimal.
		{`pass=a\\b`, `localhost:25 pass="a\\b"`},
		{`pass="a\\b"`, `localhost:25 pass="a\\b"`},
		{`pass='a\\b'`, `localhost:25 pass="a\\b"`},
		{`pass="\n\t\b\r|"`, `localhost:25 pass="\n\t\b\r|"`},
		{`pass="\a\f\v|"`, `localhost:25 pass="afv|"`},
		{`pass="\65|\101|"`, `localhost:25 pass="A|e|"`},
		{`pass="\0101|\07|"`, `localhost:25 pass="\b1|\a|"`},
		{`pass="\x41\x4a1\x4|"`, `localhost:25 pass="AJ1\x04|"`},
		{`pass="\1234"`, `localhost:25 pass="{4"`},
		{`pass="\x22|"`, `localhost:25 pass="\"|"`},
		{`pass="\300|"`, `localhost:25 pass=",|"`},
		// What esmtp leaves undefined is defined here.
		{`pass="ab\"`, `localhost:25 pass="ab\\"`},
		{`pass=ab\`, `localhost:25 pass="ab\\"`},
		{`pass="A\66"`, `localhost:25 pass="AB"`},
		// Stray separators.
		{"host=a; user=b, pass=c;", `a:587 user="b" pass="c"`},
		{"helo=a: host=b", `b:587 helo="a"`},
	}
	for _, test := range tests {
		c, err := parseEsmtprc("rc", []byte(test.text))
		if err != nil {
			t.Errorf("%s\n%v", test.text, err)
			continue
		}
		if got := show(c.Default); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.text, got, test.want)
		}
	}
}

// Errors, which are reported with the line and the keyword and without any part of a value.
func TestEsmtprcErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"\xef\xbb\xbfhost=a", "rc:1: syntax error: the file begins with a byte-order mark"},
		{canary, "rc:1: syntax error: there should be a keyword here"},
		{"HOST=" + canary, "rc:1: syntax error: there should be a keyword here"},
		{"HOST=a", `rc:1: syntax error: there should be a keyword here; is it "host"?`},
		{"host=a\nuserame=" + canary, `rc:2: syntax error: there should be a keyword here, after "host"; is it "username"?`},
		{"host=a\n\npass=\"" + canary + "\nuser=\"b\"\n", `rc:4: syntax error: there should be a keyword here, after "pass"; the quotation mark in line 3 lacks its other one`},
		{"host=a\npass=\"" + canary + " x\n", `rc:2: syntax error: there should be a keyword here, after "pass"; the quotation mark in line 2 lacks its other one`},
		{"pass='it is " + canary + "\n", `rc:1: syntax error: there should be a keyword here, after "pass"; the quotation mark in line 1 lacks its other one`},
		{"= x", "rc:1: syntax error: there should be a keyword here"},
		{"12", "rc:1: syntax error: there should be a keyword here"},
		{"host=a\npass==" + canary, `rc:2: syntax error: unexpected "=" after "pass"`},
		{"pass=a " + canary, `rc:1: syntax error: there should be a keyword here, after "pass"; a value that holds blanks`},
		{"pass=" + canary + "==", `rc:1: syntax error: there should be a keyword here, after "pass"; `},
		{`pass="a b"` + canary, `rc:1: syntax error: there should be a keyword here, after "pass"; `},
		{"pass=" + canary + ";" + canary, `rc:1: syntax error: there should be a keyword here, after "pass"; `},
		{"pass=\"a\nb\"\nx", `rc:3: syntax error: there should be a keyword here, after "pass"`},
		{"host=a :25", `rc:1: syntax error: there should be a keyword here, after "host"`},
		{"helo=a:b", `rc:1: syntax error: there should be a keyword here, after "helo"`},
		{"pass=12345", `rc:1: syntax error: a number as the value of "pass" must be in quotes`},
		{"pass=-1", `rc:1: syntax error: a number as the value of "pass" must be in quotes`},
		{"helo=5", `rc:1: syntax error: a number as the value of "helo" must be in quotes`},
		{"helo=sender", `rc:1: syntax error: "sender" is a keyword; in quotes it can be the value of "helo"`},
		{"pass = #" + canary + "\nhelo " + canary, `rc:2: syntax error: there should be a keyword here, after "pass"`},
		{"helo = #x\nhost a", `rc:2: syntax error: "host" is a keyword`},
		{"pass", `rc:1: syntax error: the file ends where the value of "pass" should be`},
		{"pass=\n", `rc:2: syntax error: the file ends where the value of "pass" should be`},
		{"starttls=\"enabled\"", `rc:1: syntax error: "starttls" takes disabled, enabled, required or implicit, without quotes`},
		{"starttls=\"implicit\"", `rc:1: syntax error: "starttls" takes `},
		{"starttls=yes", `rc:1: syntax error: "starttls" takes `},
		{"tls=default", `rc:1: syntax error: "tls" takes `},
		{"message_id=required", `rc:1: syntax error: "message_id" takes enabled or disabled, without quotes`},
		{"message_id=off", `rc:1: syntax error: "message_id" takes `},
		{"force = sender = x", `rc:1: syntax error: after "force" comes "sender" or "reverse_path"`},
		{"force x", `rc:1: syntax error: after "force" comes `},
		{"sender = x", `rc:1: syntax error: "sender" cannot stand here`},
		{"required", `rc:1: syntax error: "required" cannot stand here`},
		{"identity a\nidentity b\nidentity c host=x", "rc:2: syntax error: this identity has no settings"},
		{"identity a\nidentity b\n", "rc:2: syntax error: this identity has no settings"},
		{"default = x", `rc:1: syntax error: there should be a keyword here, after "default"`},
		{"host=\"\"", `rc:1: the value of "hostname" has no host name`},
		{"host=:25", `rc:1: the value of "hostname" has no host name`},
		{"host=a:", `rc:1: the value of "hostname" has no port after its colon`},
		{"host=a:b:c", `rc:1: the value of "hostname" has a port that is neither`},
		{"host=a:0", `rc:1: the value of "hostname" has a port that is not between`},
		{"host='" + canary + " b'", `rc:1: the value of "hostname" is no host name`},
		{`helo="a\nb"`, `rc:1: the value of "helo" holds a control character`},
		{`pass="a\000b"`, `rc:1: the value of "pass" holds a NUL octet`},
		{`pass="a\xg"`, `rc:1: the value of "pass" holds a NUL octet`},
		{"identity \"a\nb\"", `rc:1: the value of "identity" holds a control character`},
	}
	for _, test := range tests {
		c, err := parseEsmtprc("rc", []byte(test.text))
		var ce *ConfigError
		if !errors.As(err, &ce) {
			t.Errorf("%s\naccepted: %+v %v", test.text, c, err)
			continue
		}
		if got := err.Error(); !strings.HasPrefix(got, test.want) || strings.Contains(got+ce.Hint, canary) {
			t.Errorf("%s\ngot  %s\nwant %s", test.text, got, test.want)
		}
	}
}

// Blocks: which ones there are, what they match, and which is the default (marked with a star).
func TestEsmtprcBlocks(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", "*default[] localhost:25"},
		{"only an mda", "mda=procmail", "*default[] localhost:25"},
		{"only options", "host=a", "*default[] a:587"},
		{"an empty identity", "identity a@x.example", "*a@x.example[a@x.example] localhost:25"},
		{"first may be empty", "identity a@x.example identity b@x.example host=b",
			"a@x.example[a@x.example] localhost:25; *b@x.example[b@x.example] b:587"},
		{"no inheritance", "host=g user=u identity a@x.example helo=h",
			`*default[] g:587 user="u"; a@x.example[a@x.example] localhost:25 helo="h"`},
		{"the first with options", "mda=m identity a@x.example host=a identity b@x.example host=b",
			"*a@x.example[a@x.example] a:587; b@x.example[b@x.example] b:587"},
		{"mda is no option", "identity a@x.example mda=m identity b@x.example force_mda=m identity c@x.example host=c",
			"a@x.example[a@x.example] localhost:25; b@x.example[b@x.example] localhost:25; *c@x.example[c@x.example] c:587"},
		{"none with options: the last", "identity a@x.example mda=m identity b@x.example mda=m",
			"a@x.example[a@x.example] localhost:25; *b@x.example[b@x.example] localhost:25"},
		{"keyword", "identity a@x.example host=a identity b@x.example host=b default identity c@x.example host=c",
			"a@x.example[a@x.example] a:587; *b@x.example[b@x.example] b:587; c@x.example[c@x.example] c:587"},
		{"last keyword", "default host=g identity a@x.example default host=a identity b@x.example host=b default",
			"a@x.example[a@x.example] a:587; *b@x.example[b@x.example] b:587"},
		{"keyword over global options", "host=g identity a@x.example host=a default",
			"*a@x.example[a@x.example] a:587"},
		{"global keyword", "default host=g identity a@x.example host=a",
			"*default[] g:587; a@x.example[a@x.example] a:587"},
		{"a word is no address", "identity=work host=a", "*work[work] a:587"},
		{"a keyword as word", "identity default host=a", "*default[default] a:587"},
		{"a taken name", "host=g identity default host=a", "*default-2[] g:587; default[default] a:587"},
		{"same word", "identity a@x.example host=a identity b@x.example host=b identity a@x.example host=c",
			"b@x.example[b@x.example] b:587; *a@x.example[a@x.example] c:587"},
		{"case matters", "identity a@x.example host=a identity A@x.example host=b",
			"*a@x.example[a@x.example] a:587; A@x.example[A@x.example] b:587"},
		{"a quoted word", `identity = "a b" host=a`, "*a b[] a:587"},
		{"empty words", `identity "" host=a identity '' host=b`, "*default[] a:587; default-2[] b:587"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := parseText(t, "rc", test.text)
			var ids []string
			for _, id := range c.Identities {
				star := ""
				if id == c.Default {
					star = "*"
				}
				if id.Default != (id == c.Default) {
					t.Errorf("%s: Default is %t", id.Name, id.Default)
				}
				ids = append(ids, fmt.Sprintf("%s%s%s %s", star, id.Name, id.Match, show(id)))
			}
			if got := strings.Join(ids, "; "); got != test.want {
				t.Errorf("\ngot  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestEsmtprcGlobals(t *testing.T) {
	c := parseText(t, "rc", `mda=first identity a@x.example host=a
mda = '/usr/bin/formail -a "Date: `+"`date -R`"+`" | /usr/bin/procmail -d %T'
identity b@x.example host=b force_mda="/bin/cat > /dev/null"`)
	if want := "/usr/bin/formail -a \"Date: `date -R`\" | /usr/bin/procmail -d %T"; c.MDA != want {
		t.Errorf("mda is %s, want %s", c.MDA, want)
	}
	if want := "/bin/cat > /dev/null"; c.ForceMDA != want {
		t.Errorf("force_mda is %s, want %s", c.ForceMDA, want)
	}
	if c.BatchDelay != DefaultBatchDelay || c.Format != FormatEsmtprc {
		t.Errorf("delay %v, format %s", c.BatchDelay, c.Format)
	}
}

func TestEsmtprcWarnings(t *testing.T) {
	tests := []struct{ text, want string }{
		{"host=localhost user=a pass=b", ""},
		{"\nhost=a;\n", `rc:2: a stray ";" is left out; a value that holds one must be in quotes`},
		{"\npass=ab\\", `rc:2: a value ends with a backslash, which is kept; write it twice`},
		{"\npass=ab\\66", `rc:2: a value ends with a numeric escape that lacks digits; write all of them`},
		{"pass=ab\\066", ""},
		{"pass=ab\\66x", ""},
		{"host=a\nuser=b\npass=c", "rc:1: the password is never sent without TLS; write starttls = required"},
		{"host=a pass=c starttls=enabled", ""},
		{"host=a:465 pass=c", ""},
		{"host=127.0.0.1:25025 pass=c", ""},
		{"host=g identity a@x.example host=a default", "rc:1: the settings before the first identity are not used: identities do not inherit"},
		{"identity a helo=x\nidentity a helo=y", "rc:1: this identity is replaced by the one of the same name in line 2"},
		{"force sender=''", `rc:1: an empty "sender" is left out`},
		{"passphrase=x", "rc:1: a client certificate is configured in YAML only: client_certificate, client_key"},
	}
	for _, test := range tests {
		c := parseText(t, "rc", test.text)
		if got := strings.Join(c.Warnings, "|"); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.text, got, test.want)
		}
	}
}
